"""One aligned RGB-thermal pair with its labels."""

from dataclasses import dataclass

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.scenes.cameras.light import make_light, pick_condition
from rgbt_seg_ros.scenes.cameras.sensors import (
    expose,
    make_color_sensor,
    make_thermal_sensor,
    sense_temperature,
    to_counts_8bit,
)
from rgbt_seg_ros.scenes.cameras.shading import look_up, radiance, temperature
from rgbt_seg_ros.scenes.conditions import CONDITIONS
from rgbt_seg_ros.scenes.street.world import clear_way, make_camera, make_world


@dataclass(frozen=True)
class SceneSample:
    """A rendered pair."""

    rgb: np.ndarray
    """uint8 [H,W,3]."""
    thermal: np.ndarray
    """uint8 [H,W], white is hot, aligned with `rgb` up to a registration error of a few pixels."""
    label: np.ndarray
    """uint8 [H,W], MFNet's ids; exact for `rgb`."""
    condition: str
    night: bool = False
    """True where there is next to no light from the sky, whatever else the condition is."""


def check_condition(condition: str) -> None:
    """Refuse what is not in `CONDITIONS`.

    Raises:
        UserError: no such condition.
    """
    if condition not in CONDITIONS:
        raise UserError(f"there is no scene condition {condition!r}: choose one of {', '.join(CONDITIONS)}")


def render_still(seed: int, size: tuple[int, int] = (480, 640), condition: str | None = None) -> SceneSample:
    """Render a street scene; the same arguments give the same pixels.

    Args:
        seed: fixes everything.
        size: (H, W) in pixels.
        condition: one of `CONDITIONS`, or None for a random one.

    Raises:
        UserError: no such condition.
    """
    rng = np.random.default_rng(seed)
    condition = condition or pick_condition(rng)
    check_condition(condition)
    light = make_light(rng, condition)
    world = make_world(rng)
    camera = make_camera(rng, world.street, size)
    world = clear_way(world, [(0.0, camera)])
    color_sensor, thermal_sensor = make_color_sensor(rng), make_thermal_sensor(rng)
    canvas = world.draw(camera, 0.0)
    surfaces = look_up(canvas)
    rgb = expose(color_sensor, light, radiance(canvas, surfaces, light, 0.0, seed), rng)
    share = min(1.0, thermal_sensor.pixels / size[1])
    sensed = (round(share * size[0]), round(share * size[1]))
    degrees = sense_temperature(thermal_sensor, temperature(canvas, surfaces, light, seed), sensed, rng)
    thermal = to_counts_8bit(thermal_sensor, degrees, surfaces.is_sky)
    thermal = cv2.resize(thermal, size[::-1], interpolation=cv2.INTER_LINEAR)
    return SceneSample(rgb, thermal, canvas.label(), condition, night=light.sky < 0.1)
