"""What stands in a street: trees, hedges, lamps, signs, machines, cones, bollards, gates and guardrails."""

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import CAR_STOP, GUARDRAIL, NOTHING, Paint
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import CLOUDS, FINE, FOLIAGE, PANELS
from rgbt_seg_ros.scenes.street.surroundings import Street, pavement_place
from rgbt_seg_ros.scenes.things.street_things import Barrier, Bollard, Cone, Crate
from rgbt_seg_ros.scenes.things.trees import Tree, make_tree

Furniture = Tree | Crate | Bollard | Barrier | Cone


def plant_trees(rng: np.random.Generator, street: Street, end: float, length: float) -> list[Furniture]:
    """Rows of trees and hedges along the street, and trees behind its end against the sky."""
    things: list[Furniture] = []
    for x in np.arange(-70.0, 70.0, rng.uniform(9.0, 20.0)):
        distant = Pose(float(street.middle(end)) + float(x), end + 30.0 + rng.uniform(0, 15.0), 0.0)
        things.append(make_tree(rng, distant, bush=rng.random() < 0.4, size=2.2))
    for pavement in street.pavements:
        kind = rng.choice(["none", "trees", "hedge", "both"], p=[0.25, 0.4, 0.15, 0.2])
        if kind in ("trees", "both"):
            step, beside = rng.uniform(4.0, 12.0), rng.uniform(0.8, 3.0)
            for z in np.arange(rng.uniform(2.0, 9.0), length + 10.0, step):
                x = float(street.middle(z)) + pavement.side * (pavement.offset + beside + rng.uniform(0, 1.5))
                things.append(make_tree(rng, Pose(x, float(z), 0.0), bush=False))
        if kind in ("hedge", "both"):
            beside, bush = rng.uniform(0.8, 4.5), rng.random() < 0.5
            leaf = np.array([0.07, 0.12, 0.03]) * rng.uniform(0.6, 1.5)
            paint = Paint(tuple(leaf.tolist()), float(rng.uniform(0.0, 2.0)), 0.8, 0.9, FOLIAGE)
            high = float(rng.uniform(0.5, 1.6))
            for z in np.arange(1.0, length - 15.0, 2.0):
                pose = Pose(
                    float(street.middle(z)) + pavement.side * (pavement.offset + beside), float(z), 0.0
                )
                things.append(
                    make_tree(rng, pose, bush=True)
                    if bush
                    else Crate(pose, 0.9, 2.0, high, paint, None, NOTHING)
                )
    return things


def _paint(
    rng: np.random.Generator, colors: tuple[tuple[float, float, float], ...], heat: float, tile: int
) -> Paint:
    color = np.array(colors[rng.integers(len(colors))]) * rng.uniform(0.75, 1.2)
    return Paint(tuple(color.tolist()), float(heat), 0.2, 0.5, tile)


_POST = ((0.25, 0.25, 0.26), (0.1, 0.07, 0.05), (0.45, 0.45, 0.46), (0.5, 0.3, 0.03), (0.03, 0.03, 0.03))
_YELLOW = ((0.6, 0.35, 0.02), (0.65, 0.5, 0.05), (0.5, 0.12, 0.03))


def furnish(rng: np.random.Generator, street: Street, length: float) -> list[Furniture]:
    """Lamps, poles, signs, machines, cones, bollards, gates and guardrails."""
    things: list[Furniture] = []
    lamp_color = (1.0, 0.95, 0.75) if rng.random() < 0.6 else (0.75, 1.0, 0.85)
    for side in (-1, 1):
        for z in np.arange(rng.uniform(4.0, 25.0), length + 40.0, rng.uniform(14.0, 30.0)):
            place = pavement_place(street, rng, side, float(z))
            lit = rng.random() < 0.55
            color = lamp_color if rng.random() < 0.8 else (1.0, 0.7, 0.35)
            things.append(
                Bollard(place, rng.uniform(3.5, 8.0), 0.06, _paint(rng, _POST, rng.uniform(0, 3), FINE), NOTHING,
                        lamp_power=float(rng.uniform(0.5, 2.5)) if lit else 0.0, lamp_color=color)
            )  # fmt: skip
    for _ in range(rng.integers(0, 4)):
        place = pavement_place(street, rng, int(rng.choice([-1, 1])), rng.uniform(4.0, length))
        sign = _paint(rng, ((0.6, 0.05, 0.05), (0.05, 0.15, 0.5), (0.6, 0.5, 0.1)), 0.5, FINE)
        things.append(
            Bollard(place, rng.uniform(2.0, 3.0), 0.035, _paint(rng, _POST, 0.5, FINE), NOTHING, sign=sign)
        )
    for _ in range(rng.integers(0, 4)):
        place = pavement_place(street, rng, int(rng.choice([-1, 1])), rng.uniform(4.0, length * 0.7))
        body = _paint(
            rng,
            ((0.6, 0.6, 0.6), (0.3, 0.3, 0.32), (0.5, 0.1, 0.08), (0.12, 0.2, 0.12)),
            rng.uniform(-1, 5),
            PANELS,
        )
        glow = float(rng.choice([0.0, 1.2]))
        front = _paint(rng, ((0.7, 0.7, 0.7), (0.1, 0.1, 0.12)), rng.uniform(-1, 6), CLOUDS)
        front = front._replace(glow=(glow, glow, 0.9 * glow))
        width, depth, height = rng.uniform(0.4, 1.3), rng.uniform(0.3, 0.9), rng.uniform(0.4, 2.0)
        things.append(Crate(place, width, depth, height, body, front, NOTHING))
    if rng.random() < 0.4:
        _cones(rng, street, things, length)
    if rng.random() < 0.4:
        _car_stops(rng, street, things, length)
    if rng.random() < 0.3:
        _guardrail(rng, street, things)
    return things


