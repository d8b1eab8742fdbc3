"""Whatever a thermal image is stored as becomes counts, and what cannot is refused."""

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.images.palette import UnknownPalette
from rgbt_seg_ros.images.thermal_image import ThermalReading, thermal_image

AUTO = ThermalReading()
CELSIUS = ThermalReading(float_unit="celsius")
BLACK_HOT = ThermalReading("black-hot")


def random_image(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(0).integers(limits.min, limits.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_counts_are_taken_as_they_are(dtype: type) -> None:
    counts = random_image(5, 7, dtype=dtype)
    for reading in (
        AUTO,
        CELSIUS,
        ThermalReading("jet"),
        ThermalReading("none"),
        ThermalReading("white-hot"),
    ):
        found = thermal_image(counts, reading)
        assert found.counts is counts
        assert (found.valid, found.palette) == (None, "")
    inverted = thermal_image(counts, BLACK_HOT).counts
    assert inverted.dtype == dtype
    np.testing.assert_array_equal(inverted, np.iinfo(dtype).max - counts)


@pytest.mark.parametrize("reading", [AUTO, BLACK_HOT])
def test_signed_counts_keep_their_order(reading: ThermalReading) -> None:
    counts = np.array([[-32768, -1, 0], [1, 2950, 32767]], np.int16)
    found = thermal_image(counts, reading)
    assert found.counts.dtype == np.uint16
    assert found.counts.tolist() == [[0, 32767, 32768], [32769, 35718, 65535]]
    assert found.valid is None


# --- temperatures ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_hundredth_of_a_kelvin_has_its_count(dtype: type) -> None:
    counts = np.arange(1, 65535, dtype=np.uint16).reshape(-1, 2)
    for offset, reading in ((0.0, AUTO), (273.15, CELSIUS)):
        found = thermal_image((counts / 100 - offset).astype(dtype), reading)
        np.testing.assert_array_equal(found.counts, counts)
        assert found.counts.dtype == np.uint16
        assert found.valid is None


def test_temperatures_are_rounded_and_not_cut() -> None:
    kelvin = np.array([[295.123, 295.126, 295.1349]], np.float32)
    assert thermal_image(kelvin, AUTO).counts.tolist() == [[29512, 29513, 29513]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -5.0])
def test_what_is_no_temperature_is_missing(bad: float, dtype: type) -> None:
    kelvin = np.full((4, 6), 300.0, dtype)
    kelvin[1, 2:4] = bad
    found = thermal_image(kelvin, AUTO)
    assert found.valid is not None
    assert np.argwhere(~found.valid).tolist() == [[1, 2], [1, 3]]
    assert set(found.counts[found.valid].tolist()) == {30000}
    assert found.counts[1, 2:4].tolist() == [0, 0]


def test_frost_is_a_temperature_in_celsius() -> None:
    found = thermal_image(np.array([[-40.0, 0.0, 21.85, -300.0, np.nan]]), CELSIUS)
    assert found.counts.tolist() == [[23315, 27315, 29500, 0, 0]]
    assert found.valid is not None
    assert found.valid.tolist() == [[True, True, True, False, False]]


def test_a_furnace_is_as_hot_as_can_be_told() -> None:
    found = thermal_image(np.array([[300.0, 655.34, 655.4, 1500.0]], np.float32), AUTO)
    # Not at the end of the scale, which means a saturated pixel.
    assert found.counts.tolist() == [[30000, 65534, 65534, 65534]]
    assert found.valid is None


def test_an_image_of_no_temperatures_is_missing_as_a_whole() -> None:
    found = thermal_image(np.full((3, 3), np.nan, np.float32), AUTO)
    assert found.valid is not None
    assert not found.valid.any()
    assert not found.counts.any()


@pytest.mark.parametrize("values", [(18.0, 36.5), (0.0, 1.0), (-10.0, 4.0)])
def test_floats_that_are_no_kelvin_name_the_parameter(values: tuple[float, float]) -> None:
    floats = np.linspace(*values, 24, dtype=np.float32).reshape(4, 6)
    with pytest.raises(
        ValueError, match=r"^has temperatures of .* not in kelvin: set thermal\.float_unit to celsius$"
    ):
        thermal_image(floats, AUTO)
    assert thermal_image(floats, CELSIUS).counts.min() > 26000


# --- channels ---


def ramp() -> np.ndarray:
    return np.tile(np.arange(0, 256, 4, dtype=np.uint8), (32, 1))


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_false_colours_are_undone_also_under_an_opaque_alpha_channel(alpha: bool, wide: bool) -> None:
    image = cv2.applyColorMap(ramp(), cv2.COLORMAP_INFERNO)
    if alpha:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    found = thermal_image(image.astype(np.uint16) * 257 if wide else image, AUTO)
    assert found.palette == "inferno"
    np.testing.assert_array_equal(found.counts, ramp())


def test_grey_of_16_bits_keeps_them() -> None:
    grey = (ramp().astype(np.uint16) << 6) + 21_000
    image = cv2.merge([grey] * 3)
    for reading in (AUTO, ThermalReading("none"), ThermalReading("white-hot")):
        found = thermal_image(image, reading)
        np.testing.assert_array_equal(found.counts, grey)
        assert found.palette == ""
    np.testing.assert_array_equal(thermal_image(image, BLACK_HOT).counts, 65535 - grey)


def test_grey_has_no_palette_to_be_told_of() -> None:
    for reading in (AUTO, BLACK_HOT, ThermalReading("none")):
        assert thermal_image(cv2.merge([ramp()] * 3), reading).palette == ""


@pytest.mark.parametrize("image", [random_image(4, 6, 4), random_image(4, 6, 4, dtype=np.uint16)])
def test_a_channel_that_is_no_alpha_is_refused(image: np.ndarray) -> None:
    with pytest.raises(
        ValueError, match=r"^has 4 channels of (8|16) bits, of which the fourth is no opaque alpha"
    ):
        thermal_image(image, AUTO)


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (random_image(4, 6, 2), "has 2 channels of 8 bits"),
        (random_image(4, 6, 3).astype(np.float32), "has 3 channels of 32 bits"),
        (random_image(4, 6).astype(np.int32), "has pixels of int32"),
    ],
)
def test_other_types_are_refused(image: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        thermal_image(image, AUTO)


def test_unknown_colours_are_refused() -> None:
    with pytest.raises(UnknownPalette, match=r"set thermal\.palette to"):
        thermal_image(random_image(40, 60, 3), AUTO)
