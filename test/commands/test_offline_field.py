"""The offline command on recordings as they come from the field: compressed, ROS 1, without stamps, one camera only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bags import START_NS, rgb_frame, thermal_frame, write_bag
from field_bags import (
    ROS1_STORE,
    compressed_message,
    header,
    image_message,
    own_time,
    pair_messages,
    write_ros1,
    write_rosbag2,
)
from random_model import write_model
from rosbags.highlevel import AnyReader

from rgbt_seg_ros.offline import main
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.verdict import verdict
from rgbt_seg_ros.segmenter import Segmenter

PAIRS = 6

USELESS_STAMPS: dict[str, Callable[[int], int]] = {
    "zero": lambda index: 0,
    "standing": lambda index: START_NS,
    "stuck for some images": lambda index: START_NS + index // 4 * 10**9,
    "back and forth": lambda index: own_time(index) - index % 3 * 10**11,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "nano.safetensors")


def offline(bag: Path, model: Path, output: Path, *options: str) -> dict[str, Any]:
    """Run the command on the CPU and return metrics.json."""
    assert main([str(bag), "--model", str(model), "--device", "cpu", "--output", str(output), *options]) == 0
    return json.loads((output / "metrics.json").read_text())


@pytest.fixture(scope="module")
def mask_hash(tmp_path_factory: pytest.TempPathFactory, model: Path) -> str:
    """Of the six pairs in a sound recording of raw images."""
    folder = tmp_path_factory.mktemp("offline")
    return offline(write_bag(folder / "bag"), model, folder / "out")["mask_hash"]


@pytest.mark.parametrize(("rgb", "thermal"), [(True, True), (True, False), (False, True)])
def test_compressed_images_give_the_masks_of_raw_ones(
    tmp_path: Path, model: Path, mask_hash: str, rgb: bool, thermal: bool
) -> None:
    messages = []
    for index in range(PAIRS):
        stamp = own_time(index)
        for topic, frame, late_ns, compressed in (
            ("/rgb/image", rgb_frame(index), 0, rgb),
            ("/thermal/image", thermal_frame(index), 3_000_000, thermal),
        ):
            make = compressed_message if compressed else image_message
            name = topic + "/compressed" if compressed else topic
            messages.append((name, stamp + late_ns, make(frame, stamp + late_ns)))
    metrics = offline(write_rosbag2(tmp_path / "bag", messages), model, tmp_path / "out")
    assert (metrics["masks"], metrics["mask_hash"]) == (PAIRS, mask_hash)


def test_a_ros1_bag_gives_the_masks_of_a_rosbag2(tmp_path: Path, model: Path, mask_hash: str) -> None:
    messages = pair_messages(range(6), types=ROS1_STORE.types)
    metrics = offline(write_ros1(tmp_path / "drive.bag", messages), model, tmp_path / "out")
    assert (metrics["masks"], metrics["mask_hash"]) == (PAIRS, mask_hash)
    assert metrics["recording"] == "drive.bag"


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("name", USELESS_STAMPS)
def test_useless_stamps_are_replaced_by_the_time_of_reception(
    tmp_path: Path,
    mask_hash: str,
    model: Path,
    name: str,
    both: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stamp = USELESS_STAMPS[name]
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(6), stamp, stamp if both else own_time))
    metrics = offline(bag, model, tmp_path / "out")
    assert (metrics["pairs"], metrics["masks"]) == (6, 6)
    assert metrics["mask_hash"] == mask_hash
    assert set(metrics["dropped"].values()) == {0}
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("the header stamps of /rgb/image")
    assert sentence.endswith("images are paired by the time at which the bag received them")
    assert metrics["note"] == sentence + "."
    received = [own_time(index) + 20_000_000 for index in range(6)]
    assert [mask.stamp_ns for mask in read_run(tmp_path / "out").masks] == received
    with AnyReader([tmp_path / "out" / "segmentation"]) as reader:
        for connection, _, data in reader.messages():
            stamp = reader.deserialize(data, connection.msgtype).header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec in received


@pytest.mark.parametrize("name", USELESS_STAMPS)
def test_a_run_that_pairs_few_images_is_no_success(
    tmp_path: Path, model: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the stamps as they are: numbers and page are there, the page is not green, and the way out works."""
    count = 24
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(count), USELESS_STAMPS[name], own_time))
    arguments = [str(bag), "--model", str(model), "--device", "cpu", "--output", str(tmp_path / "out")]
    assert main([*arguments, "--stamps", "header"]) == 1
    (error,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error:"))
    assert "--stamps receive" in error
    if (tmp_path / "out" / "metrics.json").is_file():
        summary = Summary.from_json(json.loads((tmp_path / "out" / "metrics.json").read_text()))
        assert verdict(summary)[0] == "warn"
        assert f"of {count} RGB and {count} thermal images" in error
        assert (tmp_path / "out" / "report.html").is_file()
    assert main([*arguments, "--stamps", "receive"]) == 0
    assert capsys.readouterr().err == ""
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["pairs"] == count


def test_labels_are_found_where_only_the_thermal_stamps_are_useless(tmp_path: Path, model: Path) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(6), own_time, lambda index: 0))
    (bag / "labels").mkdir()
    segmenter = Segmenter.load(model, device="cpu")
    for index in range(6):
        mask = segmenter(rgb_frame(index), thermal_frame(index)).mask
        cv2.imwrite(str(bag / "labels" / f"{own_time(index)}.png"), mask)
    metrics = offline(bag, model, tmp_path / "out")
    assert (metrics["miou"], metrics["labelled_masks"]) == (1.0, 6)


