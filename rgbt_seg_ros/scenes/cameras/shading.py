"""From a painted canvas to what reaches the two cameras: light for RGB, degrees for thermal."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rgbt_seg_ros.scenes.cameras.light import Light
from rgbt_seg_ros.scenes.paint.canvas import GROUND, HEAT_STEP, HEAT_ZERO, SKY, Canvas, Table
from rgbt_seg_ros.scenes.paint.geometry import Camera
from rgbt_seg_ros.scenes.paint.textures import CLOUDS, TILE, tiles

_GROUND_TILE_PER_METRE = 48.0


@dataclass(frozen=True)
class Surfaces:
    """Per pixel: what the canvas holds, looked up in its table, with textures."""

    inverse_depth: np.ndarray
    """float32 [H,W], 1/m."""
    albedo: np.ndarray
    """float32 [H,W,3]."""
    glow: np.ndarray
    """float32 [H,W,3]."""
    heat: np.ndarray
    """float32 [H,W], degrees above the air."""
    is_sky: np.ndarray
    """bool [H,W]."""
    is_ground: np.ndarray
    """bool [H,W]."""
    coarse: np.ndarray
    """float32 [H,W], about -1..1: spots on the ground several metres wide."""


def _gather(rows: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Rows [N,4] by part number, float32 [H,W,4]; sixteen bytes at once, which is several times faster."""
    packed = np.ascontiguousarray(rows).view(np.complex128)[:, 0]
    return packed.take(part).view(np.float32).reshape(*part.shape, 4)


def look_up(canvas: Canvas) -> Surfaces:
    """Resolve the part numbers of a canvas into properties of every pixel."""
    table, part, camera = canvas.table(), canvas.part, canvas.camera
    surface = table.surface.astype(np.uint8).take(part)
    is_sky, is_ground = surface == SKY, surface == GROUND
    columns = np.arange(camera.width, dtype=np.float32)
    rows = np.arange(camera.height, dtype=np.float32)[:, None]
    below = (np.maximum(rows - camera.horizon, 0.35) / (camera.focal * camera.y)).astype(np.float32)
    thermal = _gather(table.thermal, part)
    inverse_depth = np.where(is_ground, below, thermal[..., 2] * columns + thermal[..., 3])
    texture, coarse = _texture(canvas, table, is_ground, inverse_depth, rows, columns)
    color = _gather(table.albedo, part)
    brightness = np.maximum(1.0 + color[..., 3] * texture, np.float32(0.05))
    shade = cv2.GaussianBlur(canvas.shade, (0, 0), max(0.6, camera.width / 400))
    brightness *= np.where(is_ground, 1.0 - shade * np.float32(1 / 255), np.float32(1.0))
    pattern = cv2.merge([brightness, brightness, brightness])
    heat_detail = thermal[..., 1] * texture
    is_wall = table.is_wall.take(part)
    cv2.copyTo(canvas.wall.astype(np.float32) * np.float32(0.8 / 255), is_wall.view(np.uint8), pattern)
    np.copyto(heat_detail, (canvas.wall_extra[..., 0] - HEAT_ZERO) / HEAT_STEP, where=is_wall)
    albedo = cv2.multiply(cv2.cvtColor(color, cv2.COLOR_RGBA2RGB), pattern)
    window = np.where(is_wall, canvas.wall_extra[..., 1] * np.float32(2.5 / 255), np.float32(0.0))
    glow = cv2.multiply(albedo, cv2.merge([window, window, window]))
    shining = (table.glow.max(axis=1) > 0).take(part)
    glow[shining] = table.glow[part[shining]]
    return Surfaces(inverse_depth, albedo, glow, thermal[..., 0] + heat_detail, is_sky, is_ground, coarse)


