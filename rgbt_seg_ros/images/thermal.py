"""Thermal counts to the range [0, 1] that a network is fed with."""

import math
from dataclasses import dataclass

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.thermal_defects import find_defects, mend
from rgbt_seg_ros.images.thermal_noise import thermal_noise

MODES = ("auto", "fixed", "percentile", "minmax")
UNITS = ("counts", "kelvin")

LEAST_SPAN_NOISES = 40.0
"""Smallest range of a 16-bit image that becomes 0..1 unless one is given, in standard deviations of its noise. Streets
span 46 and more. A fixed number of counts would not do: a kelvin has 2 of them in one camera and 100 in another."""

LEAST_SPAN_COUNTS = 1000.0
"""An image that spans more is stretched however noisy it seems: grass and leaves look like noise."""

LEAST_SPAN_KELVIN = 2.0
"""Where kelvin are known the range is as wide as this: above the noise of uncooled cameras."""

_PERCENTILE_SAMPLES = 20_000


@dataclass(frozen=True)
class ThermalNormalization:
    """Maps a thermal image linearly onto [0, 1]; values beyond the range are clipped.

    Modes: `fixed` maps `low`..`high`, in counts or, for a radiometric camera, in kelvin; `percentile` maps the image's
    own percentiles `low_percentile`..`high_percentile`, `minmax` its own extremes; `auto` is `fixed` 0..255 for uint8
    (a camera that gives 8 bits has done its own gain control) and `percentile` for uint16.

    Where the limits are the image's own, pixels of 16-bit images that are no temperatures have no part in them, see
    `clean`. The range is `min_span` wide at least: noise is not stretched over all of it.

    A radiometric camera's count c means `kelvin_offset` + c * `kelvin_per_count` kelvin; 0.01 K a count is usual.

    Attributes:
        min_span: in `unit`; 0 is 40 times the noise of a 16-bit image, see `least_span`.
        invalid: counts that are no temperatures, whatever the mode.

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
    min_span: float = 0.0
    invalid: tuple[int, ...] = ()

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
        if not 0.0 <= self.min_span < math.inf:
            raise UserError(f"thermal normalization: min_span ({self.min_span:g}) must not be negative")
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

    def __call__(
        self,
        thermal: np.ndarray,
        valid: np.ndarray | None = None,
        limits: tuple[float, float] | None = None,
    ) -> np.ndarray:
        """uint8 or uint16 [H, W] -> float32 [H, W] in [0, 1].

        Args:
            thermal: the image.
            valid: bool [H, W]; the image's own limits (percentile, minmax) are those of its valid pixels. None: all
                that `clean` does not doubt.
            limits: counts that become 0 and 1, where they are known; None: see `limits`.

        Raises:
            ValueError: another type or shape.
        """
        low, high = limits or self.own_limits(thermal, valid)
        _require_thermal(thermal)
        scaled = thermal.astype(np.float32)
        scaled -= low
        scaled /= high - low
        return np.clip(scaled, 0.0, 1.0, out=scaled)

    def own_limits(self, thermal: np.ndarray, valid: np.ndarray | None = None) -> tuple[float, float]:
        """Counts that become 0 and 1 where nothing else says so; the arguments are those of `__call__`.

        Raises:
            ValueError: another type or shape.
        """
        _require_thermal(thermal)
        if valid is None and self.follows_image(thermal.dtype):
            defects = self._defects(thermal)
            valid = None if defects is None else ~defects
        return self.limits(thermal, valid)

    def clean(
        self, thermal: np.ndarray, valid: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None, int]:
        """Find pixels that are no temperatures: `invalid` ones, and defects of 16-bit images with limits of their own.

        Args:
            thermal: uint8 or uint16 [H, W], as the camera gives it: before anything is resized or registered.
            valid: bool [H, W], where it is known already; None: everywhere.

        Returns:
            The image with defects that stand alone filled (see `thermal_defects.mend`), bool [H, W] of the pixels that
            are known (None: all), and the number of defects.
        """
        defects = self._defects(thermal)
        if defects is None:
            return thermal, valid, 0
        mended, known = mend(thermal, defects)
        if known is not None and valid is not None:
            known = known & valid
        return mended, valid if known is None else known, int(defects.sum())

    def limits(
        self, thermal: np.ndarray, valid: np.ndarray | None = None, least_span: float | None = None
    ) -> tuple[float, float]:
        """Counts that become 0 and 1.

        Args:
            thermal: uint8 or uint16 [H, W].
            valid: bool [H, W]; the image's own limits are those of its valid pixels. None: all.
            least_span: counts, where it is known from before the image was registered; None: see `least_span`.

        Raises:
            ValueError: another type or shape.
        """
        _require_thermal(thermal)
        low, high = self._extent(thermal, valid)
        if not self.follows_image(thermal.dtype):
            return low, high
        # An even image becomes a cold one.
        return low, max(high, low + (least_span or self.least_span(thermal, valid)))

    def follows_image(self, kind: np.dtype) -> bool:
        """Whether the limits of an image of this type are its own."""
        return self.mode in ("percentile", "minmax") or (self.mode == "auto" and kind == np.uint16)

    def least_span(self, thermal: np.ndarray, valid: np.ndarray | None = None) -> float:
        """Smallest range that becomes 0..1 where the limits are the image's own, in counts: see `min_span`.

        Args:
            thermal: uint8 or uint16 [H, W], as the camera gives it: what was enlarged seems to have little noise.
            valid: bool [H, W], False where it is not known; None: known everywhere.
        """
        if self.min_span > 0:
            return self.min_span if self.unit == "counts" else self.min_span / self.kelvin_per_count
        if thermal.dtype == np.uint8:
            # Less than one count is no contrast: a constant image would be divided by zero.
            return 1.0
        span = min(LEAST_SPAN_NOISES * thermal_noise(thermal, valid), LEAST_SPAN_COUNTS)
        return span if self.unit == "counts" else max(span, LEAST_SPAN_KELVIN / self.kelvin_per_count)

    def _extent(self, thermal: np.ndarray, valid: np.ndarray | None) -> tuple[float, float]:
        """Counts between which the image lies by this rule, however narrow that is."""
        if self.mode == "fixed":
            return self._counts(self.low), self._counts(self.high)
        if self.mode == "auto" and thermal.dtype == np.uint8:
            return 0.0, 255.0
        if valid is not None and not valid.any():
            return 0.0, 1.0
        if self.mode == "minmax":
            known = thermal if valid is None else thermal[valid]
            return float(known.min()), float(known.max())
        # Every n-th pixel in both directions: percentiles of a sample cost a tenth of those of all pixels.
        stride = max(1, int((thermal.size / _PERCENTILE_SAMPLES) ** 0.5))
        sample = thermal[::stride, ::stride]
        if valid is not None and valid[::stride, ::stride].any():
            sample = sample[valid[::stride, ::stride]]
        low, high = np.percentile(sample, (self.low_percentile, self.high_percentile))
        return float(low), float(high)

    def _defects(self, thermal: np.ndarray) -> np.ndarray | None:
        """bool [H, W], True where no temperature is, see `clean`; None if that is nowhere."""
        defects = np.isin(thermal, self.invalid) if self.invalid else None
        if self.mode != "fixed" and thermal.dtype == np.uint16:
            found = find_defects(thermal)
            if found is not None:
                defects = found if defects is None else defects | found
        return defects if defects is not None and defects.any() else None

    def _counts(self, value: float) -> float:
        """The count of a value in `unit`."""
        return value if self.unit == "counts" else (value - self.kelvin_offset) / self.kelvin_per_count


def _require_thermal(thermal: np.ndarray) -> None:
    if thermal.dtype not in (np.uint8, np.uint16) or thermal.ndim != 2 or thermal.size == 0:
        raise ValueError(
            f"a thermal image must be uint8 or uint16 [H, W], this one is {thermal.dtype} {list(thermal.shape)}"
        )
