"""Image files whose headers are checked before they are decoded: whatever opens an image does it by these."""

from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import require_image
from rgbt_seg_ros.images.headers.check import BYTES_A_PIXEL, check_image
from rgbt_seg_ros.images.headers.header import MAX_PIXELS, Header, RefusedImage, UnknownFormat
from rgbt_seg_ros.images.headers.signatures import format_name


def read_checked(file: Path, max_pixels: int = MAX_PIXELS) -> tuple[bytes, Header]:
    """The bytes of an image file that is whole and not too large, and what its header says.

    Raises:
        UserError: there is no such file, it cannot be read, is no image, or is refused by `check_image`.
    """
    # Neither devices nor pipes, which have no end.
    require_image(file)
    try:
        if file.stat().st_size > BYTES_A_PIXEL * max_pixels:
            raise UserError(
                f"{file} has {file.stat().st_size} bytes, more than an image of max_pixels ({max_pixels}): "
                "replace it or take it out"
            )
        data = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror or error}): allow it, or copy it again"
        ) from error
    try:
        return data, check_image(data, max_pixels)
    except UnknownFormat:
        name = format_name(data)
        raise UserError(
            f"{file} cannot be read as an 8 or 16 bit image: replace it or take it out"
            + (f"; it is {name}, which a PNG of it would do for" if name else "")
        ) from None
    except RefusedImage as error:
        raise UserError(f"{file} cannot be read, it {error}: replace it or take it out") from None


def read_stored(file: Path) -> np.ndarray | None:
    """An image as it is stored, not turned, in OpenCV's order of channels; None if OpenCV cannot read it.

    Raises:
        UserError: see `read_checked`.
    """
    return decode(read_checked(file)[0], cv2.IMREAD_UNCHANGED)


def decode(data: bytes, mode: int) -> np.ndarray | None:
    """An image whose header has been checked, not turned, by a mode of `cv2.imread`; None if it cannot be read."""
    try:
        image: np.ndarray | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), mode | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        return None
    return image
