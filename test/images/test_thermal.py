"""Thermal counts to [0, 1]."""

from typing import Any

import numpy as np
import pytest

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.thermal import MODES, ThermalNormalization


def counts(dtype: type, low: int, high: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, size, dtype, endpoint=True)


def test_auto_takes_eight_bits_as_they_are() -> None:
    thermal = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_allclose(ThermalNormalization()(thermal), [[0.0, 0.2, 1.0]], rtol=1e-6)


def test_auto_takes_sixteen_bits_by_percentile() -> None:
    thermal = counts(np.uint16, 20_000, 24_000)
    expected = ThermalNormalization("percentile")(thermal)
    np.testing.assert_array_equal(ThermalNormalization()(thermal), expected)
    assert expected.std() > 0.2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fixed_maps_its_range_and_clips(dtype: Any) -> None:
    thermal = np.array([[50, 100, 150, 200, 250]], dtype)
    normalized = ThermalNormalization("fixed", low=100, high=200)(thermal)
    np.testing.assert_allclose(normalized, [[0.0, 0.0, 0.5, 1.0, 1.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("kelvin_per_count", "kelvin_offset"), [(0.01, 0.0), (0.04, 0.0), (0.01, 173.15), (0.5, -20.0)]
)
def test_fixed_in_kelvin_maps_temperatures(kelvin_per_count: float, kelvin_offset: float) -> None:
    normalize = ThermalNormalization(
        "fixed", 263.15, 313.15, unit="kelvin", kelvin_per_count=kelvin_per_count, kelvin_offset=kelvin_offset
    )
    kelvin = np.array([[250.0, 263.15, 288.15, 300.65, 313.15, 330.0]])
    thermal = np.rint((kelvin - kelvin_offset) / kelvin_per_count).astype(np.uint16)
    rounding = kelvin_per_count / 50
    np.testing.assert_allclose(normalize(thermal), [[0, 0, 0.5, 0.75, 1, 1]], atol=rounding)


@pytest.mark.parametrize("mode", ["auto", "percentile", "minmax"])
def test_the_unit_is_that_of_the_fixed_range_alone(mode: str) -> None:
    thermal = counts(np.uint16, 28_000, 31_000)
    expected = ThermalNormalization(mode)(thermal)
    np.testing.assert_array_equal(
        ThermalNormalization(mode, unit="kelvin", kelvin_offset=50)(thermal), expected
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_minmax_maps_the_extremes(dtype: Any) -> None:
    thermal = np.array([[40, 60], [80, 120]], dtype) * dtype(1 if dtype is np.uint8 else 100)
    np.testing.assert_allclose(ThermalNormalization("minmax")(thermal), [[0.0, 0.25], [0.5, 1.0]], atol=1e-6)


@pytest.mark.parametrize("size", [(120, 160), (512, 640), (1, 7)])
def test_percentiles_are_those_of_the_image(size: tuple[int, int]) -> None:
    # A ramp over the columns: a sample of them shows the same percentiles.
    ramp = np.broadcast_to(np.linspace(8_000, 9_000, size[1]), size).astype(np.uint16)
    normalized = ThermalNormalization("percentile", low_percentile=10, high_percentile=60)(ramp)
    expected = np.clip((ramp.astype(float) - 8_100) / 500, 0, 1)
    np.testing.assert_allclose(normalized, expected, atol=0.02)


def test_percentile_is_not_dazzled_by_a_few_hot_pixels() -> None:
    thermal = counts(np.uint16, 10_000, 10_500)
    dazzled = thermal.copy()
    dazzled[60:64, 60:64] = 65_535
    plain, hot = ThermalNormalization("percentile")(thermal), ThermalNormalization("percentile")(dazzled)
    assert hot[61, 61] == 1.0
    np.testing.assert_allclose(hot[:60], plain[:60], atol=0.01)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_one_value_stays_one_value_in_range(mode: str, dtype: type, value: int) -> None:
    normalized = ThermalNormalization(mode)(np.full((9, 11), value, dtype))
    assert np.isfinite(normalized).all()
    assert normalized.min() == normalized.max()
    if mode == "minmax":
        assert normalized[0, 0] == 0.0


def test_a_hot_spot_on_a_constant_background_is_seen() -> None:
    thermal = np.full((100, 100), 7_000, np.uint16)
    thermal[50, 50] = 7_500
    normalized = ThermalNormalization("percentile")(thermal)
    assert normalized[50, 50] == 1.0
    assert normalized.sum() == 1.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_results_are_float32_in_range_and_leave_the_image_alone(mode: str, dtype: type) -> None:
    thermal = counts(dtype, 0, np.iinfo(dtype).max)
    before = thermal.copy()
    normalized = ThermalNormalization(mode, low=10, high=90)(thermal[::-1, ::2])
    assert normalized.dtype == np.float32
    assert normalized.shape == (120, 80)
    assert normalized.min() >= 0.0
    assert normalized.max() <= 1.0
    np.testing.assert_array_equal(thermal, before)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "agc"}, "mode is 'agc'.*auto, fixed, percentile, minmax"),
        ({"low": 10.0, "high": 10.0}, r"low \(10\) must be below high \(10\)"),
        ({"low": float("nan")}, "low .nan. must be below high"),
        (
            {"low_percentile": 60.0, "high_percentile": 40.0},
            "low_percentile .60. must be below high_percentile",
        ),
        ({"low_percentile": -1.0}, "within 0..100"),
        ({"high_percentile": 101.0}, "within 0..100"),
        ({"unit": "celsius"}, "unit is 'celsius'.*counts, kelvin"),
        ({"kelvin_per_count": 0.0}, r"kelvin_per_count \(0\) must be above 0"),
        ({"kelvin_per_count": float("nan")}, r"kelvin_per_count \(nan\) must be above 0"),
        ({"kelvin_offset": float("inf")}, r"kelvin_offset \(inf\) must be a finite number"),
        ({"unit": "kelvin", "low": -10.0}, r"low \(-10\) is below 0 K: give kelvin"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        ThermalNormalization(**settings)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 3), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be uint8 or uint16"):
        ThermalNormalization()(image)
