"""The two cameras: lens, exposure, noise and coding of RGB; optics, drift, stripes, noise and gain of thermal."""

from dataclasses import dataclass

import cv2
import numpy as np

from rgbt_seg_ros.scenes.cameras.light import Light
from rgbt_seg_ros.scenes.paint.textures import white_noise


@dataclass(frozen=True)
class ThermalSensor:
    """Properties of one thermal camera, fixed over a sequence; lengths in pixels of a 640 pixel wide image."""

    blur: float
    noise: float
    """Degrees."""
    stripes: float
    """Degrees, fixed pattern of the columns."""
    counts_per_degree: float
    offset: float
    """Counts of the coldest surfaces."""
    stretch: bool
    """True: the image is stretched between its extremes; False: fixed gain, as in the MSRS pictures."""
    gamma: float
    shift: tuple[float, float]
    """Registration error (u, v), in pixels of a 640 pixel wide image."""
    zoom: float
    pattern_seed: int
    pixels: int
    """Along the width of its image, where a still shows it as large as the RGB image."""


def make_thermal_sensor(rng: np.random.Generator) -> ThermalSensor:
    """A random thermal camera."""
    return ThermalSensor(
        blur=float(rng.uniform(0.7, 1.8)),
        noise=float(np.exp(rng.uniform(np.log(0.02), np.log(0.2)))),
        stripes=float(rng.uniform(0.0, 0.12)),
        counts_per_degree=float(np.exp(rng.normal(np.log(6.5), 0.3))),
        offset=float(rng.uniform(1.0, 9.0)),
        stretch=bool(rng.random() < 0.2),
        gamma=float(rng.uniform(0.6, 1.1)),
        shift=(float(rng.normal(0, 1.3)), float(rng.normal(0, 1.0))),
        zoom=float(rng.normal(1.0, 0.004)),
        pattern_seed=int(rng.integers(1 << 31)),
        pixels=int(rng.choice((160, 320, 640), p=(0.12, 0.23, 0.65))),
    )


def sense_temperature(
    sensor: ThermalSensor, heat: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Degrees on the sensor, float32 (H, W) = size: registration error, lens, stripes and noise."""
    height, width = size
    unit = heat.shape[1] / 640.0
    zoom_u, zoom_v = sensor.zoom * width / heat.shape[1], sensor.zoom * height / heat.shape[0]
    warp = np.array(
        [
            [zoom_u, 0.0, sensor.shift[0] * unit * zoom_u + 0.5 * width * (1 - sensor.zoom)],
            [0.0, zoom_v, sensor.shift[1] * unit * zoom_v + 0.5 * height * (1 - sensor.zoom)],
        ]
    )
    sigma = max(0.3, sensor.blur * unit)
    blurred = cv2.GaussianBlur(heat, (0, 0), sigma)
    if heat.shape != (height, width):
        blurred = cv2.blur(
            blurred, (max(1, round(heat.shape[1] / width)), max(1, round(heat.shape[0] / height)))
        )
    image = cv2.warpAffine(
        blurred, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    pattern = np.random.default_rng(sensor.pattern_seed)
    image += (sensor.stripes * pattern.standard_normal(width)).astype(np.float32)
    image += np.float32(sensor.noise) * white_noise(rng, height, width)
    return image


def to_counts_8bit(sensor: ThermalSensor, degrees: np.ndarray, is_sky: np.ndarray) -> np.ndarray:
    """White-hot uint8 picture with automatic offset (and gain, if the sensor stretches)."""
    sample = degrees[::4, ::4]
    ground = sample[
        ~cv2.resize(is_sky.astype(np.uint8), sample.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    ]
    if ground.size == 0:
        ground = sample.reshape(-1)
    if sensor.stretch:
        low, high = np.percentile(ground, [1.0, 99.7])
        share = np.clip((degrees - low) / max(float(high - low), 10.0), 0.0, 1.0)
        return (255.0 * share**sensor.gamma).astype(np.uint8)
    low = np.percentile(ground, 4.0)
    return np.clip((degrees - low) * sensor.counts_per_degree + sensor.offset, 0, 255).astype(np.uint8)


def to_counts_16bit(degrees: np.ndarray, air: float) -> np.ndarray:
    """Raw uint16 counts of a radiometric camera: hundredths of a kelvin; `air` in degrees Celsius."""
    return np.clip((degrees + air + 273.15) * 100.0, 0, 65535).astype(np.uint16)


@dataclass(frozen=True)
class ColorSensor:
    """Properties of one RGB camera, fixed over a sequence."""

    blur: float
    """Pixels of a 640 pixel wide image."""
    motion: tuple[int, float]
    """Length (pixels of a 640 pixel wide image) and direction (radians) of the blur by motion."""
    contrast: float
    chroma_noise: float
    jpeg_quality: int
    """0: no coding."""


def make_color_sensor(rng: np.random.Generator) -> ColorSensor:
    """A random RGB camera."""
    return ColorSensor(
        blur=float(rng.uniform(0.5, 1.3)),
        motion=(int(rng.integers(2, 9)) if rng.random() < 0.25 else 0, float(rng.uniform(0, np.pi))),
        contrast=float(rng.uniform(0.9, 1.25)),
        chroma_noise=float(rng.uniform(0.3, 1.0)),
        jpeg_quality=int(rng.integers(35, 92)) if rng.random() < 0.5 else 0,
    )


def expose(sensor: ColorSensor, light: Light, radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The RGB picture uint8 [H,W,3] of light float32 [H,W,3]."""
    height, width = radiance.shape[:2]
    unit = width / 640.0
    image = cv2.GaussianBlur(radiance, (0, 0), max(0.35, sensor.blur * unit))
    length = round(sensor.motion[0] * unit)
    if length > 1 and light.lamps > 0.3:
        image = cv2.filter2D(image, -1, _streak(length, sensor.motion[1]))
    level = np.minimum(image[::4, ::4], 1.0).mean()
    gain = np.float32(light.exposure / max(float(level), 1e-4))
    image *= gain * np.array(light.tint, np.float32)
    _scatter(image, light)
    if light.sun_glare > 0.0:
        _add_sun(image, light)
    if light.rain > 0.0:
        _add_rain(image, light, rng)
    image = np.clip(image, 0.0, 1.0)
    shades = cv2.sqrt(image)
    shades = np.clip((shades - 0.5) * sensor.contrast + 0.5, 0, 1) if light.exposure > 0.1 else shades
    noisy = shades * 255.0 + _noise(sensor, light, height, width, rng)
    picture = np.clip(noisy, 0, 255).astype(np.uint8)
    if sensor.jpeg_quality:
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg_quality])
        picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return picture


