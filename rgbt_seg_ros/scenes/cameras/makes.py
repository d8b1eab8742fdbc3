"""Thermal cameras of other makes: gain control, equalised histograms, black-hot pictures, fixed patterns and drift."""

import cv2
import numpy as np

_PLAIN = 0.4
"""Share of cameras that show what the sensor says."""


def as_other_make(rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """A white-hot picture uint8 [H,W] as another camera would show it.

    First what its sensor adds (a pattern that does not move, columns and rows of their own, drift since its last
    shutter), then what its firmware makes of that.
    """
    image = counts.astype(np.float32)
    if rng.random() < 0.5:
        image += _pattern(rng, image.shape)
    image = np.clip(image, 0, 255)
    shown = image.astype(np.uint8)
    if rng.random() >= _PLAIN:
        kind = rng.choice(["gain", "equalized", "local"], p=[0.45, 0.3, 0.25])
        if kind == "gain":
            low, high = np.percentile(image[::3, ::3], [rng.uniform(0.0, 3.0), rng.uniform(96.0, 100.0)])
            span = max(float(high - low), float(rng.uniform(12.0, 60.0)))
            shown = (np.clip((image - low) / span, 0.0, 1.0) ** rng.uniform(0.6, 1.5) * 255).astype(np.uint8)
        elif kind == "equalized":
            share = float(rng.uniform(0.4, 1.0))
            stretched = (image - image.min()) * (255.0 / max(float(np.ptp(image)), 1.0))
            shown = (share * cv2.equalizeHist(shown) + (1.0 - share) * stretched).astype(np.uint8)
        else:
            tiles = int(rng.integers(2, 9))
            local = cv2.createCLAHE(float(rng.uniform(1.5, 8.0)), (tiles, tiles)).apply(shown)
            shown = local.astype(np.uint8)
    if rng.random() < 0.06:
        shown = 255 - shown
    return shown


def _pattern(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Counts that a sensor adds, float32 [H,W]."""
    height, width = size
    strength = float(np.exp(rng.uniform(np.log(0.5), np.log(6.0))))
    pattern = 0.6 * strength * rng.standard_normal((height, width), np.float32)
    pattern += strength * rng.uniform(0.0, 1.0) * rng.standard_normal((1, width), np.float32)
    pattern += strength * rng.uniform(0.0, 0.5) * rng.standard_normal((height, 1), np.float32)
    if (
        rng.random() < 0.5
    ):  # since the last shutter the housing has warmed, more at the rim than in the middle
        drift = rng.normal(0.0, 3.0 * strength, (3, 4)).astype(np.float32)
        pattern += cv2.resize(drift, (width, height), interpolation=cv2.INTER_CUBIC)
    return pattern
