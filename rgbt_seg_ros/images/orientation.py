"""Image files that say how they are to be turned, or that hold more than one picture."""

from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import cv2
import numpy as np
from PIL import Image

from rgbt_seg_ros.base.errors import UserError

_ORIENTATION = 0x0112  # tag of EXIF and TIFF
_UPRIGHT = 1
_MIRRORED = (2, 4, 5, 7)
_QUARTER_TURNS = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}
"""Counterclockwise, of `np.rot90`, after which an image is upright; mirrored ones are mirrored afterwards."""


@dataclass(frozen=True)
class _Facts:
    """What a file says of itself; the orientation as in EXIF, 1 to 8."""

    kind: str = ""
    mode: str = ""
    pictures: int = 1
    orientation: int = _UPRIGHT


def read_upright(file: Path) -> np.ndarray | None:
    """The one picture in a file, as it is stored but turned as the file says; None if OpenCV cannot read it.

    Raises:
        UserError: several pictures (an animation, pages of one size), or a layout that OpenCV reads wrongly.
    """
    facts = _look(file)
    if facts.pictures > 1:
        raise UserError(
            f"{file} holds {facts.pictures} pictures: save the one that is meant as a file of its own, or make a video"
        )
    if facts.kind == "TIFF" and facts.mode == "CMYK":
        raise UserError(f"{file} is a TIFF in CMYK, which is not read here: save it in RGB")
    if facts.kind == "TIFF" and facts.orientation > 4:
        raise UserError(
            f"{file} is a TIFF that lies on its side (orientation {facts.orientation}): save it upright"
        )
    image: np.ndarray | None = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    # OpenCV itself turns a TIFF.
    if image is None or facts.kind == "TIFF" or facts.orientation == _UPRIGHT:
        return image
    turned = np.rot90(image, _QUARTER_TURNS.get(facts.orientation, 0))
    return np.ascontiguousarray(turned[:, ::-1] if facts.orientation in _MIRRORED else turned)


def _look(file: Path) -> _Facts:
    try:
        with catch_warnings():
            simplefilter("ignore")
            with Image.open(file) as image:
                kind, mode = image.format or "", image.mode
                orientation = image.getexif().get(_ORIENTATION, _UPRIGHT)
                return _Facts(kind, mode, _pictures(image), orientation if orientation in range(1, 9) else 1)
    except Exception:
        # OpenCV decides whether it is an image: Pillow's parsers end in errors of many kinds.
        return _Facts()


def _pictures(image: Image.Image) -> int:
    """How many there are beside each other; previews, as in the JPEGs of many cameras, are none."""
    count = getattr(image, "n_frames", 1)
    if image.format not in ("PNG", "GIF", "WEBP", "TIFF") or count < 2:
        return 1
    if image.format == "TIFF":
        size = image.size
        image.seek(1)
        return int(count) if image.size == size else 1
    return int(count)