def _streak(length: int, direction: float) -> np.ndarray:
    kernel = np.zeros((length + 1, length + 1), np.float32)
    half = np.array([np.cos(direction), np.sin(direction)]) * length / 2
    ends = np.rint(length / 2 + np.stack([-half, half])).astype(int)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0)
    return kernel / kernel.sum()


def _scatter(image: np.ndarray, light: Light) -> None:
    """Bloom around bright lights, in place: a narrow and a wide halo, worked out at an eighth of the size."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(8, width // 8), max(8, height // 8)), interpolation=cv2.INTER_AREA)
    bright = np.clip(small - 0.7, 0.0, 40.0)
    narrow = cv2.GaussianBlur(bright, (0, 0), max(0.5, small.shape[1] / 60))
    wide = cv2.GaussianBlur(bright, (0, 0), max(0.5, small.shape[1] / 10))
    halo = np.float32(light.bloom) * (0.5 * narrow + 0.35 * wide)
    image += cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)


def _add_sun(image: np.ndarray, light: Light) -> None:
    """A low sun with veiling glare, in place."""
    height, width = image.shape[:2]
    center = light.sun_at[0] * width, light.sun_at[1] * height
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    distance = np.hypot(columns - center[0], rows - center[1]) / width
    veil = light.sun_glare * (np.exp(-((distance / 0.05) ** 2)) + 0.04 * np.exp(-distance / 0.25))
    image += veil[..., None] * np.array([1.0, 0.95, 0.85], np.float32)


def _add_rain(image: np.ndarray, light: Light, rng: np.random.Generator) -> None:
    """Streaks of falling drops, in place."""
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.float32)
    fall = rng.normal(0.0, 0.15)
    for _ in range(int(120 * light.rain)):
        u, v, long = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.02, 0.07) * height
        cv2.line(
            streaks, (int(u), int(v)), (int(u + fall * long), int(v + long)), float(rng.uniform(0.05, 0.25))
        )
    image += cv2.blur(streaks, (2, 2))[..., None] * np.float32(light.exposure * 4)


def _noise(
    sensor: ColorSensor, light: Light, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Grey noise per pixel plus colour noise that is coarser, as after a camera's noise filter; float32 [H,W,3]."""
    grey = white_noise(rng, height, width)[..., None]
    half = cv2.merge([white_noise(rng, (height + 1) // 2, (width + 1) // 2) for _ in range(3)])
    color = cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.float32(light.noise) * (0.6 * grey + np.float32(sensor.chroma_noise) * color)
