"""Class lists of the data sets: names in label order, which of them are countable things, and colours.

Names, order and the MFNet palette are the data sets' own; the PST900 and FMB palettes are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNLABELED = 255
"""Id of a pixel without a class, in labels (ignored) and in masks (unknown)."""

UNLABELED_16 = 65535
"""The same in a mask of more than 255 classes, which is uint16."""

BACKGROUND = ("unlabeled", "background")
"""Names of classes that stand for everything else: black in pictures."""


@dataclass(frozen=True)
class ClassSet:
    """Classes of one data set; the position in `names` is the id in masks and labels."""

    name: str
    names: tuple[str, ...]
    things: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]


MFNET = ClassSet(
    name="mfnet",
    names=("unlabeled", "car", "person", "bike", "curve", "car_stop", "guardrail", "color_cone", "bump"),
    things=("car", "person", "bike", "car_stop", "color_cone"),
    palette=(
        (0, 0, 0),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
        (0, 0, 192),
        (128, 128, 0),
        (64, 64, 128),
        (192, 128, 128),
        (192, 64, 0),
    ),
)

PST900 = ClassSet(
    name="pst900",
    names=("background", "fire-extinguisher", "backpack", "hand-drill", "survivor"),
    things=("fire-extinguisher", "backpack", "hand-drill", "survivor"),
    palette=((0, 0, 0), (220, 40, 40), (40, 160, 60), (50, 90, 220), (240, 200, 40)),
)

FMB = ClassSet(
    name="fmb",
    names=(
        "road",
        "sidewalk",
        "building",
        "traffic light",
        "traffic sign",
        "vegetation",
        "sky",
        "person",
        "car",
        "truck",
        "bus",
        "motorcycle",
        "bicycle",
        "pole",
    ),
    things=(
        "traffic light",
        "traffic sign",
        "person",
        "car",
        "truck",
        "bus",
        "motorcycle",
        "bicycle",
    ),
    palette=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (70, 130, 180),
        (220, 20, 60),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 0, 230),
        (119, 11, 32),
        (153, 153, 153),
    ),
)

FMB15 = ClassSet(
    name="fmb15",
    names=("unlabeled", *FMB.names),
    things=FMB.things,
    palette=((0, 0, 0), *FMB.palette),
)
"""FMB with its unlabelled pixels as a class of their own, as SARTM's paper counts it."""

CLASS_SETS = {classes.name: classes for classes in (MFNET, PST900, FMB, FMB15)}


def palette_for(names: Sequence[str]) -> np.ndarray:
    """Colours for class names: uint8 [256, 3], row i for id i; 255 is black.

    Names that are all of one data set have its colours, whichever of them are listed and in which order. Other lists
    get evenly spread hues, and black for background.
    """
    palette = np.zeros((256, 3), np.uint8)
    for classes in CLASS_SETS.values():
        if names and set(names) <= set(classes.names):
            colours = dict(zip(classes.names, classes.palette, strict=True))
            palette[: len(names)] = [colours[name] for name in names[: len(palette)]]
            return palette
    for i, name in enumerate(names[:UNLABELED]):
        if name in BACKGROUND:
            continue
        # The golden angle keeps the hues of neighbouring ids far apart.
        hue = ((i + 1) * 0.61803398875) % 1.0 * 6.0
        ramp = [abs(hue - 3.0) - 1.0, 2.0 - abs(hue - 2.0), 2.0 - abs(hue - 4.0)]
        palette[i] = [int(55 + 200 * min(max(channel, 0.0), 1.0)) for channel in ramp]
    return palette
