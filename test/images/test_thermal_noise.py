"""Noise is measured whatever the scene, and is not stretched to full contrast."""

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.images.thermal_noise import ROUNDING, thermal_noise


def noise(sigma: float, size: tuple[int, int] = (120, 160), level: float = 29_500.0) -> np.ndarray:
    return np.rint(level + sigma * np.random.default_rng(0).standard_normal(size)).astype(np.uint16)


def street(sigma: float, contrast: float) -> np.ndarray:
    """Sky, a gradient along the road, and warm boxes."""
    image = np.linspace(0.3, 0.6, 120)[:, None] * np.ones(160)
    image[:40] = 0.1
    for left in range(10, 150, 30):
        image[50:90, left : left + 8] = 1.0
    return (noise(sigma) + contrast * image).astype(np.uint16)


@pytest.mark.parametrize("sigma", [1.0, 4.0, 40.0, 400.0])
@pytest.mark.parametrize("size", [(60, 80), (120, 160), (512, 640)])
def test_noise_of_an_even_image(sigma: float, size: tuple[int, int]) -> None:
    assert thermal_noise(noise(sigma, size)) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 20.0])
def test_noise_before_a_scene(sigma: float) -> None:
    assert thermal_noise(street(sigma, 1_000.0)) == pytest.approx(sigma, rel=0.2)


def test_stripes_are_noise() -> None:
    stripes = np.rint(10.0 * np.random.default_rng(1).standard_normal(160))
    across, along = noise(0.0) + stripes.astype(np.uint16), noise(0.0).T + stripes[:, None].astype(np.uint16)
    for image in (across, along):
        assert 5.0 < thermal_noise(image) < 10.0


def test_only_known_pixels_count() -> None:
    image, valid = noise(5.0), np.zeros((120, 160), bool)
    valid[30:90, 40:120] = True
    image[~valid] = 0
    assert thermal_noise(image, valid) == pytest.approx(5.0, rel=0.1)
    assert thermal_noise(image, np.zeros_like(valid)) == ROUNDING


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 160), (8, 8)])
def test_tiny_and_constant_images_have_the_noise_of_rounding(shape: tuple[int, int]) -> None:
    assert thermal_noise(np.full(shape, 7_000, np.uint16)) == ROUNDING


@pytest.mark.parametrize("counts", [2, 6, 23, 80])
@pytest.mark.parametrize("mode", ["auto", "percentile", "minmax"])
def test_noise_is_not_stretched(counts: int, mode: str) -> None:
    image = (29_500 + np.random.default_rng(0).integers(0, counts, (120, 160))).astype(np.uint16)
    result = ThermalNormalization(mode)(image)
    assert np.ptp(result) < 0.1
    assert result.std() < 0.04


def test_normal_noise_is_not_stretched() -> None:
    for sigma in (0.5, 3.0, 24.0):
        assert ThermalNormalization()(noise(sigma)).std() < 0.05


@pytest.mark.parametrize("contrast", [25, 60, 250, 5_000, 30_000])
def test_a_scene_with_little_noise_has_all_the_contrast(contrast: int) -> None:
    image = street(contrast / 100.0, contrast)
    image -= image.min()
    low, high = np.percentile(image[::1, ::1], (1.0, 99.0))
    assert ThermalNormalization().limits(image) == (low, high)


def test_the_least_span_of_the_user_is_in_their_unit() -> None:
    image = (7_000 + np.arange(400).reshape(20, 20) % 50).astype(np.uint16)
    assert np.ptp(ThermalNormalization(min_span=500.0)(image)) == pytest.approx(0.1, abs=0.01)
    kelvin = ThermalNormalization(unit="kelvin", kelvin_per_count=0.04, min_span=4.0)
    assert np.ptp(kelvin(image)) == pytest.approx(0.49, abs=0.02)


def test_where_kelvin_are_known_two_of_them_are_the_least_span() -> None:
    smooth = cv2.GaussianBlur(noise(30.0), (0, 0), 3.0)
    span = ThermalNormalization(unit="kelvin", kelvin_per_count=0.01).least_span(smooth)
    assert span == 200.0
    assert ThermalNormalization().least_span(smooth) < 100.0
    assert ThermalNormalization(unit="kelvin").least_span(noise(10.0)) > 300.0


def test_what_spans_a_thousand_counts_is_stretched_however_noisy() -> None:
    leaves = np.random.default_rng(0).integers(7_000, 8_200, (120, 160)).astype(np.uint16)
    assert ThermalNormalization()(leaves).std() > 0.2


@pytest.mark.parametrize("mode", ["percentile", "minmax"])
def test_a_least_span_holds_for_eight_bits_where_it_is_given(mode: str) -> None:
    image = (100 + np.random.default_rng(0).integers(0, 5, (120, 160))).astype(np.uint8)
    assert ThermalNormalization(mode)(image).max() == 1.0
    assert ThermalNormalization(mode, min_span=50.0)(image).max() < 0.1
