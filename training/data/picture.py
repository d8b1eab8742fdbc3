"""Pictures of samples."""

import numpy as np

from rgbt_seg_ros.masks.overlay import thermal_picture

from .sample import Sample

NOTHING = (205, 205, 205)
"""Grey: pixels of no class, and missing thermal. Not black, which is a class's colour, and the coldest thermal."""


def picture_of_thermal(sample: Sample) -> np.ndarray:
    """Thermal in false colours, grey where it is missing: uint8 [H, W, 3]."""
    picture = thermal_picture(sample.thermal)
    if sample.thermal_valid is not None:
        picture[~sample.thermal_valid] = NOTHING
    return picture
