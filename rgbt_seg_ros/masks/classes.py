"""Class lists of the data sets: names in label order, which of them are countable things, and colours.

The order is the data sets' own. Names are spelled one way: words with spaces between them. `published` has them as the
authors of the data sets write them, which is understood wherever names come in. Colours are ours, the same for a name
in every picture and on every page: distinct also for colour-blind eyes, and with a contrast of 3:1 at least to white
and to the pages' dark background.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")

UNLABELED = 255
"""Id of a pixel without a class, in labels (ignored) and in masks (unknown)."""

UNLABELED_16 = 65535
"""The same in a mask of more than 255 classes, which is uint16."""

UNLABELED_NAME = "unlabeled"
"""What people read for such pixels. No class of a data set is called so."""

BACKGROUND = ("background", UNLABELED_NAME)
"""Names of the class of everything else, which is trained and scored like any other: black in pictures.

Ours is the first. MFNet and FMB write unlabeled, PST900 background; SARTM's paper says background of all.
"""


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
    """Classes of one data set; the position in `names` is the id in masks and labels.

    Attributes:
        name: of the list.
        names: of the classes.
        things: those that are countable objects.
        palette: colours (red, green, blue).
        published: the names as the authors spell them, which text encoders are given; empty: as `names`.
    """

    name: str
    names: tuple[str, ...]
    things: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    published: tuple[str, ...] = ()


MFNET = ClassSet(
    name="mfnet",
    names=("background", "car", "person", "bike", "curb", "car stop", "guardrail", "color cone", "bump"),
    things=("car", "person", "bike", "car stop", "color cone"),
    palette=((0, 0, 0), *_colours(0, 7, 1, 3, 4, 5, 2, 6)),
    published=("unlabeled", "car", "person", "bike", "curve", "car_stop", "guardrail", "color_cone", "bump"),
)

PST900 = ClassSet(
    name="pst900",
    names=("background", "fire extinguisher", "backpack", "hand drill", "survivor"),
    things=("fire extinguisher", "backpack", "hand drill", "survivor"),
    palette=((0, 0, 0), *_colours(2, 1, 4, 7)),
    published=("background", "fire-extinguisher", "backpack", "hand-drill", "survivor"),
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
    names=("background", *FMB.names),
    things=FMB.things,
    palette=((0, 0, 0), *FMB.palette),
    published=("unlabeled", *FMB.names),
)
"""FMB with its unlabelled pixels as a class of their own, background, as SARTM's paper counts it."""

CLASS_SETS = {classes.name: classes for classes in (MFNET, PST900, FMB, FMB15)}

ALIASES = {
    published: name
    for classes in CLASS_SETS.values()
    for published, name in zip(classes.published, classes.names, strict=bool(classes.published))
    if published != name
}
"""Names of classes by other spellings, which older files have."""

_ONLY_BESIDE = {"curve": {"car_stop", "car stop", "color_cone", "color cone"}}
"""Spellings that are words of their own: in a list without MFNet's other classes a curve is a curve."""

_KNOWN = {
    name: colour
    for classes in reversed(CLASS_SETS.values())
    for name, colour in zip(classes.names, classes.palette, strict=True)
    if name not in BACKGROUND
}


def current_names(names: Sequence[str]) -> tuple[str, ...]:
    """A list of classes in our spelling (`ALIASES`), in the same order; other names stay as they are."""
    known = set(names)
    renamed = []
    for name in names:
        alias = ALIASES.get(name, name)
        needed = _ONLY_BESIDE.get(name)
        renamed.append(name if alias in known or (needed and not needed & known) else alias)
    return tuple(renamed)


def by_current_name(values: Mapping[str, T]) -> dict[str, T]:
    """What is known of each class of a list, by its name in our spelling."""
    return dict(zip(current_names(list(values)), values.values(), strict=True))


def find_name(name: str, known: Collection[str]) -> str | None:
    """The one of some names that a user means: as it is, by an alias, or with `_` or `-` for spaces; None: none."""
    if name in known:
        return name
    if ALIASES.get(name) in known:
        return ALIASES[name]
    wanted = _spaced(name)
    same = [other for other in known if _spaced(other) == wanted]
    return same[0] if len(same) == 1 else None


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").split())


def palette_for(names: Sequence[str]) -> np.ndarray:
    """Colours for class names: uint8 [256, 3], row i for id i; 255 is black.

    Names of a data set have their colours, whatever else is listed and in which order, also in other spellings. Others
    get those of `COLOURS` that are left, then evenly spread hues, and black for background.
    """
    names = current_names(names)
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
