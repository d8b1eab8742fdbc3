"""False-colour thermal images back to values: which palette an image is painted in, and where each pixel lies on it.

A palette is a line through the RGB cube. An image is painted in it if its pixels lie on that line, but for what JPEG
has done to them and a few overlays. A photograph lies on none.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rgbt_seg_ros.images.channels import largest, spread_of, strips, upper_bits
from rgbt_seg_ros.images.choices import BLACK_HOT, COLOURED, REVERSED, WHITE_HOT
from rgbt_seg_ros.images.palette_tables import distances, places_on, tables

_GREY_SPREAD = 12
"""Largest difference of a pixel's channels that is taken for noise of a grey image."""

_STRONG_SPREAD = 32
"""Difference of channels that no noise explains."""

_OVERLAY_SHARE = 0.1
"""Share of an image that text, a scale bar or a logo may cover."""

_LEAST_SHARE = 0.001
"""Share of coloured pixels below which an image is grey."""

_FAR = 48.0
"""Distance from a palette, in RGB, beyond which a pixel is none of its."""

_INSIDE_SHARE = 0.85
"""Share of an image's pixels that must be nearer."""

_MEDIAN_DISTANCE = {"ironbow": 22.0, "rainbow-red-hot": 22.0}
_OTHER_MEDIAN_DISTANCE = 12.0
"""Largest median distance of coloured pixels; of these two palettes every vendor draws his own."""

_SAID_MEDIAN_DISTANCE = 40.0
_SAID_INSIDE_SHARE = 0.6
"""The same where the user says which palette it is."""

_MARGIN = 1.5
"""Difference of mean distances that tells one palette from another."""

_DECOY_MARGIN = 0.5
"""The same that tells it from a colour map that is no palette."""

_DRAWN = 16_384
_COMPARED = 384
"""Pixels that an image is judged by, and those of them, coloured and grey, that are compared with palettes."""


class UnknownPalette(ValueError):
    """An image whose colours cannot be undone; the message is a sentence without its subject, the image.

    Args:
        finding: what its colours are.
    """

    def __init__(self, finding: str) -> None:
        super().__init__(finding)
        self.finding = finding

    def __str__(self) -> str:
        return self.advising("thermal.palette")

    def advising(self, parameter: str) -> str:
        """The message with the name of the parameter, or option, that mends it."""
        return f"{self.finding}: set {parameter} to the right palette, or to none to take the brightness"


@dataclass(frozen=True)
class Unpainted:
    """Values of a false-colour or grey image.

    Attributes:
        values: uint8 [h, w], 0 is the palette's cold end.
        valid: bool [h, w], False where an overlay lies; None: there is none.
        palette: its name, `white-hot` for a grey image.
        table: which way to draw it; empty for a grey image.
    """

    values: np.ndarray
    valid: np.ndarray | None
    palette: str
    table: str = ""


def palette_note(palette: str) -> str:
    """What is said where false colours are undone."""
    return f"thermal is in the false colours of {palette}, which are undone; see thermal.palette"


def undo_palette(image: np.ndarray, palette: str = "auto", before: str = "") -> Unpainted:
    """Values of an image of three channels.

    Args:
        image: uint8 [h, w, 3], BGR.
        palette: one of `choices.PALETTES`. `auto` finds it, and takes grey as white-hot; `none` takes the brightness.
        before: the table of the image before, which decides where several fit; empty: not known.

    Raises:
        UnknownPalette: it fits no palette, or not the one that was named, or several that contradict each other.
    """
    name = palette.removesuffix(REVERSED)
    if palette == "none":
        return Unpainted(_brightness(image), None, "")
    pixels = _some(image.reshape(-1, 3)[:, ::-1], _DRAWN)
    spread = pixels.max(axis=1) - pixels.min(axis=1)
    if name in COLOURED:
        found = _undo(image, _named_table(name, _Sample.of(pixels, spread), before))
        return found if name == palette else replace(found, values=255 - found.values, palette=palette)
    is_grey = np.mean(spread > _GREY_SPREAD) <= _OVERLAY_SHARE
    has_colours = np.mean(spread > _STRONG_SPREAD) >= _LEAST_SHARE
    if palette == "auto" and (has_colours or not is_grey):
        table = _found_table(_Sample.of(pixels, spread), before)
        if table is not None:
            return _undo(image, table)
    if not is_grey:
        known = ", ".join((WHITE_HOT, *COLOURED))
        raise UnknownPalette(
            f"is in colours that are those of no palette known here ({known})"
            if palette == "auto"
            else f"is in colours, not in grey as {palette}"
        )
    grey = _brightness(image)
    valid = _without_overlays(spread_of(image) > _STRONG_SPREAD) if has_colours else None
    return Unpainted(
        255 - grey if palette == BLACK_HOT else grey, valid, WHITE_HOT if palette == "auto" else palette
    )


def is_grey(image: np.ndarray) -> bool:
    """Whether the channels of [h, w, 3] of 8 or 16 bits are equal but for noise, as a JPEG's are, and overlays."""
    eight = upper_bits(image) if image.dtype == np.uint16 else image
    return bool(np.mean(spread_of(eight) > _GREY_SPREAD) <= _OVERLAY_SHARE)


# --- which palette ---