@pytest.mark.parametrize(("lost", "kept"), [("thermal", "rgb"), ("rgb", "thermal")])
@pytest.mark.parametrize("is_empty", [True, False])
def test_one_camera_alone_is_segmented_if_asked_for(
    tmp_path: Path, model: Path, lost: str, kept: str, is_empty: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end without the option names the option."""
    messages = [each for each in pair_messages(range(6)) if kept in each[0]]
    bag = write_rosbag2(tmp_path / "bag", messages, empty=[f"/{lost}/image"] if is_empty else [])
    arguments = [str(bag), "--model", str(model), "--device", "cpu", "--output", str(tmp_path / "out")]
    assert main(arguments) == 1
    (error,) = capsys.readouterr().err.splitlines()
    option = [f"--{lost}-on-missing", f"{kept}_only"]
    assert f"/{lost}/image" in error
    assert error.endswith(f"or segment the other images alone with {' '.join(option)}")
    assert main([*arguments, f"--{kept}-on-missing", f"{lost}_only"]) == 1, "the wrong camera"
    assert error in capsys.readouterr().err
    metrics = offline(bag, model, tmp_path / "out", *option)
    assert (metrics["pairs"], metrics["alone"], metrics["masks"]) == (0, 6, 6)
    assert (metrics["rgb_in"], metrics["thermal_in"]) == ((6, 0) if kept == "rgb" else (0, 6))
    assert metrics["skew_ms"] == {"p50": None, "max": None}
    printed = capsys.readouterr()
    assert "6 masks of 0 pairs and 6 single images" in printed.out
    assert printed.err == ""
    assert (
        "Every one of the 0 pairs and 6 single images became a mask."
        in (tmp_path / "out" / "report.html").read_text()
    )
    segmenter = Segmenter.load(model, device="cpu")
    run = read_run(tmp_path / "out")
    for index, mask in enumerate(run.masks):
        frames = (rgb_frame(index), None) if kept == "rgb" else (None, thermal_frame(index))
        np.testing.assert_array_equal(run.mask_image(mask.stamp_ns), segmenter(*frames).mask)


def test_neither_camera_is_no_recording_to_segment(tmp_path: Path, model: Path) -> None:
    bag = write_rosbag2(tmp_path / "bag", [("/chatter", 1, header(1))])
    options = ["--thermal-on-missing", "rgb_only", "--rgb-on-missing", "thermal_only"]
    assert main([str(bag), "--model", str(model), "--output", str(tmp_path / "out"), *options]) == 1


def late_start() -> list[tuple[str, int, Any]]:
    """Thermal begins after 4 of 6 s, both at 5 Hz."""
    return [
        (topic, received, message)
        for index in range(30)
        for topic, received, message in pair_messages([2 * index])
        if topic == "/rgb/image" or index >= 20
    ]


def unpaired(metrics: dict[str, Any]) -> int:
    return metrics["dropped"]["no_partner"] + metrics["dropped"]["over_max_dt"]


def test_a_late_start_of_one_camera_is_said_and_filled_if_asked_for(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_rosbag2(tmp_path / "bag", late_start())
    metrics = offline(bag, model, tmp_path / "out")
    assert (metrics["pairs"], metrics["masks"], unpaired(metrics)) == (10, 10, 20)
    assert "Only 10 pairs came of 30 RGB and 10 thermal images" in capsys.readouterr().err
    metrics = offline(bag, model, tmp_path / "out", "--thermal-on-missing", "rgb_only")
    # The last second before thermal begins is not alone: as for the node, silence counts from one second on.
    assert (metrics["pairs"], metrics["alone"], unpaired(metrics)) == (10, 16, 4)
    assert (metrics["rgb_in"], metrics["thermal_in"], metrics["masks"]) == (30, 10, 26)
    options = ["--thermal-on-missing", "rgb_only", "--thermal-stale-after", "0.3"]
    metrics = offline(bag, model, tmp_path / "out", *options)
    assert (metrics["pairs"], metrics["alone"], unpaired(metrics)) == (10, 19, 1)


@pytest.mark.parametrize(("rgb_every", "thermal_every"), [(1, 3), (3, 1), (1, 10)])
def test_different_rates_are_no_fault(
    tmp_path: Path, model: Path, rgb_every: int, thermal_every: int, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [
        (topic, received, message)
        for index in range(61)
        for topic, received, message in pair_messages([index])
        if index % (rgb_every if topic == "/rgb/image" else thermal_every) == 0
    ]
    metrics = offline(write_rosbag2(tmp_path / "bag", messages), model, tmp_path / "out")
    slower = 61 // max(rgb_every, thermal_every) + 1
    assert (metrics["pairs"], metrics["masks"]) == (slower, slower)
    assert capsys.readouterr().err == ""


def test_what_is_odd_about_a_recording_is_in_its_report(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / "bag")
    (bag / "metadata.yaml").unlink()
    metrics = offline(bag, model, tmp_path / "out")
    assert metrics["note"] == f"{bag} has no metadata.yaml, bag.mcap is read without it."
    assert "has no metadata.yaml" in (tmp_path / "out" / "report.html").read_text()
