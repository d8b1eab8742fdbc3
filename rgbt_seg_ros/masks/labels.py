"""Label images of a recording: a PNG of class ids for an RGB stamp."""

from pathlib import Path

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.checked_files import read_stored

LABELS_FOLDER = "labels"


def find_labels(folder: str | Path) -> dict[int, Path]:
    """Label files of a folder by the stamp (nanoseconds) of the RGB image that they belong to.

    Raises:
        UserError: no PNG there, or one that is not named by a stamp.
    """
    files = sorted(Path(folder).glob("*.png"))
    if not files:
        raise UserError(f"{folder} holds no labels: expected PNG files named by the stamp of their RGB image")
    for file in files:
        if not file.stem.isdecimal():
            raise UserError(
                f"label {file} is not named by the stamp in nanoseconds of its RGB image: "
                "`python -m rgbt_seg_ros.make_bag --labels` names labels so"
            )
    return {int(file.stem): file for file in files}


def labels_in(folder: Path) -> dict[int, Path] | None:
    """`find_labels` where there is such a folder, as beside a recording that has labels; else None."""
    return find_labels(folder) if folder.is_dir() else None


def read_label(file: Path) -> np.ndarray:
    """A label image: uint8 [H, W] class ids, 255 = ignored.

    Raises:
        UserError: not an 8-bit image with one channel, cut short, damaged or too large.
    """
    label = read_stored(file)
    if label is None or label.ndim != 2 or label.dtype != np.uint8:
        raise UserError(f"label {file} is not an 8-bit image with one channel of class ids: write it as such")
    return label
