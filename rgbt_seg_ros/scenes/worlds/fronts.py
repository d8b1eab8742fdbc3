"""Squares before the front of a building: glass, open halls, pillars, steps, a canopy, boards and banners, close by.

What fills the picture there is flat, large, dark or bright and of any warmth, as a car's side is, and no car.
"""

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import Paint
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import FINE
from rgbt_seg_ros.scenes.worlds.rooms import Wall, random_paint

_NEARER = 0.03
"""Metres by which what hangs on a wall is before it: it must be drawn later."""


class _Front:
    """Collects pieces in the front's own frame: right along it, up, and out towards the camera, in metres."""

    def __init__(self, pose: Pose, warmest: float) -> None:
        self.pose = pose
        self.warmest = warmest
        self.pieces: list[Wall] = []

    def upright(
        self, left: float, right: float, low: float, high: float, paint: Paint, out: float = 0.0
    ) -> None:
        """A piece of wall."""
        self._add([(left, low, -out), (right, low, -out), (right, high, -out), (left, high, -out)], paint)

    def flat(self, left: float, right: float, near: float, far: float, up: float, paint: Paint) -> None:
        """A step's tread, or the lower side of a canopy."""
        self._add([(left, up, -near), (right, up, -near), (right, up, -far), (left, up, -far)], paint)

    def _add(self, corners: list[tuple[float, float, float]], paint: Paint) -> None:
        self.pieces.append(Wall(self.pose.world(np.array(corners)), paint))


def make_front(rng: np.random.Generator, pose: Pose) -> list[Wall]:
    """The front of a building.

    Args:
        rng: source of everything.
        pose: its middle on the ground; it looks back along the heading, so heading 0 faces a camera at smaller z.
    """
    front = _Front(pose, float(rng.choice([1.0, 4.0, 14.0], p=[0.4, 0.3, 0.3])))
    bay, bays = float(rng.uniform(2.2, 5.0)), int(rng.integers(5, 14))
    sides = -0.5 * bay * bays, 0.5 * bay * bays
    ground_floor, height = float(rng.uniform(2.8, 5.0)), float(rng.uniform(3.0, 15.0))
    base = _steps(rng, front, sides) if rng.random() < 0.5 else 0.0
    top = base + ground_floor
    wall, other = random_paint(rng, front.warmest), random_paint(rng, front.warmest)
    below = rng.choice(["glass", "hall", "wall"], p=[0.4, 0.3, 0.3])
    above = rng.choice(["windows", "glass", "wall"], p=[0.5, 0.2, 0.3])
    for left in np.arange(bays) * bay + sides[0]:
        right = float(left + bay)
        kind = below if rng.random() < 0.8 else rng.choice(["glass", "hall", "wall"])
        _bay(rng, front, str(kind), (float(left), right, base, top), (wall, other))
        for low in np.arange(top, base + height, 3.5):
            _bay(rng, front, str(above), (float(left), right, float(low), float(low) + 3.5), (wall, other))
    if rng.random() < 0.5:
        _canopy(rng, front, sides, base, top)
    for _ in range(rng.integers(0, 5)):
        _board(rng, front, float(rng.uniform(*sides)), base, height)
    return front.pieces


def _bay(
    rng: np.random.Generator,
    front: _Front,
    kind: str,
    place: tuple[float, float, float, float],
    paints: tuple[Paint, Paint],
) -> None:
    """One bay of one storey: `place` is its left, right, lower and upper end."""
    left, right, low, high = place
    front.upright(left, right, low, high, paints[0])
    if kind == "wall":
        if rng.random() < 0.3:
            front.upright(left, right, low, low + 0.4 * (high - low), paints[1], _NEARER)
        return
    if kind == "hall":  # open, and dark inside
        tone = float(np.exp(rng.uniform(np.log(0.004), np.log(0.08))))
        inside = Paint((tone, tone, tone), float(rng.uniform(-2.0, 4.0)), 0.3, float(rng.uniform(0.1, 1.0)))
        front.upright(left, right, low, high - 0.3, inside, _NEARER)
        for _ in range(rng.integers(0, 4)):  # what stands or is lit in there
            x, up = rng.uniform(left, right - 0.2), rng.uniform(low, high - 0.8)
            wide, tall = min(rng.uniform(0.1, 1.5), right - x), min(rng.uniform(0.1, 1.6), high - 0.3 - up)
            paint = random_paint(rng, front.warmest)
            if rng.random() < 0.25:
                paint = paint._replace(glow=(1.5, 1.4, 1.2))
            front.upright(x, x + wide, up, up + tall, paint, 2 * _NEARER)
        return
    panes = int(rng.integers(1, 4))
    edge = float(rng.uniform(0.05, 0.25))
    sill = low + float(rng.uniform(0.7, 1.2)) if kind == "windows" else low + edge
    width = (right - left) / panes
    for number in range(panes):
        tone = float(np.exp(rng.uniform(np.log(0.01), np.log(0.5))))  # dark, or the sky in it
        color = tuple((tone * rng.normal(1.0, 0.12, 3)).clip(0.003, 0.9).tolist())
        heat = float(rng.uniform(-6.0, 3.0) if rng.random() < 0.7 else rng.uniform(0.0, front.warmest))
        pane = Paint(color, heat, 0.15, 0.2, FINE)
        if rng.random() < 0.12:
            pane = pane._replace(glow=(0.9, 0.8, 0.55))
        start = left + number * width
        front.upright(start + edge, start + width - edge, sill, high - edge, pane, _NEARER)


