"""A recording is scored on ROS as without it: node, player and `evaluate_bag` as processes, against `offline`."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from bags import START_NS, rgb_frame, thermal_frame, write_bag
from field_bags import BEST_EFFORT, compressed_message, own_time, pair_messages, write_rosbag2
from named_files import check_named
from node_process import active_node

from rgbt_seg_ros.bags.reader import Recording
from rgbt_seg_ros.masks.labels import find_labels
from rgbt_seg_ros.replay.offline_run import segment_recording
from rgbt_seg_ros.settings import Settings
from rgbt_seg_ros.work.evaluate_bag import EndOfRecording

Start = Callable[..., "subprocess.Popen[str]"]
FRAMES = 20
TIMEOUT_S = 120


def report(rgb: int, thermal: int, masks: int, unpaired: int = 0, waiting: int = 0) -> dict[str, str]:
    values = {
        "rgb_in": rgb,
        "thermal_in": thermal,
        "masks": masks,
        "unpaired": unpaired,
        "waiting": waiting,
    }
    return {key: str(value) for key, value in values.items()}


def test_the_end_is_when_all_images_have_come_and_are_answered() -> None:
    end = EndOfRecording(rgb=30, thermal=10, idle_s=10)
    assert not end.reached({}, 0)
    assert not end.reached(report(0, 0, 0), 1000), "nobody plays yet"
    assert not end.reached(report(29, 10, 9), 1001)
    assert not end.reached(report(30, 10, 9, unpaired=1), 1002)
    assert not end.reached(report(30, 10, 9, waiting=1), 1003)
    assert end.reached(report(30, 10, 10), 1004)
    assert end.missing(report(30, 10, 10)) == {}


def test_a_recording_that_comes_in_part_has_an_end_too() -> None:
    end = EndOfRecording(rgb=30, thermal=10, idle_s=10)
    assert not end.reached(report(20, 7, 6), 0)
    assert not end.reached(report(20, 7, 6), 9)
    assert not end.reached(report(20, 7, 7), 11), "it still answers"
    assert end.reached(report(20, 7, 7), 22)
    assert end.missing(report(20, 7, 7)) == {"rgb": 10, "thermal": 3}


def test_a_recording_that_nobody_plays_has_an_end_too() -> None:
    end = EndOfRecording(rgb=30, thermal=10, idle_s=10, wait_s=60)
    assert not end.never_began({}, 1000)
    assert not end.never_began(report(0, 0, 0), 1059)
    assert end.never_began(report(0, 0, 0), 1061)
    assert not end.never_began(report(1, 0, 0), 1061)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 10 Hz with labels for every other RGB image."""
    path = write_bag(tmp_path_factory.mktemp("recordings") / "bag", FRAMES, FRAMES)
    (path / "labels").mkdir()
    for index in range(0, FRAMES, 2):
        label = np.random.default_rng(index).integers(0, 9, (48, 64), np.uint8)
        cv2.imwrite(str(path / "labels" / f"{START_NS + index * 100_000_000}.png"), label)
    return path


@pytest.fixture
def node(tmp_path: Path, node_model: Path) -> Iterator[Path]:
    """The model of an active node in lossless mode."""
    options = {"mode": "lossless", "use_sim_time": True}
    # As an offline run has it.
    options["thermal__time_constant"] = Settings().thermal.time_constant
    with active_node(tmp_path / "node.txt", topics={}, model=node_model, **options):
        yield node_model


def play(start: Start, bag: Path, *arguments: str) -> None:
    # The node and evaluate_bag subscribe to both cameras, and the node to /clock.
    player = start("-m", "rgbt_seg_ros.play", str(bag), "--clock", "--subscriptions", "5", *arguments)
    output, _ = player.communicate(timeout=TIMEOUT_S)
    assert player.returncode == 0, output


@pytest.mark.usefixtures("one_thread")
def test_masks_and_scores_are_those_of_an_offline_run(
    tmp_path: Path, bag: Path, node: Path, start: Start
) -> None:
    out = tmp_path / "out"
    evaluation = start("-m", "rgbt_seg_ros.evaluate_bag", str(bag), "-o", str(out))
    play(start, bag, "--rate", "0.5")
    output, _ = evaluation.communicate(timeout=TIMEOUT_S)
    assert evaluation.returncode == 0, output
    assert check_named(output, out, set())[0] == out / "report.html"

    labels = find_labels(bag / "labels")
    settings = Settings(model=str(node), device="cpu")
    expected = segment_recording(Recording(bag), settings, tmp_path / "offline", labels=labels).to_json()
    metrics = json.loads((out / "metrics.json").read_text())
    same = (
        "pairs",
        "masks",
        "detections",
        "mask_hash",
        "bag_hash",
        "miou",
        "iou",
        "labelled_masks",
        "model_hash",
    )
    assert {key: metrics[key] for key in same} == {key: expected[key] for key in same}
    assert (metrics["pairs"], metrics["labelled_masks"], metrics["missing"]) == (FRAMES, FRAMES / 2, {})
    assert f"mIoU {metrics['miou']:.3f} on {FRAMES // 2} labels" in output
    assert Recording(out / "segmentation").topics["/rgbt_segmenter/mask"].count == FRAMES
    assert "bag" in (out / "report.html").read_text()


