"""Places of any kind for training: streets, halls, tunnels, forest roads, yards and squares, with things far and close.

What a network learns of one kind of street alone, it finds everywhere: a warm wall becomes a car.
"""

from dataclasses import replace

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import CAR, NOTHING, PERSON, Paint
from rgbt_seg_ros.scenes.paint.geometry import Camera, Pose
from rgbt_seg_ros.scenes.paint.textures import FOLIAGE, LEAVES, TILES
from rgbt_seg_ros.scenes.street.furniture import furnish
from rgbt_seg_ros.scenes.street.surroundings import Street, make_street
from rgbt_seg_ros.scenes.street.traffic import add_cars, add_people, add_riders, park_bikes
from rgbt_seg_ros.scenes.street.world import Thing, World, apart, clear_way, make_camera, make_world
from rgbt_seg_ros.scenes.things.cars import make_car
from rgbt_seg_ros.scenes.things.people import Person, make_person
from rgbt_seg_ros.scenes.things.postures import POSTURES
from rgbt_seg_ros.scenes.things.street_things import Crate
from rgbt_seg_ros.scenes.things.trees import make_tree
from rgbt_seg_ros.scenes.worlds.fronts import make_front
from rgbt_seg_ros.scenes.worlds.rooms import enclose, machines

KINDS = ("street", "hall", "tunnel", "forest", "yard", "front")
_SHARES = (0.38, 0.1, 0.08, 0.12, 0.12, 0.2)

_POSTURE_SHARES = (0.62, 0.1, 0.09, 0.1, 0.09)
_CLOSE = 0.5
"""Share of places with somebody or something close to the camera."""

_STRANGE = 0.4
"""Share of places in other paints than the usual ones."""


def pick_kind(rng: np.random.Generator) -> str:
    """One of `KINDS`."""
    return str(rng.choice(KINDS, p=_SHARES))


def make_place(rng: np.random.Generator, kind: str, size: tuple[int, int]) -> tuple[World, Camera]:
    """A place of a kind of `KINDS`, and a camera of (H, W) pixels in it that nothing stands on."""
    world = make_world(rng) if kind == "street" else _place(rng, kind)
    camera = make_camera(rng, world.street, size)
    if rng.random() < 0.3:  # a robot low above the ground, or a mast
        camera = replace(camera, y=float(rng.choice([rng.uniform(0.3, 0.8), rng.uniform(2.0, 4.0)])))
    things = [_held(rng, thing) for thing in world.things]
    if rng.random() < _CLOSE:
        things = apart([*_close(rng, camera), *things])
    world = replace(world, things=tuple(things))
    return clear_way(world, [(0.0, camera)]), camera


def _place(rng: np.random.Generator, kind: str) -> World:
    """Anything but a street."""
    street = make_street(rng, float(rng.normal(-0.5, 2.0)))
    length = float(rng.uniform(11.0, 26.0) if kind == "front" else rng.uniform(20.0, 60.0))
    warmth = float(rng.uniform(0.3, 1.3))
    things: list[Thing] = []
    if rng.random() < 0.6:
        things += add_cars(rng, street, length, float(rng.uniform(0.0, 6.0)))
    for _ in range(rng.integers(1, 3)):
        things += add_people(rng, street, length * 0.7, warmth)
    things += add_riders(rng, street, length, warmth)
    if rng.random() < 0.5:
        things += park_bikes(rng, street, length)
    if kind == "forest":
        return World(
            _path(rng, street),
            (),
            tuple(apart([*_woods(rng, street), *furnish(rng, street, length)[-8:], *things])),
        )
    plain = replace(street, bend=0.0, lines=street.lines if rng.random() < 0.4 else ())
    plain = plain if rng.random() < 0.3 else _without_kerbs(plain)
    things = [*machines(rng, plain, length), *furnish(rng, plain, length)[-10:], *things]
    if kind == "front":
        fronts = _fronts(rng, length)
        walls = [wall for front in fronts for wall in make_front(rng, front)]
        return World(_paved(plain), tuple(walls), tuple(apart(_before_fronts(things, fronts))))
    return World(plain, tuple(enclose(rng, plain, kind, length)), tuple(apart(things)))


def _paved(street: Street) -> Street:
    """A square: the road's surface to both sides."""
    beside = tuple(replace(side, surface=street.road) for side in street.pavements)
    return replace(street, verge=street.road, pavements=beside)


def _fronts(rng: np.random.Generator, ahead: float) -> list[Pose]:
    """Where fronts of buildings stand: one ahead, often a wing beside."""
    poses = [Pose(float(rng.normal(0.0, 4.0)), ahead, float(rng.normal(0.0, 0.25)))]
    if rng.random() < 0.6:
        side = float(rng.choice([-1.0, 1.0]))
        heading = side * float(rng.uniform(1.1, 1.7))
        poses.append(Pose(side * float(rng.uniform(5.0, 14.0)), float(rng.uniform(4.0, 14.0)), heading))
    return poses


def _before_fronts(things: list[Thing], fronts: list[Pose]) -> list[Thing]:
    """The things that stand in none of the buildings: they would be seen through the walls."""

    def outside(thing: Thing) -> bool:
        pose = thing.at(0.0)
        return all(front.local(np.array([[pose.x, pose.z]]))[0, 1] < -0.5 for front in fronts)

    return [thing for thing in things if outside(thing)]