def _steps(rng: np.random.Generator, front: _Front, sides: tuple[float, float]) -> float:
    """Steps up to the front; returns how high it stands."""
    count, rise, tread = int(rng.integers(1, 9)), float(rng.uniform(0.12, 0.18)), float(rng.uniform(0.3, 0.6))
    paint = random_paint(rng, front.warmest)
    landing = float(rng.uniform(0.5, 3.0))
    darker = paint._replace(color=tuple(0.6 * c for c in paint.color), heat=paint.heat - 0.5)
    for number in range(count):
        near = landing + (count - number) * tread
        front.upright(*sides, number * rise, (number + 1) * rise, darker, near)
        far = near - tread if number + 1 < count else 0.0
        front.flat(*sides, near, far, (number + 1) * rise, paint)
    return count * rise


def _canopy(
    rng: np.random.Generator, front: _Front, sides: tuple[float, float], base: float, top: float
) -> None:
    """A roof over the way in, on pillars."""
    deep, thick = float(rng.uniform(0.8, 3.5)), float(rng.uniform(0.15, 1.0))
    left, right = np.sort(rng.uniform(*sides, 2)) if rng.random() < 0.5 else sides
    edge, pillar = random_paint(rng, front.warmest), random_paint(rng, front.warmest)
    lower = edge._replace(color=tuple(0.4 * c for c in edge.color))
    front.flat(left, right, deep, 0.0, top, lower)
    front.upright(left, right, top, top + thick, edge, deep)
    wide = float(rng.uniform(0.15, 0.9))
    for x in np.arange(left, right - wide, float(rng.uniform(2.0, 6.0))):
        front.upright(float(x), float(x) + wide, base, top, pillar, deep - 0.2)


def _board(rng: np.random.Generator, front: _Front, middle: float, base: float, height: float) -> None:
    """A banner on the front, or a board on the square: colours and rows of something like letters."""
    stands = rng.random() < 0.4
    wide, tall = float(rng.uniform(0.8, 9.0)), float(rng.uniform(0.6, 3.0 if stands else 4.0))
    out = float(rng.uniform(2.0, 8.0)) if stands else 5 * _NEARER
    low = float(rng.uniform(0.0, 0.8) if stands else base + rng.uniform(0.5, max(0.6, height - tall)))
    left = middle - 0.5 * wide
    color = tuple(rng.uniform(0.01, 0.85, 3).tolist())
    cloth = Paint(color, float(rng.uniform(-3.0, front.warmest)), 0.1, float(rng.uniform(0.1, 0.6)))
    front.upright(left, left + wide, low, low + tall, cloth, out)
    for _ in range(rng.integers(2, 14)):
        ink = cloth._replace(
            color=tuple(rng.uniform(0.01, 0.85, 3).tolist()), heat=cloth.heat + float(rng.normal(0.0, 0.6))
        )
        part = np.exp(rng.uniform(np.log((0.1, 0.05)), np.log((0.9, 0.5)))) * (wide, tall)
        x, up = left + rng.uniform(0.0, wide - part[0]), low + rng.uniform(0.0, tall - part[1])
        front.upright(float(x), float(x + part[0]), float(up), float(up + part[1]), ink, out + _NEARER)
