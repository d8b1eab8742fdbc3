"""Thermal counts to the range [0, 1] that a network is fed with."""

import math
from dataclasses import dataclass

import numpy as np

from rgbt_seg_ros.base.errors import UserError

MODES = ("auto", "fixed", "percentile", "minmax")
UNITS = ("counts", "kelvin")

_PERCENTILE_SAMPLES = 20_000


@dataclass(frozen=True)
class ThermalNormalization:
    """Maps a thermal image linearly onto [0, 1]; values beyond the range are clipped.

    Modes: `fixed` maps `low`..`high`, in counts or, for a radiometric camera, in kelvin; `percentile` maps the image's
    own percentiles `low_percentile`..`high_percentile`, `minmax` its own extremes; `auto` is `fixed` 0..255 for uint8
    (a camera that gives 8 bits has done its own gain control) and `percentile` for uint16.

    A radiometric camera's count c means `kelvin_offset` + c * `kelvin_per_count` kelvin; 0.01 K a count is usual.
    While its shutter is closed (flat-field correction) a camera sends nothing or repeats an image; each image is
    mapped by itself, so nothing has to settle afterwards.

    Raises:
        UserError: an unknown mode or unit, limits that are not in order, or a scale that is none.
    """

    mode: str = "auto"
    low: float = 0.0
    high: float = 255.0
    low_percentile: float = 1.0
    high_percentile: float = 99.0
    unit: str = "counts"
    kelvin_per_count: float = 0.01
    kelvin_offset: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UserError(
                f"thermal normalization: mode is {self.mode!r}, it must be one of {', '.join(MODES)}"
            )
        if not self.low < self.high:
            raise UserError(f"thermal normalization: low ({self.low:g}) must be below high ({self.high:g})")
        if not 0.0 <= self.low_percentile < self.high_percentile <= 100.0:
            raise UserError(
                f"thermal normalization: low_percentile ({self.low_percentile:g}) must be below high_percentile "
                f"({self.high_percentile:g}), both within 0..100"
            )
        self._check_scale()

    def _check_scale(self) -> None:
        if self.unit not in UNITS:
            raise UserError(
                f"thermal normalization: unit is {self.unit!r}, it must be one of {', '.join(UNITS)}"
            )
        if not 0 < self.kelvin_per_count < math.inf:
            raise UserError(
                f"thermal normalization: kelvin_per_count ({self.kelvin_per_count:g}) must be above 0"
            )
        if not math.isfinite(self.kelvin_offset):
            raise UserError(
                f"thermal normalization: kelvin_offset ({self.kelvin_offset:g}) must be a finite number"
            )
        if self.unit == "kelvin" and self.low < 0:
            raise UserError(
                f"thermal normalization: low ({self.low:g}) is below 0 K: give kelvin, degrees Celsius + 273.15"
            )

    def __call__(self, thermal: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """uint8 or uint16 [H, W] -> float32 [H, W] in [0, 1]; an image of one value gives zeros.

        Args:
            thermal: the image.
            valid: bool [H, W]; the image's own limits (percentile, minmax) are those of its valid pixels. None: all.

        Raises:
            ValueError: another type or shape.
        """
        if thermal.dtype not in (np.uint8, np.uint16) or thermal.ndim != 2 or thermal.size == 0:
            raise ValueError(
                f"a thermal image must be uint8 or uint16 [H, W], this one is {thermal.dtype} {list(thermal.shape)}"
            )
        low, high = self._limits(thermal, valid)
        scaled = thermal.astype(np.float32)
        scaled -= low
        scaled /= high - low
        return np.clip(scaled, 0.0, 1.0, out=scaled)

    def _counts(self, value: float) -> float:
        """The count of a value in `unit`."""
        return value if self.unit == "counts" else (value - self.kelvin_offset) / self.kelvin_per_count

    def _limits(self, thermal: np.ndarray, valid: np.ndarray | None) -> tuple[float, float]:
        """Values that become 0 and 1."""
        if self.mode == "fixed":
            return self._counts(self.low), self._counts(self.high)
        if self.mode == "auto" and thermal.dtype == np.uint8:
            return 0.0, 255.0
        if valid is not None and not valid.any():
            return 0.0, 1.0
        if self.mode == "minmax":
            known = thermal if valid is None else thermal[valid]
            low, high = float(known.min()), float(known.max())
        else:
            # Every n-th pixel in both directions: percentiles of a sample cost a tenth of those of all pixels.
            stride = max(1, int((thermal.size / _PERCENTILE_SAMPLES) ** 0.5))
            sample = thermal[::stride, ::stride]
            if valid is not None and valid[::stride, ::stride].any():
                sample = sample[valid[::stride, ::stride]]
            low, high = (
                float(value) for value in np.percentile(sample, (self.low_percentile, self.high_percentile))
            )
        # Less than one count is no contrast: without this floor a constant image would be divided by zero.
        return low, max(high, low + 1.0)
