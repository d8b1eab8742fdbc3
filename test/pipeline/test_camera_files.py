"""Files of config/cameras: known parameters, and people are found in what their cameras send."""

import re
from functools import cache
from itertools import islice
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
import torch
from camera_files import FOLDER, masks_of, parameters_of, person_iou, settings_in
from camera_streams import CAMERAS, Moment, camera_stream, clean_stream
from places import REPOSITORY

from rgbt_seg_ros.images.codec import encode_image
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.pipeline.answer import decode_images
from rgbt_seg_ros.pipeline.thermal_limits import ThermalFollower
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings import PARAMETERS, Settings

FILES = sorted(FOLDER.glob("*.yaml"))

DURATION_S, RATE = 10.0, 1.5


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    # Other tests use the other cores.
    torch.set_num_threads(1)
    return Segmenter.load("default", "cpu")


def test_there_is_a_stream_for_each_file() -> None:
    assert [path.stem for path in FILES] == sorted(CAMERAS)


def test_each_file_is_in_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "cameras.md").read_text()
    assert set(re.findall(r"`(\w+\.yaml)`", page)) == {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_has_known_parameters_of_the_thermal_camera_alone(path: Path) -> None:
    parameters = parameters_of(path)
    assert all(name.startswith("thermal.") for name in parameters)
    settings = settings_in(path)
    for name, value in parameters.items():
        assert attrgetter(name)(settings) == value
        # A number of another type is refused by the node.
        assert type(value) is type(PARAMETERS[name].default)


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_people_are_found_as_in_a_clean_stream(segmenter: Segmenter, name: str) -> None:
    stream = list(camera_stream(name, DURATION_S, RATE))
    masks = masks_of(segmenter, settings_in(FOLDER / f"{name}.yaml"), stream)
    clean = _clean_masks(segmenter, CAMERAS[name].size)
    seen = [moment for moment in stream if not moment.shutter]
    assert (len(seen) < len(stream)) == bool(CAMERAS[name].shutter)
    assert person_iou(seen, clean) > 0.4
    assert person_iou(seen, masks) >= person_iou(seen, clean) - 0.02


@pytest.mark.parametrize("name", [name for name, camera in CAMERAS.items() if camera.shutter == "flat"])
def test_every_image_of_a_closed_shutter_is_told_and_no_other(name: str) -> None:
    settings = settings_in(FOLDER / f"{name}.yaml")
    follower = ThermalFollower(settings.thermal.normalizer, settings.thermal.time_constant)
    for moment in camera_stream(name, DURATION_S, RATE):
        images, _ = _decode(settings, moment)
        assert (follower.follow(images, moment.stamp_ns) is None) == bool(moment.shutter)


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_what_is_no_temperature_is_counted_and_nothing_else(name: str) -> None:
    settings = settings_in(FOLDER / f"{name}.yaml")
    for moment in islice(camera_stream(name, DURATION_S, RATE), 3):
        _, number = _decode(settings, moment)
        assert number == pytest.approx(CAMERAS[name].invalid, rel=0.05)


def _decode(settings: Settings, moment: Moment) -> tuple[ImagePair, int]:
    return decode_images(settings, encode_image(moment.rgb), encode_image(moment.thermal))


@cache
def _clean_masks(segmenter: Segmenter, size: tuple[int, int]) -> dict[int, np.ndarray | None]:
    return masks_of(segmenter, Settings(), clean_stream(size, DURATION_S, RATE))
