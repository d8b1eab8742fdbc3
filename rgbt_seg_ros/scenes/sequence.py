"""Two cameras on a moving robot: RGB and thermal frames of one world, each at its own times and resolution."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from typing import Literal

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.scenes.cameras.light import Light, blend, make_light, pick_condition
from rgbt_seg_ros.scenes.cameras.sensors import (
    expose,
    make_color_sensor,
    make_thermal_sensor,
    sense_temperature,
    to_counts_8bit,
    to_counts_16bit,
)
from rgbt_seg_ros.scenes.cameras.shading import look_up, radiance, temperature, with_visible_sun
from rgbt_seg_ros.scenes.paint.geometry import Camera
from rgbt_seg_ros.scenes.still import check_condition
from rgbt_seg_ros.scenes.street.world import World, clear_way, make_camera, make_world

MAX_FRAMES = 1_000_000
"""Of one camera: a day at 10 Hz, and no more stamps than memory has room for."""

_TRANSITION_S = 1.5
_THERMAL_JITTER_S = 0.0015


@dataclass(frozen=True)
class TimedFrame:
    """One frame of a sequence."""

    kind: Literal["rgb", "thermal"]
    stamp_ns: int
    """Nanoseconds since the sequence began."""
    image: np.ndarray
    """RGB uint8 [H,W,3], or thermal uint8 or uint16 [h,w]."""
    label: np.ndarray | None
    """uint8 [H,W], MFNet's ids, of RGB frames."""
    instance: np.ndarray | None = None
    """uint16 [H,W], numbers of things that stay the same over the sequence, 0 for none; of RGB frames."""


def render_sequence(
    seed: int,
    duration_s: float,
    rgb_rate: float,
    thermal_rate: float,
    size: tuple[int, int] = (480, 640),
    thermal_size: tuple[int, int] = (240, 320),
    thermal_bits: int = 8,
    condition: str | Sequence[str] | None = None,
) -> Iterator[TimedFrame]:
    """Render a drive through a street, frame by frame in the order of the stamps.

    The thermal camera has the same field of view, starts at its own time, and its stamps jitter by about 1 ms.

    Args:
        seed: fixes everything.
        duration_s: seconds.
        rgb_rate: RGB frames per second.
        thermal_rate: thermal frames per second.
        size: (H, W) of RGB frames.
        thermal_size: (H, W) of thermal frames.
        thermal_bits: 8 for white-hot pictures with automatic gain, 16 for raw counts of 0.01 K.
        condition: one of `CONDITIONS`, several that follow each other for equal times, or None for a random one.

    Raises:
        UserError: an unknown condition, a rate or duration that is not positive, or bits other than 8 and 16.
    """
    if min(duration_s, rgb_rate, thermal_rate) <= 0:
        raise UserError("a sequence needs a positive duration and positive rates")
    if duration_s * max(rgb_rate, thermal_rate) > MAX_FRAMES:
        raise UserError(
            f"a sequence has {MAX_FRAMES:,} frames at most: give a shorter duration, or lower rates"
        )
    if thermal_bits not in (8, 16):
        raise UserError(f"thermal frames have 8 or 16 bits, not {thermal_bits}")
    rng = np.random.default_rng([seed, 1])
    conditions = (
        [condition or pick_condition(rng)] if condition is None or isinstance(condition, str) else condition
    )
    for name in conditions:
        check_condition(name)
    lights = [make_light(rng, name) for name in conditions]
    speed = float(rng.uniform(0.4, 1.6))
    world = make_world(rng, travel=speed * duration_s, crowd=2 + int(duration_s / 10))
    route = _route(rng, world, make_camera(rng, world.street, size), speed)
    world = clear_way(world, [(float(t), route(float(t))) for t in np.arange(0.0, duration_s, 0.4)])
    view = _View(seed, world, route, lights, duration_s)
    return _frames(rng, view, rgb_rate, thermal_rate, thermal_size, thermal_bits)