def _without_kerbs(street: Street) -> Street:
    flat = tuple(replace(side, kerb_width=0.0, kerb_height=0.0, gutter=None) for side in street.pavements)
    return replace(street, pavements=flat)


def _path(rng: np.random.Generator, street: Street) -> Street:
    """A road through the woods: no lines, no kerbs, leaves and grass beside."""
    street = _without_kerbs(street)
    green = Paint(
        tuple((np.array([0.08, 0.1, 0.04]) * rng.uniform(0.4, 1.8)).tolist()),
        float(rng.uniform(-2.0, 3.0)),
        0.6,
        float(rng.uniform(0.3, 1.5)),
        FOLIAGE,
    )
    beside = tuple(replace(side, surface=green) for side in street.pavements)
    road = street.road._replace(tile=LEAVES) if rng.random() < 0.6 else street.road
    return replace(street, road=road, verge=green, pavements=beside, lines=(), patches=())


def _woods(rng: np.random.Generator, street: Street) -> list[Thing]:
    trees: list[Thing] = []
    for _ in range(rng.integers(25, 80)):
        z = float(rng.uniform(2.0, 60.0))
        side = street.pavements[rng.integers(2)]
        x = float(street.middle(z)) + side.side * (side.offset * rng.uniform(0.9, 1.1) + rng.gamma(1.5, 4.0))
        trees.append(make_tree(rng, Pose(x, z, 0.0), bush=bool(rng.random() < 0.4)))
    return trees


def _held(rng: np.random.Generator, thing: Thing) -> Thing:
    """People in any posture; others as they are."""
    if not isinstance(thing, Person) or thing.riding:
        return thing
    posture = str(rng.choice(POSTURES, p=_POSTURE_SHARES))
    return replace(thing, posture=posture, speed=thing.speed if posture == "upright" else 0.0)


def _close(rng: np.random.Generator, camera: Camera) -> list[Thing]:
    """One to three things a few steps before the camera, now and then behind something that hides a part of them."""
    things: list[Thing] = []
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        kind = rng.choice(["car", "person", "hidden"], p=[0.35, 0.45, 0.2])
        forward = float(
            rng.uniform(4.0, 9.0) if kind == "car" else np.exp(rng.uniform(np.log(1.4), np.log(6.0)))
        )
        heading = float(rng.uniform(-np.pi, np.pi))
        pose = _before(camera, forward, float(rng.uniform(-0.7, 0.7)), heading)
        if kind == "car":
            car = make_car(rng, pose, bool(rng.random() < 0.3), float(rng.uniform(0.0, 8.0)))
            things.append(replace(car, speed=0.0))
            continue
        things.append(_held(rng, make_person(rng, pose, float(rng.uniform(0.3, 1.3)))))
        if kind == "hidden":
            size, high = rng.uniform(0.4, 1.6), rng.uniform(0.4, 1.3)
            paint = Paint(tuple(rng.uniform(0.02, 0.7, 3).tolist()), float(rng.uniform(-2.0, 8.0)), 0.3, 0.5)
            front = _before(camera, max(forward - 0.8, 1.25), 0.0, heading)
            beside = Pose(0.6 * front.x + 0.4 * pose.x, front.z, heading)
            things.append(Crate(beside, float(size), 0.4, float(high), paint, None, NOTHING))
    return things


def _before(camera: Camera, forward: float, aside: float, heading: float) -> Pose:
    """A place before the camera; `aside` is 1 at the side of the image."""
    right = aside * forward * 0.5 * camera.width / camera.focal
    cos, sin = np.cos(camera.yaw), np.sin(camera.yaw)
    return Pose(camera.x + cos * right + sin * forward, camera.z - sin * right + cos * forward, heading)


class StrangePaints:
    """Other colours, textures and warmths than the usual ones, the same over a thing.

    What stands around may be colder or much warmer than people are, and cars may be of any warmth: neither may be
    known by that alone.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._changes: dict[int, tuple[np.ndarray, float, int | None]] = {}
        self.active = bool(rng.random() < _STRANGE)

    def __call__(self, paint: Paint, label: int, thing: int) -> Paint:
        """For `Canvas.repaint`."""
        if thing not in self._changes:
            rng = self._rng
            tint = np.exp(rng.normal(0.0, 0.45, 3)) * np.exp(rng.normal(0.0, 0.4))
            warmth = float(rng.normal(0.0, 1.5) if rng.random() < 0.6 else rng.uniform(-4.0, 14.0))
            tile = int(rng.integers(len(TILES))) if rng.random() < 0.3 else None
            self._changes[thing] = tint, warmth, tile
        tint, warmth, tile = self._changes[thing]
        color = tuple(np.clip(np.array(paint.color) * tint, 0.005, 0.9).tolist())
        if label == PERSON:
            return paint._replace(color=color)
        warmer = warmth if label in (NOTHING, CAR) else 0.5 * warmth
        return paint._replace(
            color=color, heat=paint.heat + warmer, tile=paint.tile if tile is None else tile
        )