@dataclass(frozen=True)
class _Sample:
    """Some pixels of an image: coloured ones and grey ones, and how near to the tables they are.

    Attributes:
        coloured_share: of all pixels of the image.
        coloured, grey: float32 [n, tables], distances to the nearest colour of each table.
        places: int [n, tables], where on the table that is, of all of them.
    """

    coloured_share: float
    coloured: np.ndarray
    grey: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray, spread: np.ndarray) -> "_Sample":
        """Of pixels uint8 [n, 3], RGB, and the differences of their channels [n]."""
        is_coloured = spread > _GREY_SPREAD
        coloured, coloured_places = distances(_some(pixels[is_coloured], _COMPARED))
        grey, grey_places = distances(_some(pixels[~is_coloured], _COMPARED))
        places = np.concatenate([coloured_places, grey_places])
        return cls(float(is_coloured.mean()), coloured, grey, places)

    def inside_share(self, table: int) -> float:
        """Share of the image's pixels that are not far from a table."""
        shares = [
            float(np.mean(part[:, table] <= _FAR)) if len(part) else 0.0
            for part in (self.coloured, self.grey)
        ]
        return self.coloured_share * shares[0] + (1.0 - self.coloured_share) * shares[1]

    def median(self, table: int) -> float:
        """Median distance to a table of coloured pixels, or of grey ones where it is larger and they are many."""
        parts = [self.coloured] if self.coloured_share >= _INSIDE_SHARE else [self.coloured, self.grey]
        return max(float(np.median(part[:, table])) if len(part) else 0.0 for part in parts)

    def cost(self, table: int) -> float:
        """Mean distance, in which overlays have a limited part, and few coloured pixels as large a one as many."""
        weight = max(self.coloured_share, 0.5)
        parts = ((weight, self.coloured), (1.0 - weight, self.grey))
        return sum(
            share * float(np.minimum(part[:, table], _FAR).mean()) for share, part in parts if len(part)
        )

    def contradict(self, table: int, other: int) -> bool:
        """Whether two tables tell another order of the pixels, or quite another value of an even image."""
        near = np.concatenate([self.coloured, self.grey])[:, [table, other]].max(axis=1) <= _FAR
        first, second = (self.places[near, index].astype(int) for index in (table, other))
        # Pixels are compared in pairs that both tables tell apart.
        rises = [
            np.concatenate([np.roll(places, step) - places for step in (1, 2, 3)])
            for places in (first, second)
        ]
        apart = np.abs(rises).min(axis=0) > 8
        if np.mean(apart) > 0.02:
            return float(np.mean(rises[0][apart] * rises[1][apart] > 0)) < 0.8
        return float(np.abs(first - second).mean()) > 40


def _found_table(sample: _Sample, before: str) -> int | None:
    """The index of the table that fits clearly better than all that contradict it; None if none fits.

    Raises:
        UnknownPalette: two fit that contradict each other.
    """
    fitting = [
        i
        for i, table in enumerate(tables())
        if sample.median(i) <= _MEDIAN_DISTANCE.get(table.palette, _OTHER_MEDIAN_DISTANCE)
        and sample.inside_share(i) >= _INSIDE_SHARE
    ]
    own = [i for i in fitting if tables()[i].palette]
    if not own:
        return None
    near, best = _nearest(own, sample, before)
    if any(sample.cost(i) < min(map(sample.cost, near)) - _DECOY_MARGIN for i in fitting):
        return None
    contrary = [tables()[i].palette for i in near if sample.contradict(best, i)]
    if contrary and tables()[best].palette != before.partition(" ")[0]:
        raise UnknownPalette(
            f"is in colours that are those of {' or of '.join(sorted({tables()[best].palette, *contrary}))}"
        )
    return best


def _nearest(indices: list[int], sample: _Sample, before: str) -> tuple[list[int], int]:
    """Of these tables, those that fit best and alike, and one of them: that of the image before, or the best."""
    least = min(map(sample.cost, indices))
    near = [i for i in indices if sample.cost(i) <= least + max(_MARGIN, 0.25 * least)]
    return near, min(near, key=lambda i: (tables()[i].name != before, sample.cost(i)))


def _named_table(palette: str, sample: _Sample, before: str) -> int:
    """The index of the table of a palette that fits best."""
    own = [i for i, table in enumerate(tables()) if table.palette == palette]
    _, best = _nearest(own, sample, before)
    if sample.median(best) > _SAID_MEDIAN_DISTANCE or sample.inside_share(best) < _SAID_INSIDE_SHARE:
        raise UnknownPalette(f"is not in the colours of {palette}")
    return best


def _some(pixels: np.ndarray, most: int) -> np.ndarray:
    """At most so many of pixels [n, 3], drawn alike each time: every n-th would be of a few columns alone."""
    if len(pixels) <= most:
        return pixels
    return pixels[np.random.default_rng(0).integers(0, len(pixels), most)]


# --- values ---


def _undo(image: np.ndarray, index: int) -> Unpainted:
    """The values of an image that is painted by the table of an index."""
    table = tables()[index]
    colours = np.ascontiguousarray(table.colours[:, None, ::-1])
    values, outliers = np.empty(image.shape[:2], np.uint8), np.empty(image.shape[:2], bool)
    for rows in strips(image):
        values[rows] = places_on(index, image[rows])
        expected = cv2.applyColorMap(values[rows], colours)
        outliers[rows] = largest(cv2.absdiff(image[rows], expected)) > _FAR
    return Unpainted(
        values, _without_overlays(outliers) if outliers.any() else None, table.palette, table.name
    )


def _brightness(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _without_overlays(outliers: np.ndarray) -> np.ndarray | None:
    """bool [h, w], False where outliers are three pixels thick; None if they nowhere are.

    Thinner ones are edges, whose colours JPEG and scaling have mixed: without them people would lose their outlines.
    """
    thick = cv2.morphologyEx(outliers.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return None if not thick.any() else thick == 0