@pytest.mark.usefixtures("one_thread")
def test_compressed_images_are_scored_like_raw_ones(tmp_path: Path, node_model: Path, start: Start) -> None:
    messages = [
        (topic, own_time(index) + 20_000_000, compressed_message(frame(index), own_time(index)))
        for index in range(FRAMES)
        for topic, frame in (
            ("/rgb/image/compressed", rgb_frame),
            ("/thermal/image/compressed", thermal_frame),
        )
    ]
    bag = write_rosbag2(tmp_path / "bag", messages)
    transports = {"rgb_transport": "compressed", "thermal_transport": "compressed"}
    options = {"mode": "lossless", "use_sim_time": True, **transports}
    options["thermal__time_constant"] = Settings().thermal.time_constant
    with active_node(tmp_path / "node.txt", topics={}, model=node_model, **options):
        evaluation = start("-m", "rgbt_seg_ros.evaluate_bag", str(bag), "-o", str(tmp_path / "out"))
        remap = ["-r", "/rgb/image/compressed:=/rgb/image", "-r", "/thermal/image/compressed:=/thermal/image"]
        play(start, bag, "--rate", "0.5", "--ros-args", *remap)
        output, _ = evaluation.communicate(timeout=TIMEOUT_S)
    assert evaluation.returncode == 0, output
    settings = Settings(model=str(node_model), device="cpu")
    expected = segment_recording(Recording(bag), settings, tmp_path / "offline").to_json()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for key in ("pairs", "masks", "mask_hash", "bag_hash"):
        assert metrics[key] == expected[key]
    assert metrics["masks"] == FRAMES
    assert len(list((tmp_path / "out" / "pictures").glob("*_thermal.jpg"))) == FRAMES


def test_images_that_never_came_are_an_error_beside_the_numbers(
    tmp_path: Path, bag: Path, node: Path, start: Start
) -> None:
    out = tmp_path / "out"
    evaluation = start("-m", "rgbt_seg_ros.evaluate_bag", str(bag), "-o", str(out), "--idle", "6")
    # At half the speed: the node may find evaluate_bag later than the player does.
    play(start, bag, "--rate", "0.5", "--playback-duration", "1.05")
    output, _ = evaluation.communicate(timeout=TIMEOUT_S)
    assert evaluation.returncode == 1, output
    assert f"error: 9 rgb and 9 thermal images of {bag} never came" in output
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["masks"], metrics["missing"]) == (11, {"rgb": 9, "thermal": 9})


def test_useless_stamps_are_said_and_a_recording_is_scored_nevertheless(
    tmp_path: Path, node: Path, start: Start
) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(FRAMES), lambda index: 0, lambda index: 0))
    evaluation = start("-m", "rgbt_seg_ros.evaluate_bag", str(bag), "-o", str(tmp_path / "out"))
    play(start, bag, "--rate", "0.5", "--stamps", "receive")
    output, _ = evaluation.communicate(timeout=TIMEOUT_S)
    assert evaluation.returncode == 0, output
    assert "the header stamps of /rgb/image and /thermal/image are all zero: " in output
    assert "play --stamps receive" in output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["pairs"], metrics["masks"]) == (FRAMES, FRAMES)


def test_a_recording_of_best_effort_cameras_is_scored_as_it_was_recorded(
    tmp_path: Path, node_model: Path, start: Start
) -> None:
    """`ros2 bag play` offers what was recorded: whoever asks for reliable gets nothing, and hears why in the end."""
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(FRAMES)), qos=(BEST_EFFORT,))
    options = {"mode": "lossless", "use_sim_time": True, "input_reliability": "best_effort"}
    with active_node(tmp_path / "node.txt", topics={}, model=node_model, **options):
        out = tmp_path / "out"
        evaluation = start("-m", "rgbt_seg_ros.evaluate_bag", str(bag), "-o", str(out))
        play(start, bag, "--rate", "0.5", "--best-effort")
        output, _ = evaluation.communicate(timeout=TIMEOUT_S)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["masks"] == metrics["pairs"] >= FRAMES - 3
    # Best effort: on a busy machine the first images may come before the player has been found, which is an error.
    assert evaluation.returncode == (1 if metrics["missing"] else 0), output


@pytest.mark.parametrize("played", [False, True])
def test_images_that_do_not_come_in_time_are_an_error_with_its_cause(
    tmp_path: Path, bag: Path, start: Start, played: bool
) -> None:
    options = ["--wait", "4", "--input-reliability", "reliable"]
    if played:
        player = start("-m", "rgbt_seg_ros.play", str(bag), "--best-effort", "--loop", "1000")
    evaluation = start("-m", "rgbt_seg_ros.evaluate_bag", str(bag), "-o", str(tmp_path / "out"), *options)
    output, _ = evaluation.communicate(timeout=TIMEOUT_S)
    if played:
        player.terminate()
    assert evaluation.returncode == 1, output
    assert "waiting up to 4 s for /rgb/image and /thermal/image" in output
    assert f"error: the node got no image of {bag} within 4 s: " in output
    publishers = (
        "/rgbt_player publishes {} as sensor_msgs/msg/Image, best effort" if played else "nobody publishes {}"
    )
    assert publishers.format("/rgb/image") + "; " + publishers.format("/thermal/image") in output
