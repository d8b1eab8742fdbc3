"""Whatever a thermal image is stored as becomes counts: one channel, false colours, signed counts, temperatures."""

from dataclasses import dataclass

import cv2
import numpy as np

from rgbt_seg_ros.images.channels import upper_bits
from rgbt_seg_ros.images.choices import BLACK_HOT, WHITE_HOT
from rgbt_seg_ros.images.palette import undo_palette

COUNTS_PER_KELVIN = 100.0
"""Of the counts that temperatures become; what `thermal.kelvin_per_count` says unless it is set."""

SIGNED_ZERO = 32768
"""The count that a signed count of 0 becomes."""

_KELVIN_AT_0_CELSIUS = 273.15
_COLDEST_SCENE = 100.0
"""Kelvin; floats that are all below are no temperatures of a scene in kelvin."""


@dataclass(frozen=True)
class ThermalReading:
    """What a thermal image does not say of itself.

    Attributes:
        palette: one of `choices.PALETTES`, what images of three channels are painted in; `black-hot` also holds for
            unsigned counts of one channel.
        float_unit: of floats, one of `choices.FLOAT_UNITS`.
    """

    palette: str = "auto"
    float_unit: str = "kelvin"


@dataclass(frozen=True)
class ThermalImage:
    """A thermal image as the rest of the program takes it.

    Attributes:
        counts: uint8 or uint16 [h, w]; 0 where a temperature is missing.
        valid: bool [h, w], False where thermal is not known; None: known everywhere.
        palette: whose false colours were undone; empty: it was in none.
        table: which way to draw that palette, a hint for the next image.
    """

    counts: np.ndarray
    valid: np.ndarray | None = None
    palette: str = ""
    table: str = ""


def thermal_image(stored: np.ndarray, reading: ThermalReading, before: str = "") -> ThermalImage:
    """The counts of an image as it is stored.

    - uint8 or uint16 [h, w]: these are the counts.
    - uint8 or uint16 [h, w, 3], or [h, w, 4] with an opaque alpha channel, BGR or BGRA: see `undo_palette`.
    - int16 [h, w]: signed counts, shifted by 32768.
    - float [h, w]: temperatures, which become counts of 0.01 K: rounded, 0.01 K at least and 655.34 K at most. What is
      not finite, or no temperature above 0 K, is missing.

    Args:
        stored: the image, in native byte order.
        reading: what it does not say of itself.
        before: `table` of the image before; empty: not known.

    Raises:
        UnknownPalette: colours that cannot be undone.
        ValueError: another type or shape, a fourth channel that is no opaque alpha, or floats that are no temperatures;
            the message is a sentence without its subject, the image.
    """
    if stored.ndim == 3:
        return _of_channels(stored, reading, before)
    if stored.dtype == np.int16:
        return ThermalImage(stored.view(np.uint16) ^ np.uint16(SIGNED_ZERO))
    if stored.dtype.kind == "f":
        return _of_temperatures(stored, reading.float_unit)
    if stored.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"has pixels of {stored.dtype}, not of 8 or 16 bits or floats")
    return ThermalImage(_inverted(stored) if reading.palette == BLACK_HOT else stored)


def has_opaque_alpha(image: np.ndarray) -> bool:
    """Whether the fourth channel of [h, w, 4] is an alpha channel that hides nothing: full scale everywhere."""
    return bool((image[..., 3] == np.iinfo(image.dtype).max).all())


def _of_channels(stored: np.ndarray, reading: ThermalReading, before: str) -> ThermalImage:
    channels, kind = stored.shape[2], stored.dtype
    if channels not in (3, 4) or kind not in (np.uint8, np.uint16):
        raise ValueError(
            f"has {channels} channels of {8 * kind.itemsize} bits: it must have one of 8 or 16 bits, or three of 8"
        )
    if channels == 4 and not has_opaque_alpha(stored):
        raise ValueError(
            f"has 4 channels of {8 * kind.itemsize} bits, of which the fourth is no opaque alpha channel"
        )
    wide, colours = kind == np.uint16, stored[..., :3]
    found = undo_palette(
        upper_bits(colours) if wide else np.ascontiguousarray(colours), reading.palette, before
    )
    if found.palette not in (WHITE_HOT, BLACK_HOT, ""):
        return ThermalImage(found.values, found.valid, found.palette, found.table)
    if not wide:
        return ThermalImage(found.values, found.valid)
    grey = cv2.cvtColor(stored, cv2.COLOR_BGR2GRAY if channels == 3 else cv2.COLOR_BGRA2GRAY)
    return ThermalImage(_inverted(grey) if found.palette == BLACK_HOT else grey, found.valid)


def _of_temperatures(stored: np.ndarray, unit: str) -> ThermalImage:
    kelvin = stored.astype(np.float64)
    if unit == "celsius":
        kelvin += _KELVIN_AT_0_CELSIUS
    valid = np.isfinite(kelvin) & (kelvin > 0.0)
    hottest = float(np.max(kelvin, where=valid, initial=0.0))
    if unit == "kelvin" and 0.0 < hottest < _COLDEST_SCENE:
        raise ValueError(
            f"has temperatures of {hottest:g} at most, which are not in kelvin: set thermal.float_unit to celsius"
        )
    kelvin[~valid] = 0.0
    counts = np.clip(np.rint(kelvin * COUNTS_PER_KELVIN), 1, 65534).astype(np.uint16)
    counts[~valid] = 0
    return ThermalImage(counts, None if valid.all() else valid)


def _inverted(counts: np.ndarray) -> np.ndarray:
    return cv2.bitwise_not(counts)
