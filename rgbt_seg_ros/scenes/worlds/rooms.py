"""Halls, tunnels and yards: walls of any warmth on both sides and ahead, with or without a ceiling."""

from dataclasses import dataclass

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import NOTHING, Canvas, Lamp, Paint
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import BRICKS, CLOUDS, FINE, PANELS, PAVING
from rgbt_seg_ros.scenes.street.surroundings import Street
from rgbt_seg_ros.scenes.things.street_things import Crate

_STEP = 4.0
"""Metres of a wall or ceiling that have one depth."""


@dataclass(frozen=True)
class Wall:
    """A flat piece of a wall, ceiling or pipe; a lamp if its paint glows."""

    corners: np.ndarray
    """[4,3], world."""
    paint: Paint
    lamp_power: float = 0.0

    def distance(self, canvas: Canvas) -> float:
        """Metres to its far end, for drawing far pieces first."""
        return float(canvas.camera.to_camera(self.corners)[:, 2].max())

    def draw(self, canvas: Canvas) -> None:
        """Paint it."""
        x, y, z = self.corners.mean(axis=0)
        if canvas.stand_at(float(x), float(z), float(y), reach=_STEP) == 0.0:
            return
        canvas.face(self.corners, self.paint, NOTHING)
        if self.lamp_power > 0.0:
            place = canvas.camera.to_camera(np.array([[x, y - 0.2, z]]))[0]
            canvas.lamps.append(Lamp(place, self.lamp_power, (1.0, 0.95, 0.85)))


def random_paint(rng: np.random.Generator, warmest: float) -> Paint:
    """Any colour and texture, at most `warmest` degrees above the air."""
    tone = float(np.exp(rng.uniform(np.log(0.05), np.log(0.75))))
    color = np.clip(tone * rng.normal(1.0, 0.15, 3), 0.01, 0.85)
    heat = float(rng.uniform(-3.0, warmest))
    tile = int(rng.choice([FINE, CLOUDS, BRICKS, PANELS, PAVING]))
    return Paint(
        tuple(color.tolist()), heat, float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.1, 1.5)), tile
    )


def enclose(rng: np.random.Generator, street: Street, kind: str, depth: float) -> list[Wall]:
    """Walls along a street, across its end `depth` metres ahead, and the ceiling of a `hall` or `tunnel`.

    Args:
        rng: source of everything.
        street: between the walls.
        kind: `hall`, `tunnel` or `yard`.
        depth: metres.
    """
    warmest = float(rng.choice([1.0, 4.0, 14.0], p=[0.4, 0.35, 0.25]))
    height = float(
        {"hall": rng.uniform(2.6, 9.0), "tunnel": rng.uniform(2.2, 5.0)}.get(kind, rng.uniform(2.0, 9.0))
    )
    beside = float(rng.uniform(0.0, 0.8) if kind == "tunnel" else rng.uniform(0.3, 5.0))
    left, right = (pavement.side * (pavement.offset + beside) for pavement in street.pavements)
    walls: list[Wall] = []
    for x in (left, right):
        paint, second = random_paint(rng, warmest), random_paint(rng, warmest)
        border = height * float(rng.choice([0.0, 0.3, 0.45]))
        for z in np.arange(-4.0, depth, _STEP):
            piece = second if rng.random() < 0.12 else paint
            walls.append(_upright((x, z), (x, z + _STEP), border, height, piece))
            if border > 0.0:
                walls.append(_upright((x, z), (x, z + _STEP), 0.0, border, second))
        walls += _pipes(rng, x, depth, height, warmest)
    end = random_paint(rng, warmest)
    for x in np.arange(left, right, _STEP):
        far = min(x + _STEP, right)
        walls.append(
            _upright(
                (x, depth),
                (far, depth),
                0.0,
                height,
                random_paint(rng, warmest) if rng.random() < 0.2 else end,
            )
        )
    if kind != "yard":
        walls += _ceiling(rng, (left, right), depth, height, warmest)
    return walls


def _upright(
    start: tuple[float, float], end: tuple[float, float], low: float, high: float, paint: Paint
) -> Wall:
    (x0, z0), (x1, z1) = start, end
    return Wall(np.array([(x0, low, z0), (x1, low, z1), (x1, high, z1), (x0, high, z0)]), paint)


def _pipes(rng: np.random.Generator, x: float, depth: float, height: float, warmest: float) -> list[Wall]:
    """Cables, pipes and rails along a wall, a hand's breadth before it."""
    inside = x - 0.1 * np.sign(x)
    pipes = []
    for _ in range(rng.integers(0, 4)):
        low, thick = rng.uniform(0.2, height), rng.uniform(0.03, 0.3)
        paint = random_paint(rng, warmest + 8.0 * (rng.random() < 0.3))
        for z in np.arange(0.0, depth - _STEP, _STEP):
            pipes.append(_upright((inside, z), (inside, z + _STEP), low, low + thick, paint))
    return pipes


def _ceiling(
    rng: np.random.Generator, sides: tuple[float, float], depth: float, height: float, warmest: float
) -> list[Wall]:
    """Pieces of ceiling with rows of lamps."""
    left, right = sides
    paint, step, lit = random_paint(rng, warmest), rng.uniform(4.0, 10.0), rng.random() < 0.8

    def flat(x0: float, x1: float, z0: float, z1: float, up: float) -> np.ndarray:
        return np.array([(x0, up, z0), (x1, up, z0), (x1, up, z1), (x0, up, z1)])

    pieces = [Wall(flat(left, right, z, z + _STEP, height), paint) for z in np.arange(-4.0, depth, _STEP)]
    glow = (20.0, 19.0, 17.0) if lit else (0.0, 0.0, 0.0)
    lamp = Paint((0.8, 0.8, 0.8), float(rng.uniform(2.0, 18.0)) * lit, 0.1, 0.5, FINE, glow)
    middle, half = float(rng.uniform(0.7 * left, 0.7 * right)), float(rng.uniform(0.1, 0.6))
    for z in np.arange(rng.uniform(2.0, 6.0), depth, step):
        corners = flat(middle - half, middle + half, z, z + 1.3, height - 0.05)
        pieces.append(Wall(corners, lamp, float(rng.uniform(0.5, 2.5)) if lit else 0.0))
    return pieces


def machines(rng: np.random.Generator, street: Street, depth: float) -> list[Crate]:
    """Boxes of any size and warmth: machines, cabinets, containers, heaps."""
    things = []
    for _ in range(rng.integers(1, 8)):
        pavement = street.pavements[rng.integers(2)]
        offset = pavement.side * pavement.offset * rng.uniform(0.4, 1.2)
        pose = Pose(float(offset), float(rng.uniform(3.0, depth)), float(rng.normal(0.0, 0.5)))
        size = np.exp(rng.uniform(np.log((0.4, 0.4, 0.5)), np.log((4.0, 3.0, 3.2))))
        body, front = random_paint(rng, 14.0), random_paint(rng, 22.0) if rng.random() < 0.5 else None
        things.append(Crate(pose, float(size[0]), float(size[1]), float(size[2]), body, front, NOTHING))
    return things