@dataclass(frozen=True)
class _View:
    """A world, the way the camera goes through it, and the light."""

    seed: int
    world: World
    route: Callable[[float], Camera]
    lights: Sequence[Light]
    duration_s: float

    def light(self, t: float) -> Light:
        """The light at t seconds; conditions go over into each other."""
        part = self.duration_s / len(self.lights)
        number = min(int(t / part), len(self.lights) - 1)
        share = (t - number * part) / min(_TRANSITION_S, part)
        if number == 0 or share >= 1.0:
            return self.lights[number]
        return blend(self.lights[number - 1], self.lights[number], share)


def _route(rng: np.random.Generator, world: World, start: Camera, speed: float) -> Callable[[float], Camera]:
    """Camera by time: forward along the bend of the street, swaying like a robot on wheels."""
    sway, turn, nod = rng.uniform(0.05, 0.3), rng.uniform(0.01, 0.06), rng.uniform(0.0, 0.004)
    period = rng.uniform(5.0, 9.0)
    phase = rng.uniform(0.0, 2 * np.pi, 3)

    def camera(t: float) -> Camera:
        wave = np.sin(2 * np.pi * t / np.array([period, 1.3 * period, 0.8]) + phase)
        z = start.z + speed * t
        along = float(np.arctan(2.0 * world.street.bend * z))
        return replace(
            start,
            x=start.x + float(world.street.middle(z)) + sway * float(wave[0]),
            z=z,
            yaw=0.5 * start.yaw + along + turn * float(wave[1]),
            horizon=start.horizon + nod * start.height * float(wave[2]),
        )

    return camera


def _frames(
    rng: np.random.Generator,
    view: _View,
    rgb_rate: float,
    thermal_rate: float,
    thermal_size: tuple[int, int],
    thermal_bits: int,
) -> Iterator[TimedFrame]:
    color_sensor, thermal_sensor = make_color_sensor(rng), make_thermal_sensor(rng)
    air = float(rng.uniform(5.0, 25.0))
    rgb_times = np.arange(0.0, view.duration_s, 1.0 / rgb_rate)
    # Numbers of their own: the stamps stay what they are when scenes are drawn in another way.
    clock = np.random.default_rng([view.seed, 7])
    thermal_times = np.arange(clock.uniform(0.1, 0.9) / thermal_rate, view.duration_s, 1.0 / thermal_rate)
    jitter = min(_THERMAL_JITTER_S, 0.05 / thermal_rate)
    thermal_times += np.clip(jitter * clock.standard_normal(len(thermal_times)), -3 * jitter, 3 * jitter)
    for t, kind, number in merge(
        ((float(t), "rgb", i) for i, t in enumerate(rgb_times)),
        ((float(t), "thermal", i) for i, t in enumerate(thermal_times)),
    ):
        noise = np.random.default_rng([view.seed, 2, kind == "rgb", number])
        camera, light = view.route(t), view.light(t)
        if kind == "rgb":
            canvas = view.world.draw(camera, t)
            surfaces = look_up(canvas)
            seen = with_visible_sun(light, surfaces)
            image = expose(color_sensor, seen, radiance(canvas, surfaces, light, t, view.seed), noise)
            yield TimedFrame("rgb", round(t * 1e9), image, canvas.label(), canvas.instance())
            continue
        canvas = view.world.draw(_shrunk(camera, thermal_size), t)
        surfaces = look_up(canvas)
        heat = temperature(canvas, surfaces, light, view.seed)
        degrees = sense_temperature(thermal_sensor, heat, thermal_size, noise)
        if thermal_bits == 16:
            counts = to_counts_16bit(degrees, air)
        else:
            counts = to_counts_8bit(thermal_sensor, degrees, surfaces.is_sky)
        yield TimedFrame("thermal", round(t * 1e9), counts, None)


def _shrunk(camera: Camera, thermal_size: tuple[int, int]) -> Camera:
    """The same view with no more than twice the thermal camera's pixels along a side: finer would be blurred away."""
    scale = min(1.0, 2.0 * thermal_size[0] / camera.height)
    return replace(
        camera,
        height=round(camera.height * scale),
        width=round(camera.width * scale),
        focal=camera.focal * scale,
        horizon=camera.horizon * scale,
    )
