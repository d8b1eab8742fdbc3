"""Class lists of the data sets: names in label order, which of them are countable things, and colours.

Names and order are the data sets' own. Colours are ours, the same for a name in every picture and on every page:
distinct also for colour-blind eyes, and with a contrast of 3:1 at least to white and to the pages' dark background.
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


COLOURS = (
    (135, 135, 240),
    (60, 165, 90),
    (210, 120, 0),
    (105, 105, 90),
    (165, 0, 255),
    (195, 120, 180),
    (180, 0, 165),
    (195, 30, 30),
    (255, 90, 90),
    (75, 120, 45),
    (240, 15, 210),
    (135, 90, 120),
    (60, 105, 180),
    (165, 90, 255),
)
"""Colours of classes (red, green, blue), the first eight the most distinct.

Found by maximising the smallest distance of any two in CIELAB, as seen by normal, protanopic, deuteranopic and
tritanopic eyes (Machado et al. 2009).
"""


def _colours(*places: int) -> tuple[tuple[int, int, int], ...]:
    return tuple(COLOURS[place] for place in places)


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
    palette=((0, 0, 0), *_colours(0, 7, 1, 3, 4, 5, 2, 6)),
)

PST900 = ClassSet(
    name="pst900",
    names=("background", "fire-extinguisher", "backpack", "hand-drill", "survivor"),
    things=("fire-extinguisher", "backpack", "hand-drill", "survivor"),
    palette=((0, 0, 0), *_colours(2, 1, 4, 7)),
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
    palette=_colours(3, 5, 11, 2, 10, 9, 12, 7, 0, 13, 4, 8, 1, 6),
)

FMB15 = ClassSet(
    name="fmb15",
    names=("unlabeled", *FMB.names),
    things=FMB.things,
    palette=((0, 0, 0), *FMB.palette),
)
"""FMB with its unlabelled pixels as a class of their own, as SARTM's paper counts it."""

CLASS_SETS = {classes.name: classes for classes in (MFNET, PST900, FMB, FMB15)}

_KNOWN = {
    name: colour
    for classes in reversed(CLASS_SETS.values())
    for name, colour in zip(classes.names, classes.palette, strict=True)
    if name not in BACKGROUND
}


def palette_for(names: Sequence[str]) -> np.ndarray:
    """Colours for class names: uint8 [256, 3], row i for id i; 255 is black.

    Names of a data set have their colours, whatever else is listed and in which order. Others get those of `COLOURS`
    that are left, then evenly spread hues, and black for background.
    """
    palette = np.zeros((256, 3), np.uint8)
    taken = {_KNOWN[name] for name in names if name in _KNOWN}
    left = iter([colour for colour in COLOURS if colour not in taken])
    given: set[tuple[int, int, int]] = set()
    for i, name in enumerate(names[:UNLABELED]):
        if name in BACKGROUND:
            continue
        colour = _KNOWN.get(name)
        if colour is None or colour in given:
            colour = next(left, None) or _hue(i)
        given.add(colour)
        palette[i] = colour
    return palette


def _hue(i: int) -> tuple[int, int, int]:
    """A colour for class i where the list has more than there are colours."""
    # The golden angle keeps the hues of neighbouring ids far apart.
    hue = ((i + 1) * 0.61803398875) % 1.0 * 6.0
    ramp = [abs(hue - 3.0) - 1.0, 2.0 - abs(hue - 2.0), 2.0 - abs(hue - 4.0)]
    red, green, blue = (int(55 + 200 * min(max(channel, 0.0), 1.0)) for channel in ramp)
    return red, green, blue