def _texture(
    canvas: Canvas,
    table: Table,
    is_ground: np.ndarray,
    inverse_depth: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Texture value of every pixel and its coarse part, float32 [H,W].

    The ground's texture lies in world coordinates, the others' moves with the object.
    """
    camera = canvas.camera
    place = _gather(table.texture, canvas.part)
    across = (columns - place[..., 0]) * place[..., 2]
    along = (rows - place[..., 1]) * place[..., 2]
    first = int(np.clip(camera.horizon, 0, camera.height))
    ground = (slice(first, None), slice(None))
    forward = 1.0 / np.maximum(inverse_depth[ground], np.float32(1e-3))
    right = (columns - camera.width / 2) * forward * np.float32(1 / camera.focal)
    cos, sin = (np.float32(_GROUND_TILE_PER_METRE * f(camera.yaw)) for f in (np.cos, np.sin))
    inside = is_ground[ground]
    x0, z0 = (np.float32(_GROUND_TILE_PER_METRE * c) for c in (camera.x, camera.z))
    np.copyto(across[ground], cos * right + sin * forward + x0, where=inside)
    np.copyto(along[ground], cos * forward - sin * right + z0, where=inside)
    bank = tiles().reshape(-1)
    fine = bank.take(place[..., 3].astype(np.int32) * (TILE * TILE) + _tile_index(along, across))
    # Far away the fine texture averages out; the coarse one stays visible longer.
    fade = inverse_depth * np.float32(6.0 * camera.focal / _GROUND_TILE_PER_METRE)
    np.multiply(fine, np.minimum(fade, 1.0), out=fine, where=is_ground)
    half = across[::2, ::2] * np.float32(0.11), along[::2, ::2] * np.float32(0.11)
    coarse = bank[CLOUDS * TILE * TILE :].take(_tile_index(half[1], half[0]))
    coarse = cv2.resize(coarse, fine.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return fine + np.float32(0.7) * coarse, coarse


def _tile_index(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    rows, columns = along.astype(np.int32), across.astype(np.int32)
    return (rows & (TILE - 1)) * TILE + (columns & (TILE - 1))


_SUN = 0.02
"""Radius of the sun with its corona, in shares of the image's width."""


def with_visible_sun(light: Light, surfaces: Surfaces) -> Light:
    """The light with as much of the sun's glare as reaches the camera: none through what stands before it."""
    if light.sun_glare == 0.0:
        return light
    height, width = surfaces.is_sky.shape
    radius = max(1, round(_SUN * width))
    u, v = (int(share * side) for share, side in zip(light.sun_at, (width, height), strict=True))
    around = surfaces.is_sky[max(v - radius, 0) : v + radius + 1, max(u - radius, 0) : u + radius + 1]
    return replace(light, sun_glare=light.sun_glare * float(around.mean()))


def radiance(canvas: Canvas, surfaces: Surfaces, light: Light, drift: float, seed: int) -> np.ndarray:
    """Light that reaches the RGB camera's lens, float32 [H,W,3]; `drift` (s) moves smoke, `seed` fixes its shape."""
    camera = canvas.camera
    illumination = _illumination(canvas, surfaces, light)
    image = cv2.multiply(surfaces.albedo, illumination)
    if light.dapple > 0.15:
        flecks = np.clip(0.5 + 1.2 * surfaces.coarse, 0.0, 1.0)
        image *= np.where(surfaces.is_ground, 1.0 - np.float32(light.dapple) * flecks, np.float32(1.0))[
            ..., None
        ]
    cv2.scaleAdd(surfaces.glow, light.lamps, image, image)
    sky = _sky(camera, light, seed)
    cv2.copyTo(sky, surfaces.is_sky.view(np.uint8), image)
    wet = _wetness(light, seed)
    if wet > 0.0:
        _add_reflections(image, surfaces, camera, wet)
    if light.smoke > 0.0:
        _add_smoke(image, surfaces, light, drift, seed, illumination)
    return image


def _wetness(light: Light, seed: int) -> float:
    """Share of light that the ground mirrors: much in rain, now and then some after it."""
    rng = np.random.default_rng([seed, 6])
    left = rng.uniform(0.1, 0.35) if rng.random() < 0.1 else 0.0
    return float(max(left, rng.uniform(0.2, 0.5) * min(light.rain, 1.0)))


def _add_reflections(image: np.ndarray, surfaces: Surfaces, camera: Camera, wet: float) -> None:
    """Mix into the ground what stands on it, upside down, in place; ripples draw it out downwards."""
    height = camera.height
    mirrored = np.clip(int(2 * camera.horizon) - np.arange(height), 0, height - 1)
    drawn_out = cv2.blur(image[mirrored], (max(1, camera.width // 200), max(1, height // 16)))
    # Patches of the ground are drier than others.
    amount = np.float32(wet) * np.clip(0.6 + surfaces.coarse, 0.0, 1.0) * surfaces.is_ground
    image += amount[..., None] * (np.minimum(drawn_out, 8.0) - 0.3 * image)


def _illumination(canvas: Canvas, surfaces: Surfaces, light: Light) -> np.ndarray:
    """Incoming light per pixel, float32 [H,W,3], worked out at a quarter of the size."""
    camera = canvas.camera
    height, width = camera.height, camera.width
    small = (max(8, width // 4), max(8, height // 4))
    inverse = cv2.resize(surfaces.inverse_depth, small, interpolation=cv2.INTER_NEAREST)
    forward = 1.0 / np.maximum(inverse, 1 / 200.0)
    columns = (np.arange(small[0], dtype=np.float32) + 0.5) * (width / small[0])
    rows = ((np.arange(small[1], dtype=np.float32) + 0.5) * (height / small[1]))[:, None]
    right = (columns - width / 2) * forward / camera.focal
    up = (camera.horizon - rows) * forward / camera.focal
    total = np.empty((*inverse.shape, 3), np.float32)
    # White balance takes most of the sky's colour out of what it lights.
    total[:] = light.sky * np.array(light.sky_color, np.float32) ** 0.25
    if light.own_lights > 0.0:
        spread = np.exp(-((right / (0.35 * forward + 1.0)) ** 2) - (np.maximum(up + 1.0, 0) / 1.2) ** 2)
        total += (light.own_lights * spread / (1.0 + (forward / 7.0) ** 2))[..., None]
    if light.lamps > 0.3:
        for lamp in canvas.lamps:
            x, y, z = lamp.place.astype(np.float32)
            square = (right - x) ** 2 + (up - y) ** 2 + (forward - z) ** 2
            total += (light.lamps * lamp.power / (1.5 + square))[..., None] * np.array(lamp.color, np.float32)
    return cv2.resize(total, (width, height), interpolation=cv2.INTER_LINEAR)


def _sky(camera: Camera, light: Light, seed: int) -> np.ndarray:
    """The sky float32 [H,W,3]: brighter towards the horizon, with clouds that stay in place as the camera turns."""
    rng = np.random.default_rng([seed, 3])
    turn = int(TILE * camera.yaw * camera.focal / camera.width)
    down, right = rng.integers(0, TILE, 2)
    clouds = np.roll(tiles()[CLOUDS], (down, right - turn), (0, 1))[: TILE // 2]
    clouds = cv2.resize(clouds, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
    rows = np.arange(camera.height, dtype=np.float32)
    rise = np.clip((camera.horizon - rows) / camera.height, 0, 1)[:, None]
    bright = np.float32(light.sky_bright) * (1.1 - 0.5 * rise) * (1.0 + 0.25 * clouds)
    return cv2.merge([bright * np.float32(channel) for channel in light.sky_color])


def _plumes(height: int, width: int, drift: float, rng: np.random.Generator) -> np.ndarray:
    """Two layers of clouds that drift past each other, float32 [H,W], about -1..1."""
    small = (width // 4, height // 4)
    total = np.zeros(small[::-1], np.float32)
    for speed, side in ((9.0, 70), (-5.0, 130)):
        left, top = rng.uniform(0, TILE, 2) + np.array([speed, 0.35 * speed]) * drift
        step = side / small[0]
        window = np.array([[step, 0.0, left], [0.0, step, top]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        total += cv2.warpAffine(tiles()[CLOUDS], window, small, flags=flags, borderMode=cv2.BORDER_WRAP)
    return cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC)


def _add_smoke(
    image: np.ndarray, surfaces: Surfaces, light: Light, drift: float, seed: int, illumination: np.ndarray
) -> None:
    """Mix smoke into the light in place: what lies behind it fades into the smoke's own brightness."""
    height, width = surfaces.inverse_depth.shape
    rng = np.random.default_rng([seed, 4])
    plumes = _plumes(height, width, drift, rng)
    thick = (1.0 - light.smoke_patchy) + light.smoke_patchy * np.minimum(0.45 * np.exp(2.2 * plumes), 4.0)
    depth = 1.0 / np.maximum(surfaces.inverse_depth, 1 / 60.0)
    through = np.exp(-np.float32(light.smoke) * thick * np.minimum(depth, 25.0))[..., None]
    tone = rng.uniform(0.3, 0.5) * np.array(light.sky_color) ** 0.5 * illumination.mean(axis=(0, 1))
    air = (1.0 + 0.15 * plumes)[..., None] * tone.astype(np.float32)
    image *= through
    image += (1.0 - through) * air


def temperature(canvas: Canvas, surfaces: Surfaces, light: Light, seed: int) -> np.ndarray:
    """What the thermal camera sees, float32 [H,W], degrees above the air; smoke hardly matters to it."""
    rng = np.random.default_rng([seed, 5])
    heat = surfaces.heat.copy()
    sky_cold, low_clouds = rng.uniform(-14.0, -5.0), rng.uniform(0.0, 3.0)
    rows = np.arange(canvas.camera.height, dtype=np.float32)[:, None]
    rise = np.clip((canvas.camera.horizon - rows) / canvas.camera.height, 0.0, 1.0)
    sky = np.broadcast_to(sky_cold * (0.6 + 0.8 * rise) + low_clouds, heat.shape)
    heat[surfaces.is_sky] = sky[surfaces.is_sky]
    near = np.minimum(surfaces.inverse_depth * 6.0, 1.0)
    heat += np.where(surfaces.is_ground, np.float32(rng.normal(0.0, 0.7)) * near, 0.0)
    mirrored = rng.uniform(0.0, 0.12)
    if mirrored > 0.03:
        # A wet or polished road shows a faint upside-down picture of what stands on it.
        shift = int(2 * canvas.camera.horizon)
        source = np.clip(shift - np.arange(canvas.camera.height), 0, canvas.camera.height - 1)
        heat += np.where(surfaces.is_ground, mirrored * np.clip(heat[source], -2.0, 8.0), 0.0)
    if light.smoke > 0.0:
        depth = 1.0 / np.maximum(surfaces.inverse_depth, 1 / 60.0)
        heat *= np.exp(-0.03 * light.smoke * np.minimum(depth, 25.0))
    return heat
