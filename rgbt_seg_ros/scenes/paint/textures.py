"""Procedural texture tiles and pictures of walls; everything seeded, nothing loaded."""

from functools import lru_cache

import cv2
import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import HEAT_STEP, HEAT_ZERO

TILE = 256
"""Side of a tile in pixels; a power of two, because coordinates wrap by a bit mask."""

FINE, CLOUDS, FOLIAGE, CLOTH, BRICKS, PAVING, PANELS, COBBLES, LEAVES, SETTS = range(10)
TILES = ("fine", "clouds", "foliage", "cloth", "bricks", "paving", "panels", "cobbles", "leaves", "setts")


def noise(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Smooth noise float32 [height,width], about -1..1, that repeats at the borders; `cells` blobs along a side."""
    grid = rng.standard_normal((cells, cells)).astype(np.float32)
    wrapped = cv2.copyMakeBorder(grid, 2, 2, 2, 2, cv2.BORDER_WRAP)
    pad_rows, pad_columns = 2 * height // cells, 2 * width // cells
    big = cv2.resize(wrapped, (width + 2 * pad_columns, height + 2 * pad_rows), interpolation=cv2.INTER_CUBIC)
    return big[pad_rows : pad_rows + height, pad_columns : pad_columns + width] * 0.6


def fractal(rng: np.random.Generator, side: int, cells: int, fall: float = 0.55) -> np.ndarray:
    """Sum of octaves of `noise`, float32 [side,side], standard deviation 0.5."""
    total = np.zeros((side, side), np.float32)
    weight = 1.0
    while cells <= side // 2:
        total += weight * noise(rng, side, side, cells)
        weight, cells = weight * fall, cells * 2
    return total * (0.5 / total.std())


@lru_cache(maxsize=1)
def _white_noise() -> np.ndarray:
    return np.random.default_rng(20240603).standard_normal((2048, 2048), dtype=np.float32)


def white_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Independent normal values float32 [height,width], cut at a random place from a fixed sheet: quick."""
    sheet = _white_noise()
    top, left = rng.integers(0, sheet.shape[0] - height), rng.integers(0, sheet.shape[1] - width)
    return sheet[top : top + height, left : left + width]


@lru_cache(maxsize=1)
def tiles() -> np.ndarray:
    """All tiles, float32 [10,TILE,TILE], about -1..1, in the order of `TILES`."""
    rng = np.random.default_rng(20240601)
    rows, columns = np.mgrid[0:TILE, 0:TILE]
    fine = fractal(rng, TILE, 32, 0.9)
    clouds = fractal(rng, TILE, 4)
    clumps = fractal(rng, TILE, 16, 0.85)
    foliage = np.clip(clumps * 1.6 + 0.3 * clouds, -1.0, 1.3)
    cloth = cv2.resize(fractal(rng, TILE, 8, 0.6)[:, : TILE // 2], (TILE, TILE))
    joint = ((rows % 16) < 2) | (((columns + 16 * ((rows // 16) % 2)) % 32) < 2)
    bricks = np.where(joint, 0.7, 0.25 * noise(rng, TILE, TILE, 16)) + 0.25 * fine
    slab = ((rows % 64) < 3) | ((columns % 64) < 3)
    paving = np.where(slab, -0.7, 0.4 * noise(rng, TILE, TILE, 4)) + 0.4 * fine
    panels = np.where((columns % 32) < 3, -0.8, 0.1) + 0.2 * fine
    stones = np.abs(np.sin(np.pi * rows / 32) * np.sin(np.pi * (columns + 16 * ((rows // 32) % 2)) / 32))
    cobbles = 1.2 * np.sqrt(stones) - 0.8 + 0.3 * fine
    scatter = fractal(rng, TILE, 64, 0.9)
    leaves = np.where(scatter > 0.75, 1.6, 0.4 * fine)
    gap = ((rows % 16) < 4) | (((columns + 8 * ((rows // 16) % 2)) % 16) < 4)
    stone = 0.5 * rng.standard_normal((TILE // 16, TILE // 16)).repeat(16, axis=0).repeat(16, axis=1)
    setts = np.where(gap, -1.0, 0.4 + stone + 0.3 * fine)
    every = (fine, clouds, foliage, cloth, bricks, paving, panels, cobbles, leaves, setts)
    return np.stack([tile.astype(np.float32) for tile in every])


def _heat_code(degrees: np.ndarray) -> np.ndarray:
    return np.clip(HEAT_ZERO + HEAT_STEP * degrees, 0, 255)


FACADES, FACADE_METRES = 48, (24.0, 32.0)
"""Number of designs and the height and width of each, metres."""
_PER_METRE = 14.0


_LEVELS = 4

Picture = tuple[np.ndarray, np.ndarray]
"""A wall's uint8 [h,w,3] reflectance and uint8 [h,w,2] heat code and glow."""


@lru_cache(maxsize=FACADES)
def _facade_levels(design: int) -> list[Picture]:
    """One design at full, half, quarter and eighth resolution, so that far walls do not shimmer."""
    levels = [_facade(design)]
    for _ in range(_LEVELS - 1):
        rows, columns = levels[-1][0].shape[:2]
        half = (columns // 2, rows // 2)
        picture, extra = (cv2.resize(image, half, interpolation=cv2.INTER_AREA) for image in levels[-1])
        levels.append((picture, extra))
    return levels


def _facade(design: int) -> Picture:
    rng = np.random.default_rng([20240602, design])
    rows, columns = (int(metres * _PER_METRE) for metres in FACADE_METRES)
    base = np.array(_WALLS[rng.integers(len(_WALLS))], np.float32) * rng.uniform(0.7, 1.2)
    grain = np.tile(tiles()[rng.choice([FINE, CLOUDS, BRICKS, BRICKS, PANELS, PAVING])], (2, 2))[
        :rows, :columns
    ]
    stains = cv2.resize(tiles()[CLOUDS], (columns, rows))
    picture = base * (1.0 + 0.22 * grain + 0.2 * stains)[..., None]
    heat = 0.5 * stains + 0.25 * grain
    heat += rng.uniform(-0.6, 0.9) * np.linspace(1.0, 0.0, rows)[:, None]
    glow = np.zeros((rows, columns), np.float32)
    lit = float(rng.choice([0.02, 0.1, 0.3]))
    _windows(rng, picture, heat, glow, lit)
    if rng.random() < 0.5:
        _ledges(rng, picture, heat)
    extra = np.stack([_heat_code(heat), np.clip(glow * 255, 0, 255)], axis=2)
    return np.clip(picture * 255, 0, 255).astype(np.uint8), extra.astype(np.uint8)


def facade(rng: np.random.Generator, width_m: float, height_m: float) -> list[Picture]:
    """A building's front cut from a random design, at a random scale or larger if the design is too small.

    Returns:
        the front at full, half, quarter and eighth resolution (views, not to be written to).
    """
    scale = max(rng.uniform(0.7, 1.3), width_m / FACADE_METRES[1], height_m / FACADE_METRES[0])
    high, wide = height_m / FACADE_METRES[0] / scale, width_m / FACADE_METRES[1] / scale
    left = rng.uniform(0.0, 1.0 - wide)
    levels = []
    for picture, extra in _facade_levels(int(rng.integers(FACADES))):
        rows, columns = picture.shape[:2]
        first = int(left * columns)
        window = (slice(-max(2, int(high * rows)), None), slice(first, first + max(2, int(wide * columns))))
        levels.append((picture[window], extra[window]))
    return levels


_WALLS = (
    (0.42, 0.28, 0.18),
    (0.36, 0.25, 0.19),
    (0.5, 0.47, 0.42),
    (0.66, 0.65, 0.62),
    (0.33, 0.33, 0.34),
    (0.55, 0.48, 0.36),
    (0.24, 0.13, 0.1),
    (0.78, 0.76, 0.7),
)


def _windows(
    rng: np.random.Generator,
    picture: np.ndarray,
    heat: np.ndarray,
    glow: np.ndarray,
    lit: float,
) -> None:
    """Cut a grid of windows (and doors below) into a wall, in place."""
    rows, columns = heat.shape
    storey = rng.uniform(2.8, 4.2) * _PER_METRE
    bay = rng.uniform(1.6, 5.0) * _PER_METRE
    high, wide = rng.uniform(0.35, 0.75), rng.uniform(0.3, 0.85)
    pane = np.array([0.1, 0.12, 0.14]) * rng.uniform(0.4, 2.5)
    frame = np.array([0.6, 0.6, 0.58]) * rng.uniform(0.2, 1.2)
    cold = rng.uniform(-3.0, 1.5)
    warm_light = np.array([1.0, 0.85, 0.55]) if rng.random() < 0.5 else np.array([0.85, 1.0, 0.9])
    for row in np.arange(rows - storey, -storey, -storey):
        top = int(row + (1 - high) * storey * rng.uniform(0.4, 0.6))
        bottom = int(top + high * storey)
        row_lit = lit * rng.choice([0.3, 1.0, 2.5])
        for column in np.arange(bay * 0.2, columns, bay):
            left, right = int(column), int(column + wide * bay)
            area = (slice(max(top, 0), max(bottom, 0)), slice(left, right))
            edge = max(1, int(0.08 * _PER_METRE))
            around = (
                slice(max(top - edge, 0), max(bottom + edge, 0)),
                slice(max(left - edge, 0), right + edge),
            )
            picture[around] = frame
            tone = rng.uniform(0.5, 1.6)
            picture[area] = pane * tone
            heat[area] = cold + rng.uniform(-1.0, 2.0)
            if rng.random() < row_lit:
                level = rng.uniform(0.15, 1.0)
                glow[area] = level
                picture[area] = warm_light * 0.7
            middle = (left + right) // 2
            picture[area[0], middle : middle + edge] = frame
            heat[area[0], middle : middle + edge] += 0.6


def _ledges(rng: np.random.Generator, picture: np.ndarray, heat: np.ndarray) -> None:
    """Horizontal bands and pipes that break the grid, in place."""
    rows, columns = heat.shape
    for row in rng.integers(0, rows, rng.integers(1, 5)):
        picture[row : row + max(1, int(0.3 * _PER_METRE))] *= rng.uniform(0.5, 1.5)
        heat[row : row + max(1, int(0.3 * _PER_METRE))] += rng.uniform(-0.5, 1.2)
    for column in rng.integers(0, columns, rng.integers(0, 4)):
        picture[:, column : column + max(1, int(0.12 * _PER_METRE))] *= rng.uniform(0.4, 1.5)
        heat[:, column : column + max(1, int(0.12 * _PER_METRE))] += rng.uniform(-0.5, 2.0)
