"""One rendered drive as common thermal cameras would send it: counts, telemetry, shutters, dead pixels, gain control.

docs/cameras.md says where each of these habits is known from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from rgbt_seg_ros.scenes.sequence import render_sequence

SCENE = {"seed": 12, "condition": "smoke", "size": (240, 320)}
"""People near and far, seen by their warmth."""

SHUTTER_PERIOD_S, SHUTTER_S = 5.0, 1.0
"""Cameras close it every few minutes; here it is seen in a short stream."""


@dataclass(frozen=True)
class Moment:
    """An RGB image with its labels, and the thermal image of the same moment."""

    stamp_ns: int
    rgb: np.ndarray
    """uint8 [H, W, 3]."""
    label: np.ndarray
    """uint8 [H, W], MFNet's ids."""
    clean: np.ndarray
    """uint16 [h, w]: hundredths of a kelvin, and nothing but these."""
    thermal: np.ndarray
    """What the camera sends."""
    shutter: str = ""
    """`flat` or `frozen` where the camera's shutter is closed."""


@dataclass(frozen=True)
class CameraModel:
    """Habits of a thermal camera.

    Attributes:
        size: (height, width) of the picture.
        counts: from kelvin [h, w] to what the camera sends [h', w'].
        shutter: what comes while it is closed: `flat`, `frozen`, or `` where it has none.
        flat_k: temperature of the shutter [K].
        invalid: pixels that are no temperatures and are not cut off, in each image.
    """

    size: tuple[int, int]
    counts: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    shutter: str = ""
    flat_k: float = 300.0
    invalid: int = 0


def camera_stream(name: str, duration_s: float, rate: float) -> Iterator[Moment]:
    """The drive as a camera of `CAMERAS` sends it.

    Args:
        name: of the camera, as its file in config/cameras.
        duration_s: seconds.
        rate: images a second, of both cameras.
    """
    camera = CAMERAS[name]
    held: np.ndarray | None = None
    for number, moment in enumerate(clean_stream(camera.size, duration_s, rate)):
        draw = np.random.default_rng([number, 3])
        kelvin = moment.clean / 100.0
        closed = camera.shutter if is_closed(moment.stamp_ns) else ""
        if closed == "frozen" and held is not None:
            kelvin = held
        elif closed == "flat":
            kelvin = camera.flat_k + 0.03 * draw.standard_normal(camera.size)
        held = kelvin
        yield Moment(
            moment.stamp_ns, moment.rgb, moment.label, moment.clean, camera.counts(kelvin, draw), closed
        )


def is_closed(stamp_ns: int) -> bool:
    """Whether the shutter is closed at a time; it is open at the start."""
    return stamp_ns / 1e9 % SHUTTER_PERIOD_S > SHUTTER_PERIOD_S - SHUTTER_S


@cache
def clean_stream(size: tuple[int, int], duration_s: float, rate: float) -> tuple[Moment, ...]:
    """The drive as an ideal radiometric camera of a size (height, width) sends it."""
    frames = list(
        render_sequence(
            duration_s=duration_s,
            rgb_rate=rate,
            thermal_rate=rate,
            thermal_size=size,
            thermal_bits=16,
            **SCENE,  # type: ignore[arg-type]
        )
    )
    rgb, thermal = ([frame for frame in frames if frame.kind == kind] for kind in ("rgb", "thermal"))
    moments = []
    for frame in rgb:
        nearest = min(thermal, key=lambda other: abs(other.stamp_ns - frame.stamp_ns)).image
        assert frame.label is not None
        moments.append(Moment(frame.stamp_ns, frame.image, frame.label, nearest, nearest))
    return tuple(moments)


