"""Image files that say how they are to be turned, or that hold more than one picture."""

from io import BytesIO
from pathlib import Path
from warnings import catch_warnings, simplefilter

import cv2
import numpy as np
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.checked_files import decode, read_checked
from rgbt_seg_ros.images.headers.header import MAX_PIXELS

_ORIENTATION = 0x0112  # tag of EXIF and TIFF
_UPRIGHT = 1
_MIRRORED = (2, 4, 5, 7)
_QUARTER_TURNS = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}
"""Counterclockwise, of `np.rot90`, after which an image is upright; mirrored ones are mirrored afterwards."""


def read_upright(file: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray | None:
    """The one picture in a file, as it is stored but turned as the file says; None if OpenCV cannot read it.

    Raises:
        UserError: several pictures (an animation, pages of one size), a layout that OpenCV reads wrongly, or a file
            that `read_checked` refuses.
    """
    data, header = read_checked(file, max_pixels)
    if header.pictures > 1:
        raise UserError(
            f"{file} holds {header.pictures} pictures: save the one that is meant as a file of its own, or make a video"
        )
    mode, orientation = _look(data)
    if header.kind == "TIFF" and mode == "CMYK":
        raise UserError(f"{file} is a TIFF in CMYK, which is not read here: save it in RGB")
    if header.kind == "TIFF" and orientation > 4:
        raise UserError(
            f"{file} is a TIFF that lies on its side (orientation {orientation}): save it upright"
        )
    image = decode(data, cv2.IMREAD_UNCHANGED)
    # OpenCV itself turns a TIFF.
    if image is None or header.kind == "TIFF" or orientation == _UPRIGHT:
        return image
    turned = np.rot90(image, _QUARTER_TURNS.get(orientation, 0))
    return np.ascontiguousarray(turned[:, ::-1] if orientation in _MIRRORED else turned)


def _look(data: bytes) -> tuple[str, int]:
    """What Pillow calls the layout of the pixels, and how they are turned, as in EXIF, 1 to 8."""
    try:
        with catch_warnings():
            simplefilter("ignore")
            with Image.open(BytesIO(data)) as image:
                orientation = image.getexif().get(_ORIENTATION, _UPRIGHT)
                return image.mode, orientation if orientation in range(1, 9) else _UPRIGHT
    except Exception:
        # OpenCV decides whether it is an image: Pillow's parsers end in errors of many kinds.
        return "", _UPRIGHT
