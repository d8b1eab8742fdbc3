"""A random street with everything that stands, walks and drives in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rgbt_seg_ros.scenes.canvas import Canvas, Paint
from rgbt_seg_ros.scenes.cars import Car
from rgbt_seg_ros.scenes.geometry import Camera, Pose
from rgbt_seg_ros.scenes.ids import CAR_STOP, GUARDRAIL, NOTHING
from rgbt_seg_ros.scenes.street_things import LEAF_POINTS, Barrier, Bollard, Cone, Crate, Tree
from rgbt_seg_ros.scenes.surroundings import Building, Street, make_building, make_street, pavement_place
from rgbt_seg_ros.scenes.textures import CLOUDS, FINE, FOLIAGE, PANELS, white_noise
from rgbt_seg_ros.scenes.traffic import add_cars, add_people, add_riders, park_bikes


class Thing(Protocol):
    """What can be placed in a street."""

    def at(self, t: float) -> Pose:
        """Where it is after t seconds."""
        ...

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint it."""
        ...


@dataclass(frozen=True)
class World:
    """A street scene; independent of light, camera and time."""

    street: Street
    buildings: tuple[Building, ...]
    things: tuple[Thing, ...]

    def draw(self, camera: Camera, t: float) -> Canvas:
        """Paint the view at t seconds: ground, buildings, then things, the far ones first."""
        canvas = Canvas(camera)
        self.street.draw(canvas)
        for building in sorted(self.buildings, key=lambda b: -b.distance(canvas)):
            building.draw(canvas)
        for thing in self._in_view(camera, t):
            thing.draw(canvas, t)
        return canvas

    def _in_view(self, camera: Camera, t: float) -> list[Thing]:
        """The things that may be seen, the far ones first."""
        margin = 7.0
        poses = [thing.at(t) for thing in self.things]
        right, _, forward = camera.to_camera(
            np.array([(pose.x, 0.0, pose.z) for pose in poses]).reshape(-1, 3)
        ).T
        reach = np.maximum(forward, 0.0) * (0.5 * camera.width / camera.focal) + margin
        seen = np.flatnonzero((np.abs(right) < reach) & (forward > -margin) & (forward < 150.0))
        return [self.things[i] for i in seen[np.argsort(-forward[seen], kind="stable")]]


def clear_way(world: World, track: Sequence[tuple[float, Camera]]) -> World:
    """The world without the things into which a camera runs on its track of (seconds, camera)."""
    kept = [thing for thing in world.things if not any(_blocks(thing, t, camera) for t, camera in track)]
    return replace(world, things=tuple(kept))


def _blocks(thing: Thing, t: float, camera: Camera) -> bool:
    right, forward = thing.at(t).local(camera.x, camera.z)
    if isinstance(thing, Car):
        rear, front = thing.shape.outline[0][0], thing.shape.outline[-1][0]
        return abs(right) < thing.shape.half + 0.7 and rear - 1.5 < forward < front + 1.5
    return bool(np.hypot(right, forward) < 1.2)


def make_world(rng: np.random.Generator, travel: float = 0.0, crowd: int = 1) -> World:
    """A random street.

    Args:
        rng: source of everything.
        travel: metres that the camera will go; the street is that much longer.
        crowd: how many times people and traffic are added.
    """
    length = 60.0 + travel
    summer = rng.random() < 0.2
    road_heat = float(rng.uniform(2.0, 9.0) if summer else rng.normal(-0.5, 0.9))
    warmth = float(rng.uniform(0.35, 0.7) if summer else rng.uniform(0.75, 1.3))
    sunlit = float(rng.uniform(0.0, 6.0) if rng.random() < 0.3 else 0.0)
    street = make_street(rng, road_heat)
    things: list[Thing] = []
    end = float(rng.choice([18.0, 30.0, 55.0, 100.0], p=[0.15, 0.2, 0.3, 0.35])) + travel
    _plant_trees(rng, street, things, end, length)
    _furnish(rng, street, things, length)
    things += park_bikes(rng, street, length)
    for _ in range(crowd):
        things += add_riders(rng, street, length, warmth)
        things += add_cars(rng, street, length, sunlit)
        things += add_people(rng, street, length, warmth)
    return World(street, tuple(_build(rng, street, end, travel)), tuple(things))


