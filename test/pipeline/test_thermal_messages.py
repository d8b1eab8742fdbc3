"""Thermal images in false colours and in temperatures on their way through a pipeline."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from pipeline_bench import Setup, setups

from rgbt_seg_ros.images.codec import EncodedImage


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    with setups() as make:
        yield make


def thermal_message(pixels: np.ndarray, encoding: str) -> EncodedImage:
    height, width = pixels.shape[:2]
    return EncodedImage(height, width, encoding, 0, pixels.nbytes // height, pixels.tobytes())


def test_false_colours_are_undone_and_said_once(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.open.release(1000)
    said: list[str] = []
    bench.pipeline.responder.inform = said.append
    values = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (32, 1))
    painted = thermal_message(cv2.applyColorMap(values, cv2.COLORMAP_JET), "bgr8")
    assert bench.growth(lambda: bench.send_one_by_one(3, thermal=painted))["masks"] == 3
    for result in bench.results[-3:]:
        assert result.images.thermal is not None
        np.testing.assert_array_equal(result.images.thermal, values)
    assert said == ["thermal is in the false colours of jet, which are undone; see thermal.palette"]
    # Hot in jet is cold in OpenCV's rainbow: what was there before decides.
    part = thermal_message(cv2.applyColorMap(values // 6 + 170, cv2.COLORMAP_JET), "bgr8")
    bench.send_one_by_one(1, thermal=part)
    thermal = bench.results[-1].images.thermal
    assert thermal is not None
    np.testing.assert_array_equal(thermal, values // 6 + 170)
    assert len(said) == 1


def test_unknown_colours_cost_their_pair_and_name_the_parameter(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.open.release(1000)
    photograph = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    grown = bench.growth(lambda: bench.send_one_by_one(1, thermal=thermal_message(photograph, "rgb8")))
    assert grown["dropped.undecodable"] == 1
    ((_, sentence),) = (report for report in bench.reports if report[0] == "undecodable")
    assert "the thermal image with encoding 'rgb8' is in colours" in sentence
    assert "set thermal.palette" in sentence
    by_brightness = setup(thermal__palette="none")
    by_brightness.segmenter.open.release(1000)
    by_brightness.send_one_by_one(1, thermal=thermal_message(photograph, "rgb8"))
    thermal = by_brightness.results[-1].images.thermal
    np.testing.assert_array_equal(thermal, cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize(("unit", "offset"), [("kelvin", 0.0), ("celsius", 273.15)])
def test_missing_temperatures_are_missing_pixels(
    setup: Callable[..., Setup], unit: str, offset: float
) -> None:
    bench = setup(thermal__float_unit=unit, thermal__crop__top=2)
    bench.segmenter.open.release(1000)
    kelvin = 290 + np.random.default_rng(0).random((34, 48), np.float32) * 20
    kelvin[10:20, 10:30] = np.nan
    bench.send_one_by_one(1, thermal=thermal_message((kelvin - offset).astype(np.float32), "32FC1"))
    images = bench.results[-1].images
    assert images.thermal is not None
    assert images.thermal_valid is not None
    known = np.isfinite(kelvin[2:])
    np.testing.assert_array_equal(images.thermal_valid, known)
    assert np.abs(images.thermal[known] / 100 - kelvin[2:][known]).max() <= 0.0051


def test_overlays_on_false_colours_are_missing_pixels(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.open.release(1000)
    values = np.tile(np.linspace(0, 255, 128).astype(np.uint8), (96, 1))
    painted = cv2.applyColorMap(values, cv2.COLORMAP_INFERNO)
    painted[:8] = (80, 200, 80)
    bench.send_one_by_one(1, thermal=thermal_message(painted, "bgr8"))
    images = bench.results[-1].images
    assert images.thermal is not None
    assert images.thermal_valid is not None
    assert not images.thermal_valid[:8].any()
    assert images.thermal_valid[8:].all()
    np.testing.assert_array_equal(images.thermal[8:], values[8:])
