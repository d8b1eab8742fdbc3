"""One labelled pair of images, and where such pairs come from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rgbt_seg_ros.masks.overlay import thermal_picture

# MFNet and MSRS tell day from night by the last letter of a name.
_SUBSET_LETTERS = {"D": "day", "N": "night"}


@dataclass(frozen=True)
class Sample:
    """One aligned pair with its label.

    Attributes:
        name: of the files, without their ending.
        rgb: uint8 [H, W, 3].
        thermal: uint8 or uint16 [H, W].
        label: uint8 [H, W], ids of the data set's classes; 255: ignored.
        thermal_valid: bool [H, W], False where thermal is not known (holes of a reprojection). None: known everywhere.
    """

    name: str
    rgb: np.ndarray
    thermal: np.ndarray
    label: np.ndarray
    thermal_valid: np.ndarray | None = None


class SampleSource(Protocol):
    """A finite list of samples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def subset_of(sample_name: str) -> str | None:
    """`day` or `night` if the name says so, as MFNet's and MSRS's do (00123D, 01234N)."""
    number, letter = sample_name[:-1], sample_name[-1:]
    return _SUBSET_LETTERS.get(letter) if number.isdigit() else None


NOTHING = (205, 205, 205)
"""Grey: pixels of no class, and missing thermal. Not black, which is a class's colour, and the coldest thermal."""


def picture_of_thermal(sample: Sample) -> np.ndarray:
    """Thermal in false colours, grey where it is missing: uint8 [H, W, 3]."""
    picture = thermal_picture(sample.thermal)
    if sample.thermal_valid is not None:
        picture[~sample.thermal_valid] = NOTHING
    return picture
