"""Bikes, cars and people: where they stand and how they move in a street."""

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import Paint
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import FINE
from rgbt_seg_ros.scenes.street.surroundings import Street, pavement_place
from rgbt_seg_ros.scenes.things.cars import Car, make_car
from rgbt_seg_ros.scenes.things.people import Person, make_person
from rgbt_seg_ros.scenes.things.street_things import Bike

_FRAMES = ((0.5, 0.5, 0.52), (0.03, 0.03, 0.03), (0.4, 0.04, 0.05), (0.05, 0.12, 0.35), (0.35, 0.4, 0.42))


def _make_bike(rng: np.random.Generator, pose: Pose, rider: Person | None, speed: float) -> Bike:
    heat = float(rng.uniform(-1.0, 1.5))
    color = np.array(_FRAMES[rng.integers(len(_FRAMES))]) * rng.uniform(0.6, 1.3)
    frame = Paint(tuple(color.tolist()), heat, 0.3, 0.5, FINE)
    tyre = Paint((0.015, 0.015, 0.015), heat + float(rng.uniform(-0.5, 1.5)), 0.3, 0.5, FINE)
    return Bike(pose, speed, frame, tyre, bool(rng.random() < 0.5), rider)


def park_bikes(rng: np.random.Generator, street: Street, length: float) -> list[Bike]:
    """None, a few, or a row of parked bikes along the kerb or across the view."""
    bikes: list[Bike] = []
    kind = rng.choice(["none", "few", "row", "across"], p=[0.45, 0.2, 0.25, 0.1])
    if kind == "few":
        for _ in range(rng.integers(1, 4)):
            place = pavement_place(street, rng, int(rng.choice([-1, 1])), rng.uniform(3.0, length * 0.6))
            pose = Pose(place.x, place.z, float(rng.uniform(-np.pi, np.pi)), place.ground)
            bikes.append(_make_bike(rng, pose, None, 0.0))
    elif kind in ("row", "across"):
        pavement = street.pavements[rng.integers(len(street.pavements))]
        offset = pavement.side * (pavement.offset + rng.uniform(-0.3, 1.5))
        step, first, turn = rng.uniform(0.4, 0.9), rng.uniform(2.0, 14.0), rng.normal(np.pi / 2, 0.4)
        for i in range(rng.integers(5, 22)):
            jitter = rng.normal(0, 0.1, 2)
            if kind == "row":
                z = first + step * i
                pose = Pose(
                    float(street.middle(z)) + offset + jitter[0], z, turn + jitter[1], pavement.kerb_height
                )
            else:
                pose = Pose(-pavement.offset + step * i, first + 8.0 + jitter[0], turn - 1.2 + jitter[1])
            bikes.append(_make_bike(rng, pose, None, 0.0))
    return bikes


def add_riders(rng: np.random.Generator, street: Street, length: float, warmth: float) -> list[Bike]:
    """Up to two people on bikes on the road."""
    bikes = []
    for _ in range(rng.choice([0, 1, 2], p=[0.7, 0.22, 0.08])):
        z = float(rng.uniform(4.0, length * 0.6))
        heading = float(rng.choice([0.0, np.pi]) + rng.normal(0, 0.35))
        pose = Pose(float(street.middle(z)) + rng.uniform(-3.5, 3.5), z, heading)
        rider = make_person(rng, pose.moved(-0.15), warmth, riding=True)
        speed = float(rng.uniform(2.0, 5.0))
        bikes.append(_make_bike(rng, pose, rider.on_bike(speed), speed))
    return bikes


def add_cars(rng: np.random.Generator, street: Street, length: float, sunlit: float) -> list[Car]:
    """Parked cars along the kerbs and cars that drive in both directions."""
    cars = []
    for pavement in street.pavements:
        if rng.random() < 0.4:
            z = rng.uniform(1.0, 15.0)
            turned = np.pi * (rng.random() < 0.5)
            aslant = rng.choice([0.0, rng.uniform(-1.2, 1.2)], p=[0.75, 0.25])
            beside = pavement.offset + rng.uniform(-1.2, 1.4)
            for _ in range(rng.integers(1, 6)):
                x = float(street.middle(z)) + pavement.side * beside
                cars.append(
                    make_car(rng, Pose(x, float(z), turned + aslant + rng.normal(0, 0.03)), False, sunlit)
                )
                z += rng.uniform(5.3, 9.0)
    for _ in range(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15])):
        z = float(np.exp(rng.uniform(np.log(6.0), np.log(length))))
        toward = rng.random() < 0.6
        x = float(street.middle(z)) + rng.uniform(0.8, 3.0) * (1 if toward else -1) * rng.choice(
            [1, -1], p=[0.8, 0.2]
        )
        heading = (np.pi if toward else 0.0) + rng.normal(0, 0.12)
        if rng.random() < 0.15:
            heading += rng.choice([-1, 1]) * np.pi / 2
        cars.append(make_car(rng, Pose(x, z, float(heading)), True, sunlit))
    return cars


def add_people(rng: np.random.Generator, street: Street, length: float, warmth: float) -> list[Person]:
    """People alone and in groups, on the pavements and on the road, more of them far than near."""
    people = []
    for _ in range(rng.choice([0, 1, 2, 3, 4], p=[0.12, 0.26, 0.28, 0.2, 0.14])):
        z = float(np.exp(rng.uniform(np.log(4.0), np.log(length))))
        if rng.random() < 0.5:
            place = pavement_place(street, rng, int(rng.choice([-1, 1])), z)
        else:
            span = street.pavements[1].offset + 1.0
            place = Pose(float(street.middle(z)) + rng.uniform(-span, span), z, 0.0)
        heading = float(rng.choice([0.0, np.pi]) + rng.normal(0, 0.5))
        if rng.random() < 0.3:
            heading = float(rng.uniform(-np.pi, np.pi))
        for member in range(rng.choice([1, 2, 3, 4], p=[0.6, 0.25, 0.1, 0.05])):
            dx, dz = (0.0, 0.0) if member == 0 else (rng.uniform(-1.6, 1.6), rng.uniform(-1.0, 1.0))
            pose = Pose(place.x + dx, place.z + dz, heading + rng.normal(0, 0.2), place.ground)
            people.append(make_person(rng, pose, warmth))
    return people
