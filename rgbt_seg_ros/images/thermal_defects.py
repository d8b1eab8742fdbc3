"""Pixels of a thermal image that are no temperatures: telemetry, borders, dead and saturated pixels.

Nothing is known of the camera here. A value is doubted only where it is far from all others: a scene with a cold sky
or a fire keeps its pixels.
"""

import cv2
import numpy as np

FULL_SCALES = (4095, 16383, 32767, 65535)
"""Largest values of 12, 14, 15 and 16 bits."""

_BORDER = 4
"""Rows of telemetry, or columns of references, that cameras put beside the picture at most."""

_STRANGE_SHARE = 0.2
"""Share of a border row's pixels that must be unlike the row's inner neighbours for it to be none of the picture."""

_LEAST_SPREAD = 64.0
"""Counts; differences below this are noise, however even the image is."""

_ALONE = 2
"""Defects among 3 x 3 pixels, of which the median is still that of temperatures."""

_SAMPLES = 20_000
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)


def find_defects(thermal: np.ndarray) -> np.ndarray | None:
    """Where a 16-bit image holds no temperatures.

    - 0, and a full scale, that is farther from the other values than these spread: borders, dead, saturated pixels.
    - Up to four rows or columns at each side that are unlike their inner neighbours: telemetry, references.
    - Single pixels above or below all their neighbours by more than the image spreads: dead pixels.

    Args:
        thermal: uint16 [H, W].

    Returns:
        bool [H, W], True where it is no temperature; None if there is no such pixel.
    """
    defects = _end_values(thermal)
    known = thermal if not defects.any() else thermal[~defects]
    if known.size == 0:
        return np.ones_like(defects)
    spread = max(_spread(known), _LEAST_SPREAD)
    defects |= _border(thermal, defects, spread)
    defects |= _single_pixels(thermal, defects, spread)
    return defects if defects.any() else None


def mend(thermal: np.ndarray, defects: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Fill defects that stand alone from their neighbours, as cameras do with dead pixels they know of.

    Args:
        thermal: uint8 or uint16 [H, W].
        defects: bool [H, W].

    Returns:
        The image with these pixels replaced by the median of their 3 x 3 neighbours, and bool [H, W] of the pixels that
        are known then; None if all are.
    """
    alone = _stand_alone(defects)
    if alone.any():
        thermal = np.where(alone, cv2.medianBlur(thermal, 3), thermal)
    valid = ~defects | alone
    return thermal, None if valid.all() else valid


def _stand_alone(defects: np.ndarray) -> np.ndarray:
    """bool [H, W]: the defects with at most one other beside them."""
    around = cv2.boxFilter(
        defects.astype(np.uint8), -1, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT
    )
    alone: np.ndarray = defects & (around <= _ALONE)
    return alone


def _end_values(thermal: np.ndarray) -> np.ndarray:
    """Pixels at either end of the scale, where that is far from everything else."""
    defects = np.zeros(thermal.shape, bool)
    ends = thermal == 0
    top = int(thermal.max())
    saturated = thermal == top if top in FULL_SCALES else np.zeros_like(ends)
    inner = thermal[~(ends | saturated)]
    if inner.size < 0.01 * thermal.size:
        return defects
    low, high = _ends(inner)
    gap = max(high - low, _LEAST_SPREAD)
    if low > gap:
        defects |= ends
    if top - high > gap:
        defects |= saturated
    return defects


def _border(thermal: np.ndarray, defects: np.ndarray, spread: float) -> np.ndarray:
    """Rows and columns at the sides that are none of the picture, whole."""
    found = np.zeros_like(defects)
    # Dead pixels all over the picture say nothing of its sides.
    alone = _stand_alone(defects)
    arrays = (thermal, defects, alone, found)
    # Each side as the top rows of a view, so that one rule serves all four.
    sides = (
        arrays,
        tuple(array[::-1] for array in arrays),
        tuple(array.T for array in arrays),
        tuple(array.T[::-1] for array in arrays),
    )
    for image, defect, single, marks in sides:
        if image.shape[0] < 4 * _BORDER:
            continue
        inner = np.median(image[_BORDER : 2 * _BORDER], axis=0)
        rows = image[:_BORDER].astype(np.float32)
        strange = (np.abs(rows - inner) > spread) & ~single[:_BORDER]
        strange &= ~defect[_BORDER : 2 * _BORDER].any(axis=0)
        last = np.flatnonzero(strange.mean(axis=1) > _STRANGE_SHARE)
        if last.size:
            marks[: last[-1] + 1] = True
    return found


def _single_pixels(thermal: np.ndarray, defects: np.ndarray, spread: float) -> np.ndarray:
    """Pixels that lie above, or below, all eight neighbours by more than the image spreads."""
    above = cv2.subtract(thermal, cv2.dilate(thermal, _NEIGHBOURS)) > spread
    below = cv2.subtract(cv2.erode(thermal, _NEIGHBOURS), thermal) > spread
    return (above | below) & ~defects


def _spread(values: np.ndarray) -> float:
    low, high = _ends(values)
    return high - low


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Where almost all values lie: a sample's percentiles 1 and 99."""
    flat = values.ravel()
    sample = flat[:: max(1, flat.size // _SAMPLES)]
    low, high = np.percentile(sample, (1.0, 99.0))
    return float(low), float(high)