def _bits(counts: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(np.rint(counts), 0, 2**bits - 1).astype(np.uint16)


def _linear(
    kelvin_per_count: float, offset_k: float = 0.0, bits: int = 16
) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Counts that grow with the temperature: `offset_k` is that of count 0."""
    return lambda kelvin, draw: _bits((kelvin - offset_k) / kelvin_per_count, bits)


def _automatic_gain(kelvin: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Eight bits between the image's own percentiles, which the camera follows hastily."""
    low, high = np.percentile(kelvin, (0.5, 99.0))
    span = max(high - low, 2.0) * draw.uniform(0.97, 1.03)
    return np.clip(255 * (kelvin - low) / span, 0, 255).astype(np.uint8)


def _telemetry(rows: int, width: int, draw: np.random.Generator, bits: int = 16) -> np.ndarray:
    """Rows of a counter, a serial number, temperatures of the camera, and zeros."""
    data = np.zeros((rows, width), np.uint16)
    data[0, :24] = draw.integers(0, 2**bits, 24)
    data[:, 30:60:3] = draw.integers(0, 2**bits, (rows, 10))
    return data


def _lepton_with_telemetry(kelvin: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """160x122: TLinear with telemetry as a footer."""
    return np.vstack([_bits(kelvin * 100, 16), _telemetry(2, 160, draw)])


def _boson(kelvin: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """640x514: counts before the gain control, two rows of telemetry, some dead pixels."""
    counts = _bits(21_000 + 60 * (kelvin - 295) + 3 * draw.standard_normal(kelvin.shape), 16)
    dead = np.random.default_rng(1).integers(0, counts.size, 60)
    counts.reshape(-1)[dead] = np.where(dead % 2, 0, 65_535)
    return np.vstack([counts, _telemetry(2, 640, draw)])


def _seek(kelvin: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """208x156: a row above, one below and a column at the right are no picture; a lattice of dead pixels."""
    counts = _bits(0x2000 + 25 * (kelvin - 295) + 2 * draw.standard_normal(kelvin.shape), 14)
    rows, columns = np.mgrid[: counts.shape[0], : counts.shape[1]]
    counts[(columns + 6 * rows) % 15 == 0] = 0
    picture = np.hstack([counts, draw.integers(0, 16_384, (154, 1), np.uint16)])
    return np.vstack([_telemetry(1, 208, draw, 14), picture, _telemetry(1, 208, draw, 14)])


def _infiray_halves(kelvin: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """256x384: above a picture of brightness and neutral colour, below 1/64 K a count."""
    picture = _automatic_gain(kelvin, draw).astype(np.uint16) | 128 << 8
    return np.vstack([picture, _bits(kelvin * 64, 16)])


def _infiray_raw(kelvin: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """384x292: raw counts with dead pixels, four rows of data below."""
    counts = _bits(6_300 + 28 * (kelvin - 300) + 2 * draw.standard_normal(kelvin.shape), 14)
    counts.reshape(-1)[np.random.default_rng(2).integers(0, counts.size, 580)] = 0
    return np.vstack([counts, _telemetry(4, 384, draw, 14)])


CAMERAS = {
    "agc8": CameraModel((240, 320), _automatic_gain),
    "boson_agc8": CameraModel((256, 320), _automatic_gain, "frozen"),
    "boson_raw16": CameraModel((512, 640), _boson, "flat", invalid=1_300),
    "boson_tlinear": CameraModel((256, 320), _linear(0.01), "frozen"),
    "infiray_raw14": CameraModel((288, 384), _infiray_raw, "flat", invalid=580),
    "infiray_y16": CameraModel((192, 256), _infiray_halves, "flat"),
    "lepton_radiometric": CameraModel((120, 160), _linear(0.01), "frozen"),
    "lepton_raw14": CameraModel((120, 160), _linear(0.025, 300 - 0.025 * 8192, 14), "flat"),
    "lepton_telemetry": CameraModel((120, 160), _lepton_with_telemetry, "frozen"),
    "optris": CameraModel((288, 382), _linear(0.1, 173.15), "flat"),
    "seek_compact": CameraModel((154, 207), _seek, "frozen", invalid=2_125),
    "tau2_tlinear": CameraModel((256, 336), _linear(0.04, bits=14), "flat"),
}
"""By the names of their files in config/cameras."""
