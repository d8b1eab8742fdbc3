"""The images of one pair as arrays, checked, and their resizing."""

from dataclasses import dataclass

import cv2
import numpy as np

WHOLE = 0.997
"""A resized pixel is valid if as much of what it is made of is. Where a GPU rounds inputs of products to 10 bits, which
NVIDIA's containers allow, two of them make 0.998 of a whole one."""

_MIN_SIDE = 8  # pixels; anything smaller is a broken camera, not an image


@dataclass(frozen=True)
class ImagePair:
    """What a model is asked about: two images of the same view; one of them may be missing.

    Attributes:
        rgb: uint8 [H, W, 3], or None if there is no colour image.
        thermal: uint8 or uint16 [h, w], resized onto the RGB image by whoever uses it; None if there is none.
        thermal_valid: bool [h, w], False where thermal is not known (outside its camera's view, holes of a
            reprojection): missing to the network. None: known everywhere.
        thermal_limits: counts that become 0 and 1; None: those that the thermal normalization finds for this image.
        thermal_span: counts, the smallest range that becomes 0..1, from the image as the camera gave it, before it was
            registered; None: that of this image.

    Raises:
        ValueError: both images are None, or a wrong shape or dtype.
    """

    rgb: np.ndarray | None
    thermal: np.ndarray | None
    thermal_valid: np.ndarray | None = None
    thermal_limits: tuple[float, float] | None = None
    thermal_span: float | None = None

    def __post_init__(self) -> None:
        rgb, thermal, valid = self.rgb, self.thermal, self.thermal_valid
        if rgb is None and thermal is None:
            raise ValueError("neither an RGB nor a thermal image was given: one of them is needed")
        if rgb is not None and (rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3):
            raise ValueError(f"the RGB image must be uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
        if thermal is not None and (thermal.dtype not in (np.uint8, np.uint16) or thermal.ndim != 2):
            raise ValueError(
                f"the thermal image must be uint8 or uint16 [H, W], got {thermal.dtype} {list(thermal.shape)}"
            )
        for name, image in (("RGB", rgb), ("thermal", thermal)):
            if image is not None and min(image.shape[:2]) < _MIN_SIDE:
                raise ValueError(
                    f"the {name} image is {image.shape[1]}x{image.shape[0]}, smaller than {_MIN_SIDE} pixels"
                )
        if valid is not None and (thermal is None or valid.dtype != bool or valid.shape != thermal.shape):
            raise ValueError(
                f"thermal_valid must be bool of the thermal image's shape, got {valid.dtype} {list(valid.shape)}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the answer: the RGB image's, or the thermal image's without it."""
        image = self.thermal if self.rgb is None else self.rgb
        assert image is not None
        return image.shape[0], image.shape[1]


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image [h, w] or [h, w, c] at another (height, width); averaged when it shrinks: small warm spots survive."""
    height, width = size
    if image.shape[:2] != size:
        shrinks = image.shape[0] >= height and image.shape[1] >= width
        image = cv2.resize(
            image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    # Decoded messages are views of read-only buffers, which torch will not take silently.
    return image if image.flags.writeable and image.flags.c_contiguous else np.array(image)


def resize_valid(valid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """bool [h, w] at another (height, width): a pixel is valid if all that it is made of is, see `WHOLE`."""
    return resize_image(valid.astype(np.float32), size) > WHOLE