def _cones(rng: np.random.Generator, street: Street, things: list[Furniture], length: float) -> None:
    paint = _paint(
        rng, ((0.65, 0.1, 0.03), (0.6, 0.05, 0.04), (0.65, 0.2, 0.02)), rng.uniform(-0.5, 2.0), FINE
    )
    height, bands = rng.uniform(0.45, 0.9), int(rng.integers(0, 3))
    for _ in range(rng.integers(1, 6)):
        z = rng.uniform(3.0, min(length, 30.0))
        offset = rng.choice([p.side * p.offset for p in street.pavements]) * rng.uniform(0.6, 1.25)
        things.append(Cone(Pose(float(street.middle(z) + offset), z, 0.0), height, paint, bands))


def _car_stops(rng: np.random.Generator, street: Street, things: list[Furniture], length: float) -> None:
    """A row of bollards, a gate, a fence, or machines of a car park."""
    kind = rng.choice(["row", "across", "gate", "fence", "machine"])
    z = rng.uniform(4.0, min(length, 28.0))
    left, right = (p.side * p.offset for p in street.pavements)
    heat = rng.uniform(-0.5, 2.5)
    if kind in ("row", "across"):
        paint, cap = _paint(rng, _POST, heat, FINE), _paint(rng, _YELLOW, heat, FINE)
        height, radius = rng.uniform(0.6, 1.1), rng.uniform(0.04, 0.16)
        edge = rng.choice([left, right]) * rng.uniform(0.8, 1.15)
        for i in range(rng.integers(3, 9)):
            x, forward = (edge, z + 1.6 * i) if kind == "row" else (left + 1.4 * i, z)
            pose = Pose(float(street.middle(forward) + x), float(forward), 0.0)
            things.append(Bollard(pose, height, radius, paint, CAR_STOP, cap if rng.random() < 0.8 else None))
    elif kind == "gate":
        paint = _paint(rng, ((0.6, 0.6, 0.6), *_YELLOW), heat, FINE)
        stripe = (
            _paint(rng, ((0.55, 0.05, 0.04), (0.03, 0.03, 0.03)), heat, FINE) if rng.random() < 0.7 else None
        )
        bars = ((0.4, 0.5), (0.85, 0.97)) if rng.random() < 0.5 else ((0.8, 0.95),)
        start = float(rng.uniform(left - 1.0, right - 1.0))
        pose = Pose(start, z, np.pi / 2 + rng.normal(0, 0.2))
        things.append(Barrier(pose, rng.uniform(1.5, 4.0), 1.0, bars, paint, stripe, CAR_STOP))
    elif kind == "fence":
        paint = _paint(rng, ((0.6, 0.6, 0.6), (0.45, 0.45, 0.46)), heat, FINE)
        high = rng.uniform(0.8, 1.2)
        bars = ((0.1, 0.16), (high - 0.06, high))
        pose = Pose(float(rng.uniform(left - 1.0, 0.0)), z, np.pi / 2 + rng.normal(0, 0.2))
        step = float(rng.uniform(0.15, 0.4))
        things.append(Barrier(pose, rng.uniform(2.0, 6.0), high, bars, paint, None, CAR_STOP, step))
    else:
        paint = _paint(rng, _YELLOW, heat, PANELS)
        for _ in range(rng.integers(1, 4)):
            pose = Pose(
                float(rng.choice([left, right]) * rng.uniform(0.9, 1.3)),
                z + rng.uniform(-2, 2),
                rng.normal(0, 0.4),
            )
            size = rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.6), rng.uniform(0.9, 1.5)
            things.append(Crate(pose, *size, paint, _paint(rng, _POST, heat + 1.0, FINE), CAR_STOP))


def _guardrail(rng: np.random.Generator, street: Street, things: list[Furniture]) -> None:
    side = int(rng.choice([-1, 1]))
    offset = next(p.offset for p in street.pavements if p.side == side) * rng.uniform(0.95, 1.1)
    paint = _paint(rng, ((0.6, 0.6, 0.6), (0.4, 0.4, 0.42), (0.25, 0.2, 0.15)), rng.uniform(-1.0, 2.0), FINE)
    bars = ((0.42, 0.72),) if rng.random() < 0.5 else ((0.25, 0.31), (0.5, 0.56), (0.75, 0.82))
    first, last = rng.uniform(1.0, 10.0), rng.uniform(14.0, 45.0)
    for z in np.arange(first, last, 4.0):
        x, ahead = (float(street.middle(a)) + side * offset for a in (z, z + 4.0))
        pose = Pose(x, float(z), float(np.arctan2(ahead - x, 4.0)))
        things.append(Barrier(pose, 4.0, 0.82, bars, paint, None, GUARDRAIL))
