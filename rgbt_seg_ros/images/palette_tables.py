"""The palettes in which thermal cameras paint, as tables of 256 colours, and the nearest of these to a colour."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

_NO_PALETTES = (cv2.COLORMAP_HSV, cv2.COLORMAP_COOL, cv2.COLORMAP_VIRIDIS)
"""Colour maps that parts of palettes can be taken for."""

_CELLS = 64
"""Cells of a look-up along each axis of the RGB cube."""


@dataclass(frozen=True)
class Table:
    """One way to draw a palette: colours uint8 [256, 3], RGB, cold first. Without a name it is no camera's."""

    name: str
    colours: np.ndarray

    @property
    def palette(self) -> str:
        """The palette's name, which several tables may have: `ironbow` of `ironbow 2`."""
        return self.name.partition(" ")[0]


@cache
def tables() -> tuple[Table, ...]:
    """All that an image is compared with."""
    return (
        # As FLIR's cameras draw it, and as two gradients that many drivers and programs use instead.
        _gradient(
            "ironbow",
            "0 000000, 32 1f0076, 68 74018a, 107 ba078d, 141 df373b, 171 ee6d0c, 205 f7a70d, 236 ffe01e, 255 fffff0",
        ),
        _gradient("ironbow 2", "0 000000, 26 20008c, 89 cc0077, 178 ffa500, 217 ffd700, 255 ffffff"),
        _gradient("ironbow 3", "0 000000, 48 260058, 100 80007c, 150 dc3c2c, 204 ffa800, 255 ffffff"),
        _opencv("inferno", cv2.COLORMAP_INFERNO),
        _opencv("jet", cv2.COLORMAP_JET),
        _opencv("hot", cv2.COLORMAP_HOT),
        # OpenCV's begins with red. Cameras' end with it, or beyond it in white: like FLIR's, and in pure colours.
        _opencv("rainbow", cv2.COLORMAP_RAINBOW),
        _gradient(
            "rainbow-red-hot",
            "0 00034a, 46 0050be, 62 006edf, 77 0382d0, 92 199a73, 107 5ab426, 133 bed200, 153 ebd107, 184 ff9619, "
            "204 fd3235, 217 f7194d, 255 ffe9d0",
        ),
        _gradient(
            "rainbow-red-hot 2",
            "0 000000, 32 0000ff, 96 00ffff, 128 00ff00, 160 ffff00, 224 ff0000, 255 ffffff",
        ),
        # Where these fit better, none of the others is meant.
        *(_opencv("", colormap) for colormap in _NO_PALETTES),
    )


def _gradient(name: str, stops: str) -> Table:
    """A table between colours RRGGBB at places from 0 to 255."""
    words = [stop.split() for stop in stops.split(",")]
    places = [int(place) for place, _ in words]
    colours = np.array([list(bytes.fromhex(colour)) for _, colour in words])
    channels = [np.interp(range(256), places, channel) for channel in colours.T]
    return Table(name, np.rint(np.stack(channels, axis=1)).astype(np.uint8))


def _opencv(name: str, colormap: int) -> Table:
    """The table of one of OpenCV's colour maps."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return Table(name, np.ascontiguousarray(cv2.applyColorMap(ramp, colormap)[:, 0, ::-1]))


def distances(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RGB pixels [n, 3] to the nearest colour of each table: distance float32 [n, tables], and its place."""
    squares = np.stack([_squares(pixels, table.colours) for table in tables()], axis=1)
    return np.sqrt(squares.min(axis=2)), squares.argmin(axis=2)


def places_on(index: int, image: np.ndarray) -> np.ndarray:
    """uint8 [h, w], where the pixels of a BGR image lie on the table of an index.

    Exact for the table's own colours, two places off at most for others that are near.
    """
    blue, green, red = cv2.split(image)
    packed = cv2.merge([blue, green, red, np.zeros_like(blue)]).view("<u4")[..., 0]
    places: np.ndarray = np.take(_look_up(index), packed)
    return places


@cache
def _look_up(index: int) -> np.ndarray:
    """uint8 [2 ** 24], the place on a table for every colour 0xRRGGBB: 16 MB, made in 0.3 s when first needed."""
    colours = tables()[index].colours
    side = 256 // _CELLS
    middles = np.arange(_CELLS, dtype=np.float32) * side + (side - 1) / 2
    green_blue = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)
    cells = np.empty((_CELLS, _CELLS, _CELLS), np.uint8)
    for i, red in enumerate(middles):
        points = np.column_stack([np.full(len(green_blue), red), green_blue])
        cells[i] = _squares(points, colours).argmin(axis=1).reshape(_CELLS, _CELLS)
    table: np.ndarray = cells.repeat(side, 0).repeat(side, 1).repeat(side, 2).ravel()
    # Backwards, so that of equal colours the coldest is taken.
    for place in range(255, -1, -1):
        red, green, blue = (int(channel) for channel in colours[place])
        table[red << 16 | green << 8 | blue] = place
    return table


def _squares(pixels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Squared distances float32 [n, m] of pixels [n, 3] from colours [m, 3]; exact for whole numbers."""
    points, ends = pixels.astype(np.float32), colours.astype(np.float32)
    squares = points @ (-2.0 * ends.T)
    squares += (ends**2).sum(1)
    squares += (points**2).sum(1)[:, None]
    return squares
