"""How noisy a thermal image is, whatever its counts mean."""

import numpy as np

ROUNDING = 12.0**-0.5
"""Standard deviation of rounding to whole counts: no image is less noisy."""

_SAMPLES = 20_000

_LOWER_HALF = 0.3246
"""Mean of |x| of a normal x among the smaller half of its |x|, in standard deviations."""

_SECOND_DIFFERENCE = 6.0**0.5
"""Standard deviation of a - 2 b + c, in those of a, b and c."""


def thermal_noise(thermal: np.ndarray, valid: np.ndarray | None = None) -> float:
    """Standard deviation of a thermal image's noise, from pixels and their neighbours where the scene is smooth.

    An image that was enlarged seems less noisy than it is: take it as the camera gives it.

    Args:
        thermal: uint8 or uint16 [H, W].
        valid: bool [H, W], False where it is not known; None: known everywhere.

    Returns:
        Counts, `ROUNDING` at least.
    """
    variances = [
        _noise_along_rows(thermal, valid) ** 2,
        _noise_along_rows(thermal.T, None if valid is None else valid.T) ** 2,
    ]
    # The mean of both directions: stripes of the sensor are seen across them only.
    return max(float(np.mean(variances)) ** 0.5, ROUNDING)


def _noise_along_rows(thermal: np.ndarray, valid: np.ndarray | None) -> float:
    """Standard deviation in counts; 0 where there is nothing to see it by."""
    step = max(1, thermal.size // _SAMPLES)
    rows = thermal[::step].astype(np.float32)
    bends = np.abs(rows[:, 2:] - 2.0 * rows[:, 1:-1] + rows[:, :-2])
    if valid is None:
        bends = bends.ravel()
    else:
        known = valid[::step]
        bends = bends[known[:, 2:] & known[:, 1:-1] & known[:, :-2]]
    half = bends.size // 2
    if half == 0:
        return 0.0
    # The smaller half: edges of the scene are in the other one.
    smaller = np.partition(bends, half)[:half]
    return float(smaller.mean()) / (_LOWER_HALF * _SECOND_DIFFERENCE)
