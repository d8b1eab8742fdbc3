"""One aligned RGB-thermal pair with its labels."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.scenes.cameras.light import Light, make_light, pick_condition
from rgbt_seg_ros.scenes.cameras.makes import as_other_make
from rgbt_seg_ros.scenes.cameras.sensors import (
    ColorSensor,
    ThermalSensor,
    expose,
    make_color_sensor,
    make_thermal_sensor,
    sense_temperature,
    to_counts_8bit,
)
from rgbt_seg_ros.scenes.cameras.shading import look_up, radiance, temperature, with_visible_sun
from rgbt_seg_ros.scenes.conditions import CONDITIONS
from rgbt_seg_ros.scenes.paint.canvas import Canvas
from rgbt_seg_ros.scenes.street.world import clear_way, make_camera, make_world
from rgbt_seg_ros.scenes.worlds.anywhere import StrangePaints, make_place, pick_kind

_SHARES_ANYWHERE = (0.32, 0.1, 0.24, 0.1, 0.16, 0.08)
"""Of `CONDITIONS`: more glare, smoke and rain than streets have."""


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
    return _photograph(rng, seed, size, canvas, light, (color_sensor, thermal_sensor), condition)


def render_anywhere(seed: int, size: tuple[int, int] = (480, 640)) -> SceneSample:
    """Render a place of any kind (`worlds.anywhere.KINDS`) as cameras of any make see it, for training.

    Args:
        seed: fixes everything; places have nothing in common with the streets of the same seeds.
        size: (H, W) in pixels.
    """
    rng = np.random.default_rng([seed, 11])
    kind, condition = pick_kind(rng), str(rng.choice(CONDITIONS, p=_SHARES_ANYWHERE))
    light = make_light(rng, condition)
    if kind in ("hall", "tunnel"):
        light = replace(light, dapple=0.0, sun_glare=0.0, rain=0.0)
    if light.smoke > 0.01 and rng.random() < 0.3:  # dust
        light = replace(light, sky_color=(1.3, 1.0, 0.65))
    world, camera = make_place(rng, kind, size)
    sensors = make_color_sensor(rng), make_thermal_sensor(rng)
    canvas = world.draw(camera, 0.0)
    strange = StrangePaints(rng)
    if strange.active:
        canvas.repaint(strange)
    sample = _photograph(rng, seed, size, canvas, light, sensors, condition)
    return replace(sample, thermal=as_other_make(rng, sample.thermal))


def _photograph(
    rng: np.random.Generator,
    seed: int,
    size: tuple[int, int],
    canvas: Canvas,
    light: Light,
    sensors: tuple[ColorSensor, ThermalSensor],
    condition: str,
) -> SceneSample:
    """Both cameras' pictures of a canvas."""
    color_sensor, thermal_sensor = sensors
    surfaces = look_up(canvas)
    seen = with_visible_sun(light, surfaces)
    rgb = expose(color_sensor, seen, radiance(canvas, surfaces, light, 0.0, seed), rng)
    share = min(1.0, thermal_sensor.pixels / size[1])
    sensed = (round(share * size[0]), round(share * size[1]))
    degrees = sense_temperature(thermal_sensor, temperature(canvas, surfaces, light, seed), sensed, rng)
    thermal = to_counts_8bit(thermal_sensor, degrees, surfaces.is_sky)
    thermal = cv2.resize(thermal, size[::-1], interpolation=cv2.INTER_LINEAR)
    return SceneSample(rgb, thermal, canvas.label(), condition, night=light.sky < 0.1)