def make_camera(rng: np.random.Generator, street: Street, size: tuple[int, int]) -> Camera:
    """A random camera near the middle of the road; size (H, W) in pixels."""
    height, width = size
    left = min(p.side * p.offset for p in street.pavements)
    right = max(p.side * p.offset for p in street.pavements)
    return Camera(
        height=height,
        width=width,
        focal=width * float(rng.uniform(0.75, 1.25)),
        horizon=height * float(np.clip(rng.normal(0.47, 0.06), 0.3, 0.65)),
        x=float(rng.uniform(left + 0.3, right - 0.3)),
        y=float(np.clip(rng.normal(1.5, 0.25), 0.7, 2.3)),
        z=0.0,
        yaw=float(rng.normal(0.0, 0.14)),
    )


def _build(rng: np.random.Generator, street: Street, end: float, travel: float) -> list[Building]:
    """Fronts along both sides with gaps, and what closes the street `end` metres ahead."""
    buildings = []
    for pavement in street.pavements:
        side, z = pavement.side, -4.0
        base = pavement.offset + pavement.width + rng.uniform(0.3, 9.0)
        while z < min(end, 75.0 + travel):
            depth = rng.uniform(6.0, 28.0)
            if rng.random() < 0.75:
                height = float(rng.choice([rng.uniform(1.2, 3.0), rng.uniform(4.0, 20.0)], p=[0.25, 0.75]))
                x = float(street.middle(z)) + side * (base + rng.uniform(0.0, 2.0))
                ends = (x, z), (x, z + depth)
                buildings.append(make_building(rng, *(ends if side < 0 else ends[::-1]), height))
                across = (x, z), (x + side * 14.0, z)
                buildings.append(make_building(rng, *(across if side > 0 else across[::-1]), height))
            z += depth + rng.uniform(0.0, 6.0)
    x = float(street.middle(end)) - 45.0
    while x < float(street.middle(end)) + 45.0:
        width = rng.uniform(10.0, 30.0)
        z = end + rng.uniform(0.0, 10.0)
        if rng.random() < 0.85:
            buildings.append(make_building(rng, (x, z), (x + width, z), float(rng.uniform(4.0, 22.0))))
        x += width + rng.uniform(0.0, 3.0)
    return buildings


_LEAVES = ((0.1, 0.16, 0.03), (0.05, 0.09, 0.025), (0.16, 0.2, 0.04), (0.42, 0.3, 0.04), (0.3, 0.13, 0.04))


def make_tree(rng: np.random.Generator, pose: Pose, bush: bool, size: float = 1.0) -> Tree:
    """A random tree or bush; `size` enlarges it."""
    height = size * float(rng.uniform(0.6, 1.8) if bush else rng.uniform(4.0, 13.0))
    count = int(rng.integers(3, 7) if bush else rng.integers(7, 14))
    around = np.linspace(0, 2 * np.pi, LEAF_POINTS, endpoint=False)
    ragged = 1.0 + 0.1 * white_noise(rng, count, LEAF_POINTS)
    ragged += 0.16 * np.sin(around * rng.integers(2, 5, (count, 1)) + rng.uniform(0, 6, (count, 1)))
    clumps = np.column_stack(
        [
            rng.normal(0, 0.5 if bush else 0.2, count),
            rng.uniform(0.25, 0.6, count) if bush else rng.uniform(0.45, 0.95, count),
            rng.uniform(0.3, 0.45, count) if bush else rng.uniform(0.09, 0.22, count),
            rng.uniform(0.55, 1.25, count),
        ]
    )
    clumps = clumps[np.argsort(clumps[:, 3])]
    if not bush and rng.random() < 0.15:
        clumps, ragged = clumps[:0], ragged[:0]
    starts = np.column_stack([np.zeros(5), rng.uniform(0.3, 0.45, 5)])
    ends = starts + np.column_stack([rng.normal(0, 0.18, 5), rng.uniform(0.15, 0.45, 5)])
    leaf = np.array(_LEAVES[rng.choice(5, p=[0.35, 0.3, 0.15, 0.1, 0.1])]) * rng.uniform(0.6, 1.3)
    bark = np.array([0.08, 0.065, 0.05]) * rng.uniform(0.5, 1.8)
    return Tree(
        pose=pose,
        height=height,
        trunk=0.0 if bush else float(rng.uniform(0.1, 0.38)),
        bark=Paint(tuple(bark.tolist()), float(rng.uniform(0.5, 3.0)), 0.5, 0.6, FOLIAGE),
        leaves=Paint(
            tuple(leaf.tolist()), float(rng.uniform(-0.2, 2.0)), 0.75, float(rng.uniform(0.3, 0.8)), FOLIAGE
        ),
        clumps=clumps,
        edge=ragged,
        limbs=np.stack([starts, ends], axis=1),
    )


