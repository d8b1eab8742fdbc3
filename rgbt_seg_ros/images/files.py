"""RGB and thermal images from files: any format and layout that OpenCV reads, 8 or 16 bits, thermal also in floats.

One file may hold both, as MFNet's do: four channels, RGB and thermal.
"""

from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.channels import upper_bits
from rgbt_seg_ros.images.headers.header import MAX_PIXELS
from rgbt_seg_ros.images.orientation import read_upright
from rgbt_seg_ros.images.palette import UnknownPalette, is_grey
from rgbt_seg_ros.images.thermal_image import ThermalImage, ThermalReading, has_opaque_alpha, thermal_image

_AS_THEY_SAY = ThermalReading()

_MASK_SHARE = 0.95
"""Share of pixels at either end of the scale above which a fourth channel says what is hidden."""


def read_image(file: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """An image as it is stored: [H, W], or [H, W, 3 or 4] in OpenCV's order of channels (BGR, BGRA).

    Args:
        file: the file.
        max_pixels: a larger image is refused before it is decoded.

    Returns:
        uint8 or uint16; of one channel also int16 or floats, which only thermal images are of.

    It is turned as the file says of the camera's orientation.

    Raises:
        UserError: not an image, more than one, one that is cut short, damaged or too large, or none of these types.
    """
    image = read_upright(file, max_pixels)
    if image is not None and image.dtype in (np.uint8, np.uint16):
        return image
    if image is not None and image.ndim == 2 and image.dtype in (np.int16, np.float32, np.float64):
        return image
    raise UserError(f"{file} cannot be read as an 8 or 16 bit image: replace it or take it out")


def to_rgb(image: np.ndarray, name: str = "the RGB image", holds_thermal: bool = False) -> np.ndarray:
    """uint8 [H, W, 3] in RGB order, of an image as `read_image` gives it; of 16 bits the upper 8 are kept.

    Args:
        image: the image.
        name: what errors call it.
        holds_thermal: whether a fourth channel is known to be thermal.

    Raises:
        UserError: one channel of more than 8 bits, or a fourth channel that is no opaque alpha channel.
    """
    if image.ndim == 2 and image.dtype != np.uint8:
        raise UserError(
            f"{name} is one channel of {image.dtype}, as thermal images are: give it as thermal, and a colour image "
            "as RGB"
        )
    if image.ndim == 3 and image.shape[2] == 4 and not holds_thermal and not has_opaque_alpha(image):
        raise UserError(
            f"{name} has a fourth channel that is no opaque alpha channel: if it is thermal, as in MFNet's images, "
            "give the file for both, else save it with three channels"
        )
    if image.dtype == np.uint16:
        image = upper_bits(image)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def to_thermal(image: np.ndarray, reading: ThermalReading = _AS_THEY_SAY) -> np.ndarray:
    """The counts of `to_thermal_image`: uint8 or uint16 [H, W]."""
    return to_thermal_image(image, reading).counts


def to_thermal_image(
    image: np.ndarray,
    reading: ThermalReading = _AS_THEY_SAY,
    name: str = "the thermal image",
    before: str = "",
    holds_rgb: bool = False,
) -> ThermalImage:
    """The thermal image in an image as `read_image` gives it, see `thermal_image`; a fourth channel is thermal.

    An opaque alpha channel is none. A channel that hides parts of a picture, or lies beside three grey ones, is only
    thermal where `holds_rgb` says so.

    Args:
        image: the image.
        reading: what it does not say of itself.
        name: what errors call it.
        before: `table` of the image before; empty: not known.
        holds_rgb: whether the first three channels are known to be RGB.

    Raises:
        UserError: an image that `thermal_image` refuses, or an alpha channel that hides parts of it.
    """
    if has_thermal_channel(image):
        if not holds_rgb and (_is_mask(image[..., 3]) or is_grey(image[..., :3])):
            raise UserError(
                f"{name} has an alpha channel that hides parts of it: save it without one, or give it for both RGB and "
                "thermal if its fourth channel is thermal"
            )
        image = np.ascontiguousarray(image[..., 3])
    try:
        return thermal_image(image, reading, before)
    except ValueError as error:
        raise UserError(f"{name} {error}") from error


def has_thermal_channel(image: np.ndarray) -> bool:
    """Whether there is a fourth channel that is no opaque alpha channel."""
    return image.ndim == 3 and image.shape[2] == 4 and not has_opaque_alpha(image)


def read_pair(
    rgb: Path | None,
    thermal: Path | None,
    reading: ThermalReading = _AS_THEY_SAY,
    max_pixels: int = MAX_PIXELS,
) -> tuple[np.ndarray | None, ThermalImage | None]:
    """RGB uint8 [H, W, 3] and thermal of the files of one moment; either may be None, and both may be one file.

    Raises:
        UserError: a file that cannot be read, or is not what it is given as; it is said if the two seem swapped.
    """
    together = rgb is not None and thermal is not None and same_path(rgb, thermal)
    colour = stored = None
    if rgb is not None:
        stored = read_image(rgb, max_pixels)
        colour = to_rgb(stored, str(rgb), holds_thermal=together)
    if thermal is None:
        return colour, None
    infrared = stored if together and stored is not None else read_image(thermal, max_pixels)
    with_rgb = None if together or stored is None else (stored, str(rgb))
    return colour, checked_thermal(infrared, reading, str(thermal), with_rgb=with_rgb, holds_rgb=together)


def checked_thermal(
    image: np.ndarray,
    reading: ThermalReading,
    name: str,
    before: str = "",
    with_rgb: tuple[np.ndarray, str] | None = None,
    holds_rgb: bool = False,
) -> ThermalImage:
    """As `to_thermal_image`, which says it if the RGB image of the same moment seems to be the thermal one.

    Args:
        with_rgb: that image, as it is stored, and its name.
    """
    try:
        return to_thermal_image(image, reading, name, before, holds_rgb)
    except UserError as error:
        if (
            with_rgb is not None
            and isinstance(error.__cause__, UnknownPalette)
            and _looks_thermal(with_rgb[0])
        ):
            raise UserError(
                f"{name} {error.__cause__.finding}, and {with_rgb[1]} looks like a thermal image: "
                "swap RGB and thermal, or set thermal.palette"
            ) from error
        raise


def same_path(first: Path, second: Path) -> bool:
    """Whether two paths lead to one file or folder."""
    return first == second or (first.exists() and second.exists() and first.samefile(second))


def _is_mask(channel: np.ndarray) -> bool:
    ends = (channel == 0) | (channel == np.iinfo(channel.dtype).max)
    return float(ends.mean()) > _MASK_SHARE


def _looks_thermal(image: np.ndarray) -> bool:
    """Whether an image is grey, or in the false colours of a palette."""
    try:
        thermal_image(image, _AS_THEY_SAY)
    except ValueError:
        return False
    return True
