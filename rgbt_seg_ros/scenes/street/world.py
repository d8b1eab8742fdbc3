"""A random street with everything that stands, walks and drives in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import Canvas
from rgbt_seg_ros.scenes.paint.geometry import Camera, Pose
from rgbt_seg_ros.scenes.street.furniture import furnish, plant_trees
from rgbt_seg_ros.scenes.street.surroundings import Building, Street, make_building, make_street
from rgbt_seg_ros.scenes.street.traffic import add_cars, add_people, add_riders, park_bikes
from rgbt_seg_ros.scenes.things.cars import Car
from rgbt_seg_ros.scenes.things.street_things import Barrier


class Thing(Protocol):
    """What can be placed in a street."""

    def at(self, t: float) -> Pose:
        """Where it is after t seconds."""
        ...

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint it."""
        ...


class Surrounding(Protocol):
    """A building, or a piece of a wall."""

    def distance(self, canvas: Canvas) -> float:
        """Metres to its far end."""
        ...

    def draw(self, canvas: Canvas) -> None:
        """Paint it."""
        ...


@dataclass(frozen=True)
class World:
    """A street scene; independent of light, camera and time."""

    street: Street
    buildings: tuple[Surrounding, ...]
    things: tuple[Thing, ...]

    def draw(self, camera: Camera, t: float) -> Canvas:
        """Paint the view at t seconds: ground, buildings, then things, the far ones first."""
        canvas = Canvas(camera)
        self.street.draw(canvas)
        for building in sorted(self.buildings, key=lambda b: -b.distance(canvas)):
            building.draw(canvas)
        for number in self._in_view(camera, t):
            canvas.begin(number + 1)
            self.things[number].draw(canvas, t)
        return canvas

    def _in_view(self, camera: Camera, t: float) -> list[int]:
        """Indices of the things that may be seen, the far ones first."""
        margin = 7.0
        poses = [thing.at(t) for thing in self.things]
        right, _, forward = camera.to_camera(
            np.array([(pose.x, 0.0, pose.z) for pose in poses]).reshape(-1, 3)
        ).T
        reach = np.maximum(forward, 0.0) * (0.5 * camera.width / camera.focal) + margin
        seen = np.flatnonzero((np.abs(right) < reach) & (forward > -margin) & (forward < 150.0))
        return [int(i) for i in seen[np.argsort(-forward[seen], kind="stable")]]


def clear_way(world: World, track: Sequence[tuple[float, Camera]]) -> World:
    """The world without the things into which a camera runs on its track of (seconds, camera)."""
    kept = [thing for thing in world.things if not any(_blocks(thing, t, camera) for t, camera in track)]
    return replace(world, things=tuple(kept))


def _blocks(thing: Thing, t: float, camera: Camera) -> bool:
    pose = thing.at(t)
    if isinstance(thing, Car):
        return bool(_in_car(thing, pose, np.array([[camera.x, camera.z]]), 0.7, 1.5)[0])
    return float(np.hypot(pose.x - camera.x, pose.z - camera.z)) < 1.2


def _in_car(car: Car, pose: Pose, places: np.ndarray, aside: float, ahead: float) -> np.ndarray:
    """Which places (x, z) [N,2] lie in the car or less than these margins from it: bool [N]."""
    right, forward = pose.local(places).T
    rear, front = car.shape.outline[0][0], car.shape.outline[-1][0]
    return (np.abs(right) < car.shape.half + aside) & (forward > rear - ahead) & (forward < front + ahead)


def _ground_points(thing: Thing) -> np.ndarray:
    """Places (x, z) [N,2] on the ground that a thing takes at the beginning."""
    pose = thing.at(0.0)
    if isinstance(thing, Car):
        rear, front = thing.shape.outline[0][0], thing.shape.outline[-1][0]
        along = np.linspace(rear, front, 4)
        points = np.array(
            [(side * thing.shape.half, 0.0, forward) for side in (-1, 0, 1) for forward in along]
        )
        return pose.world(points)[:, ::2]
    if isinstance(thing, Barrier):
        pose = pose.moved(thing.length / 2)
        return pose.world(np.linspace(-0.5, 0.5, 5)[:, None] * (0.0, 0.0, thing.length))[:, ::2]
    return np.array([[pose.x, pose.z]])


def apart(things: Sequence[Thing]) -> list[Thing]:
    """The things without those that stand in a car; of two cars that overlap the first stays."""
    points = [_ground_points(thing) for thing in things]
    owner = np.repeat(np.arange(len(things)), [len(group) for group in points])
    places = np.concatenate(points)
    gone: set[int] = set()
    for i, car in enumerate(things):
        if isinstance(car, Car) and i not in gone:
            gone.update(owner[_in_car(car, car.pose, places, 0.3, 0.3)].tolist())
            gone.discard(i)
    return [thing for i, thing in enumerate(things) if i not in gone]


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
    end = float(rng.choice([18.0, 30.0, 55.0, 100.0], p=[0.15, 0.2, 0.3, 0.35])) + travel
    things: list[Thing] = [*plant_trees(rng, street, end, length), *furnish(rng, street, length)]
    things += park_bikes(rng, street, length)
    for _ in range(crowd):
        things += add_riders(rng, street, length, warmth)
        things += add_cars(rng, street, length, sunlit)
        things += add_people(rng, street, length, warmth)
    return World(street, tuple(_build(rng, street, end, travel)), tuple(apart(things)))


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