def _plant_trees(
    rng: np.random.Generator, street: Street, things: list[Thing], end: float, length: float
) -> None:
    """Rows of trees and hedges along the street, and trees behind its end against the sky."""
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


def _paint(
    rng: np.random.Generator, colors: tuple[tuple[float, float, float], ...], heat: float, tile: int
) -> Paint:
    color = np.array(colors[rng.integers(len(colors))]) * rng.uniform(0.75, 1.2)
    return Paint(tuple(color.tolist()), float(heat), 0.2, 0.5, tile)


_POST = ((0.25, 0.25, 0.26), (0.1, 0.07, 0.05), (0.45, 0.45, 0.46), (0.5, 0.3, 0.03), (0.03, 0.03, 0.03))
_YELLOW = ((0.6, 0.35, 0.02), (0.65, 0.5, 0.05), (0.5, 0.12, 0.03))


def _furnish(rng: np.random.Generator, street: Street, things: list[Thing], length: float) -> None:
    """Lamps, poles, signs, machines, cones, bollards, gates and guardrails."""
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
    if rng.random() < 0.3:
        _cones(rng, street, things, length)
    if rng.random() < 0.4:
        _car_stops(rng, street, things, length)
    if rng.random() < 0.22:
        _guardrail(rng, street, things)


def _cones(rng: np.random.Generator, street: Street, things: list[Thing], length: float) -> None:
    paint = _paint(
        rng, ((0.65, 0.1, 0.03), (0.6, 0.05, 0.04), (0.65, 0.2, 0.02)), rng.uniform(-0.5, 2.0), FINE
    )
    height, bands = rng.uniform(0.45, 0.9), int(rng.integers(0, 3))
    for _ in range(rng.integers(1, 6)):
        z = rng.uniform(3.0, min(length, 30.0))
        offset = rng.choice([p.side * p.offset for p in street.pavements]) * rng.uniform(0.6, 1.25)
        things.append(Cone(Pose(float(street.middle(z) + offset), z, 0.0), height, paint, bands))


def _car_stops(rng: np.random.Generator, street: Street, things: list[Thing], length: float) -> None:
    """A row of bollards, a gate, or machines of a car park."""
    kind = rng.choice(["row", "across", "gate", "machine"])
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


def _guardrail(rng: np.random.Generator, street: Street, things: list[Thing]) -> None:
    side = int(rng.choice([-1, 1]))
    offset = next(p.offset for p in street.pavements if p.side == side) * rng.uniform(0.95, 1.1)
    paint = _paint(rng, ((0.6, 0.6, 0.6), (0.4, 0.4, 0.42), (0.25, 0.2, 0.15)), rng.uniform(-1.0, 2.0), FINE)
    bars = ((0.42, 0.72),) if rng.random() < 0.5 else ((0.25, 0.31), (0.5, 0.56), (0.75, 0.82))
    first, last = rng.uniform(1.0, 10.0), rng.uniform(14.0, 45.0)
    for z in np.arange(first, last, 4.0):
        x, ahead = (float(street.middle(a)) + side * offset for a in (z, z + 4.0))
        pose = Pose(x, float(z), float(np.arctan2(ahead - x, 4.0)))
        things.append(Barrier(pose, 4.0, 0.82, bars, paint, None, GUARDRAIL))
