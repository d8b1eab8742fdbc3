"""What the thermal camera's last images say of the next one: steady limits, and whether its shutter is closed."""

import math
from dataclasses import replace

import numpy as np

from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.images.thermal import ThermalNormalization

SHUTTER_SHARE = 0.2
"""An image with less than this share of the contrast before it shows a closed shutter."""

SHUTTER_NS = 3_000_000_000
"""An image that is even for longer after the last one with contrast shows a wall or fog [ns]."""

_FLAT_COUNTS = 8.0
"""Contrast of an 8-bit image that may be that of a closed shutter; of 16 bits the least span of the normalization."""


class ThermalFollower:
    """Follows the thermal images of one camera pair, in the order in which they are answered; for one thread at a time.

    Times are the images' stamps, so that a recording gives the same at any speed. After a jump of time, or a pause of
    ten time constants, it starts anew.

    Args:
        normalization: rule of the limits.
        time_constant_s: how fast limits follow a new scene [s]; 0: at once.
    """

    def __init__(self, normalization: ThermalNormalization, time_constant_s: float) -> None:
        self._normalization = normalization
        self._time_constant_ns = 1e9 * time_constant_s
        self._limits: tuple[float, float] | None = None
        self._limits_ns = 0
        self._contrast = 0.0
        self._contrast_ns = 0

    def follow(self, images: ImagePair, stamp_ns: int) -> ImagePair | None:
        """Take a pair's thermal image into account.

        Args:
            images: cleaned and registered.
            stamp_ns: of the thermal image.

        Returns:
            The pair with the limits of its thermal image; None if the shutter was closed.
        """
        thermal = images.thermal
        if thermal is None:
            return images
        if self._is_shutter(images, thermal, stamp_ns):
            return None
        if not self._normalization.follows_image(thermal.dtype):
            return images
        own = self._normalization.limits(thermal, images.thermal_valid, images.thermal_span)
        self._limits = self._approached(own, stamp_ns)
        return replace(images, thermal_limits=self._limits)

    def _is_shutter(self, images: ImagePair, thermal: np.ndarray, stamp_ns: int) -> bool:
        """Whether the image is even, and the one before was not; notes its contrast."""
        contrast = _contrast(thermal, images.thermal_valid)
        if thermal.dtype == np.uint8:
            flat = _FLAT_COUNTS
        else:
            flat = images.thermal_span or self._normalization.least_span(thermal, images.thermal_valid)
        since_ns = stamp_ns - self._contrast_ns
        if contrast < min(SHUTTER_SHARE * self._contrast, flat) and 0 <= since_ns <= SHUTTER_NS:
            return True
        self._contrast, self._contrast_ns = contrast, stamp_ns
        return False

    def _approached(self, own: tuple[float, float], stamp_ns: int) -> tuple[float, float]:
        """The limits, moved towards an image's own."""
        elapsed_ns = stamp_ns - self._limits_ns
        self._limits_ns = stamp_ns
        if self._limits is None or not 0 <= elapsed_ns < 10 * self._time_constant_ns:
            return own
        share = 1.0 - math.exp(-elapsed_ns / self._time_constant_ns)
        low, high = ((1.0 - share) * old + share * new for old, new in zip(self._limits, own, strict=True))
        return low, high


def _contrast(thermal: np.ndarray, valid: np.ndarray | None) -> float:
    """Counts between which 98 of 100 pixels lie."""
    known = thermal if valid is None or not valid.any() else thermal[valid]
    low, high = np.percentile(known.ravel()[:: max(1, known.size // 20_000)], (1.0, 99.0))
    return float(high - low)
