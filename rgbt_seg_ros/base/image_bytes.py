"""Images as the bytes of a file; `rgbt_seg_ros.base.whole_files` writes them."""

import cv2
import numpy as np


def png(image: np.ndarray) -> bytes:
    """A PNG of an image [H, W] or [H, W, 3] in OpenCV's order (BGR), uint8 or uint16.

    Raises:
        ValueError: OpenCV cannot encode it.
    """
    return _encoded(".png", image)


def jpeg(image: np.ndarray, quality: int) -> bytes:
    """A JPEG of an image uint8 [H, W] or [H, W, 3] in OpenCV's order (BGR), `quality` of 100.

    Raises:
        ValueError: OpenCV cannot encode it.
    """
    return _encoded(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))


def _encoded(suffix: str, image: np.ndarray, options: tuple[int, ...] = ()) -> bytes:
    try:
        done, data = cv2.imencode(suffix, image, options)
    except cv2.error as error:
        raise ValueError(
            f"an image of {image.dtype} {list(image.shape)} is no {suffix}: {error.err}"
        ) from error
    if not done:
        raise ValueError(f"an image of {image.dtype} {list(image.shape)} is no {suffix}")
    return data.tobytes()
