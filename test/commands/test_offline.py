"""The offline command: every pair, the node's core, the same result each time, errors in one sentence."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bags import START_NS, rgb_frame, thermal_frame, truncate, write_bag
from random_model import write_model
from rosbags.highlevel import AnyReader

from rgbt_seg_ros.bags.reader import Recording
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.images.codec import decode_rgb, decode_thermal
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.classes import MFNET, palette_for
from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.masks.overlay import draw_overlay
from rgbt_seg_ros.offline import main
from rgbt_seg_ros.registration.rules import Homography
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.segmenter import Segmentation, Segmenter

Start = Callable[..., "subprocess.Popen[str]"]
RGB_STAMPS = [START_NS + index * 100_000_000 for index in range(6)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "nano.safetensors")


EACH_BY_ITSELF = ("--thermal-time-constant", "0")
"""Limits of each thermal image, as a single pair has them."""


def offline(bag: Path, model: Path, output: Path, *options: str) -> dict[str, Any]:
    """Run the command on the CPU and return metrics.json. Thresholds at 0, as random weights are unsure."""
    thresholds = ["--score-threshold", "0.0", "--min-area", "1"]
    base = [str(bag), "--model", str(model), "--device", "cpu", "--output", str(output)]
    assert main([*base, *thresholds, *options]) == 0
    return json.loads((output / "metrics.json").read_text())


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory, model: Path) -> tuple[Path, Path, dict[str, Any]]:
    """A bag of six pairs, the folder of its offline run, and the metrics."""
    folder = tmp_path_factory.mktemp("offline")
    bag = write_bag(folder / "bag")
    return bag, folder / "out", offline(bag, model, folder / "out", *EACH_BY_ITSELF)


@pytest.fixture(scope="module")
def expected(model: Path) -> list[Segmentation]:
    """What the segmenter says about the six pairs as arrays."""
    segmenter = Segmenter.load(model, device="cpu")
    return [segmenter(rgb_frame(index), thermal_frame(index)) for index in range(6)]


def read_outputs(bag: Path) -> dict[str, list[Any]]:
    """Messages of a bag by topic."""
    messages: dict[str, list[Any]] = {}
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            messages.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    return messages


def test_metrics_have_the_promised_keys(segmented: tuple[Path, Path, dict[str, Any]]) -> None:
    bag, _, metrics = segmented
    assert (metrics["pairs"], metrics["masks"]) == (6, 6)
    assert metrics["detections"] > 0
    assert set(metrics["dropped"].values()) == {0}
    assert {"no_partner", "over_max_dt", "undecodable"} <= set(metrics["dropped"])
    assert metrics["skew_ms"] == {"p50": 3.0, "max": 3.0}
    stages = metrics["stages_ms"]
    assert list(stages) == ["decode", "preprocess", "inference", "postprocess", "detections"]
    for times in (metrics["latency_ms"], *stages.values()):
        assert 0 <= times["p50"] <= times["p95"] <= times["p99"]
    assert metrics["latency_ms"]["p50"] > stages["inference"]["p50"]
    assert metrics["bag_hash"] == Recording(bag).content_hash()
    assert len(metrics["mask_hash"]) == 64
    assert metrics["host"]["precision"] == "fp32"
    assert "miou" not in metrics


def test_objects_have_numbers_of_their_image_or_identities(
    segmented: tuple[Path, Path, dict[str, Any]], model: Path, tmp_path: Path
) -> None:
    def numbers(output: Path) -> list[list[int]]:
        images = read_outputs(output / "segmentation")["/rgbt_segmenter/detections"]
        return [[int(each.id) for each in image.detections] for image in images]

    bag, output, _ = segmented
    assert all(image == list(range(1, len(image) + 1)) for image in numbers(output))
    options = (*EACH_BY_ITSELF, "--tracking", "--tracking-min-iou", "0.1")
    metrics = offline(bag, model, tmp_path / "out", *options)
    assert metrics["mask_hash"] == segmented[2]["mask_hash"]
    tracked = numbers(tmp_path / "out")
    assert [len(image) for image in tracked] == [len(image) for image in numbers(output)]
    assert all(len(set(image)) == len(image) for image in tracked)
    assert set(tracked[0]) & set(tracked[1])


def test_the_report_is_of_this_run(
    segmented: tuple[Path, Path, dict[str, Any]], expected: list[Segmentation]
) -> None:
    """Confidence and times of single masks, pictures of every frame, counts over the recording's time."""
    _, output, metrics = segmented
    run = read_run(output)
    means = [float(segmentation.confidence.mean()) for segmentation in expected]
    assert [run.confidence[stamp] for stamp in RGB_STAMPS] == pytest.approx(means, abs=1 / 255)
    assert run.pictured_stamps() == RGB_STAMPS
    for mask in run.masks:
        assert list(mask.stage_ms) == list(metrics["stages_ms"])
        assert mask.latency_ms == pytest.approx(sum(mask.stage_ms.values()), abs=0.01)
    counts = [(report.stamp_ns, report.number("masks")) for report in run.diagnostics]
    assert counts == [(RGB_STAMPS[0], 1.0), (RGB_STAMPS[5], 6.0)]
    page = (output / "report.html").read_text()
    assert "Every one of the 6 pairs became a mask." in page
    for stamp in RGB_STAMPS:
        assert f'"stamp": "{stamp}"' in page


def test_masks_are_the_segmenters(
    segmented: tuple[Path, Path, dict[str, Any]], expected: list[Segmentation]
) -> None:
    _, output, _ = segmented
    assert [int(file.stem) for file in sorted((output / "masks").iterdir())] == RGB_STAMPS
    for stamp, segmentation in zip(RGB_STAMPS, expected, strict=True):
        mask = cv2.imread(str(output / "masks" / f"{stamp}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, segmentation.mask)


def test_mcap_holds_the_nodes_topics(
    segmented: tuple[Path, Path, dict[str, Any]], expected: list[Segmentation]
) -> None:
    _, output, metrics = segmented
    messages = read_outputs(output / "segmentation")
    assert set(messages) == {
        f"/rgbt_segmenter/{name}" for name in ("mask", "overlay", "detections", "label_info")
    }
    (label_info,) = messages["/rgbt_segmenter/label_info"]
    assert tuple(entry.class_name for entry in label_info.class_map) == MFNET.names
    found = 0
    for index, segmentation in enumerate(expected):
        mask, overlay, array = (
            messages[f"/rgbt_segmenter/{name}"][index] for name in ("mask", "overlay", "detections")
        )
        detections = find_detections(
            segmentation.mask, segmentation.confidence, MFNET.names, MFNET.things, 1, 0.0
        )
        found += len(detections)
        assert mask.encoding == "mono8"
        np.testing.assert_array_equal(decode_thermal(mask), segmentation.mask)
        picture = draw_overlay(rgb_frame(index), segmentation.mask, palette_for(MFNET.names), detections)
        np.testing.assert_array_equal(decode_rgb(overlay), picture)
        for message in (mask, overlay, array, *array.detections):
            stamp = message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == RGB_STAMPS[index]
            assert message.header.frame_id == "rgb_optical_frame"
        boxes = [
            (
                message.results[0].hypothesis.class_id,
                message.results[0].hypothesis.score,
                message.bbox.center.position.x,
                message.bbox.center.position.y,
                message.bbox.size_x,
                message.bbox.size_y,
            )
            for message in array.detections
        ]
        assert boxes == [
            (d.class_name, pytest.approx(d.score, rel=1e-6), d.center_x, d.center_y, d.size_x, d.size_y)
            for d in detections
        ]
    assert metrics["detections"] == found


def test_twice_gives_equal_hashes_and_replaces_the_first_run(
    segmented: tuple[Path, Path, dict[str, Any]], model: Path
) -> None:
    bag, output, first = segmented
    second = offline(bag, model, output, *EACH_BY_ITSELF)
    assert second["mask_hash"] == first["mask_hash"]
    assert second["bag_hash"] == first["bag_hash"]


def test_other_masks_have_another_hash(
    tmp_path: Path, model: Path, segmented: tuple[Path, Path, Any]
) -> None:
    shorter = offline(write_bag(tmp_path / "bag", rgb_count=5), model, tmp_path / "out")
    assert (shorter["pairs"], shorter["mask_hash"] == segmented[2]["mask_hash"]) == (5, False)


def test_labels_are_scored(tmp_path: Path, model: Path, expected: list[Segmentation]) -> None:
    """Labels equal to the masks score 1; one that is shifted by a class lowers it; both ways to give them."""
    bag = write_bag(tmp_path / "bag")
    (bag / "labels").mkdir()
    for index in (0, 2):
        cv2.imwrite(str(bag / "labels" / f"{RGB_STAMPS[index]}.png"), expected[index].mask)
    metrics = offline(bag, model, tmp_path / "out")
    assert (metrics["miou"], metrics["labelled_masks"]) == (1.0, 2)
    assert set(metrics["iou"]) == set(MFNET.names)

    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "labels" / f"{RGB_STAMPS[3]}.png"), (expected[3].mask + 1) % 9)
    metrics = offline(bag, model, tmp_path / "out", "--labels", str(tmp_path / "labels"))
    assert (metrics["miou"], metrics["labelled_masks"]) == (0.0, 1)


def test_an_undecodable_image_costs_its_pair_only(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        for index, stamp in enumerate(RGB_STAMPS):
            # One is above the limit, and refused by its size.
            height = 49 if index == 4 else 48
            rgb = bag.image(rgb_frame(index, height), stamp, "camera")
            if index == 2:
                rgb.encoding = "yuv422"
            bag.write("/rgb/image", rgb, stamp)
            bag.write("/thermal/image", bag.image(thermal_frame(index), stamp, "camera"), stamp)
    metrics = offline(tmp_path / "bag", model, tmp_path / "out", "--max-pixels", str(48 * 64))
    assert (metrics["pairs"], metrics["masks"], metrics["dropped"]["undecodable"]) == (6, 4, 2)
    assert f"the pair at {RGB_STAMPS[2]} ns cannot be decoded" in capsys.readouterr().err


def test_thermal_options_reach_the_pair(
    tmp_path: Path, segmented: tuple[Path, Path, dict[str, Any]], model: Path
) -> None:
    options = ["--thermal-normalization", "fixed", "--thermal-range-low", "10", "--thermal-range-high", "90"]
    matrix = [2.0, 0.0, 5.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]
    options += ["--registration", "homography", "--homography", *map(str, matrix)]
    metrics = offline(segmented[0], model, tmp_path / "out", *options)
    assert metrics["mask_hash"] != segmented[2]["mask_hash"]
    normalization = ThermalNormalization("fixed", 10.0, 90.0)
    segmenter = Segmenter.load(model, device="cpu", thermal=normalization)
    for index, stamp in enumerate(RGB_STAMPS):
        rgb = rgb_frame(index)
        thermal, valid = Homography(matrix)(thermal_frame(index), rgb.shape[:2])
        mask = cv2.imread(str(tmp_path / "out" / "masks" / f"{stamp}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, segmenter(rgb, thermal, valid).mask)


def test_registration_on_a_plane_is_refused_in_a_sentence(
    tmp_path: Path,
    segmented: tuple[Path, Path, dict[str, Any]],
    model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--model", str(model), "--output", str(tmp_path / "out"), "--registration", "plane"]
    assert main([str(segmented[0]), *options]) == 1
    assert "registration plane needs the camera_infos" in capsys.readouterr().err


def test_pairing_options_reach_the_pairer(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Thermal is 3 ms late: too far for --max-dt 0.002 until --thermal-offset takes it back."""
    bag = write_bag(tmp_path / "bag")
    tight = [str(bag), "--model", str(model), "--output", str(tmp_path / "out"), "--max-dt", "0.002"]
    assert main(tight) == 1
    assert "has a thermal partner" in capsys.readouterr().err
    metrics = offline(bag, model, tmp_path / "out", "--max-dt", "0.002", "--thermal-offset", "-0.003")
    assert metrics["pairs"] == 6
    assert metrics["skew_ms"]["max"] == 0.0


def test_a_truncated_bag_is_one_sentence_and_exit_code_1(tmp_path: Path, start: Start, model: Path) -> None:
    bag = write_bag(tmp_path / "bag")
    truncate(bag)
    output = tmp_path / "out"
    process = start("-m", "rgbt_seg_ros.offline", str(bag), "--model", str(model), "--output", str(output))
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert text.startswith(f"error: {bag} is damaged or truncated")
    assert len(text.strip().splitlines()) == 1
    assert not output.exists()


def test_missing_topics_are_one_sentence(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_bag(tmp_path / "whole")
    no_thermal = write_bag(tmp_path / "no_thermal", thermal_count=0)
    options = ["--model", str(model), "--output", str(tmp_path / "out")]
    held = "it holds /rgb/image (sensor_msgs/msg/Image)"
    for arguments, sentence in (
        (
            [str(no_thermal)],
            f"has no thermal topic /thermal/image, {held}: name the topic with --thermal-topic",
        ),
        (
            [str(whole), "--thermal-topic", "/lwir/image"],
            f"has no thermal topic /lwir/image, {held}, /thermal",
        ),
        ([str(whole), "--rgb-topic", "/cam"], f"has no rgb topic /cam, {held}, /thermal"),
    ):
        assert main([*arguments, *options]) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_bad_labels_and_outputs_are_named(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / "bag")
    base = [str(bag), "--model", str(model), "--output", str(tmp_path / "out")]
    foreign, misfit = tmp_path / "foreign", tmp_path / "misfit"
    for folder, stamp, label in (
        (foreign, 5, np.zeros((48, 64), np.uint8)),
        (misfit, RGB_STAMPS[0], np.zeros((4, 4), np.uint8)),
    ):
        folder.mkdir()
        cv2.imwrite(str(folder / f"{stamp}.png"), label)
    for folder, sentence in ((foreign, "none of the 1 labels"), (misfit, "does not fit its mask")):
        assert main([*base, "--labels", str(folder)]) == 1
        assert sentence in capsys.readouterr().err
    (tmp_path / "out" / "thesis.tex").touch()
    assert main(base) == 1
    assert "holds other things (thesis.tex)" in capsys.readouterr().err
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_a_bad_setting_names_its_parameter(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / "bag")
    assert main([str(bag), "--output", str(tmp_path / "out"), "--max-dt", "-1"]) == 1
    assert "parameter sync.max_dt must be a number from 0 to 10" in capsys.readouterr().err


def smooth(index: int) -> np.ndarray:
    """Warmth that differs from frame to frame, uint8."""
    return np.tile(np.roll(np.linspace(10, 240, 64).astype(np.uint8), 5 * index), (48, 1))


def write_thermal_bag(path: Path, thermal: list[tuple[str, np.ndarray]]) -> Path:
    """A bag of RGB images and of thermal ones of an encoding and pixels."""
    with BagWriter(path) as bag:
        for index, (encoding, pixels) in enumerate(thermal):
            stamp = START_NS + index * 100_000_000
            bag.write("/rgb/image", bag.image(rgb_frame(index), stamp, "rgb"), stamp)
            image = replace(
                bag.image(np.zeros((1, 1), np.uint8), stamp, "thermal"),
                height=len(pixels),
                width=pixels.shape[1],
                encoding=encoding,
                step=pixels.nbytes // len(pixels),
                data=np.frombuffer(pixels.tobytes(), np.uint8),
            )
            bag.write("/thermal/image", image, stamp)
    return path


def detections_of(output: Path) -> list[Any]:
    messages = read_outputs(output / "segmentation")["/rgbt_segmenter/detections"]
    return [[d.results[0].hypothesis.score for d in message.detections] for message in messages]


@pytest.mark.parametrize(
    ("encoding", "paint", "options"),
    [
        ("bgr8", lambda t: cv2.applyColorMap(t, cv2.COLORMAP_JET), ()),
        ("rgb8", lambda t: cv2.applyColorMap(t, cv2.COLORMAP_HOT)[..., ::-1], ()),
        ("8UC3", lambda t: cv2.applyColorMap(t, cv2.COLORMAP_RAINBOW), ("--thermal-palette", "rainbow")),
        ("mono8", lambda t: 255 - t, ("--thermal-palette", "black-hot")),
    ],
)
def test_false_colours_give_the_answers_of_their_values(
    tmp_path: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
    paint: Callable[[np.ndarray], np.ndarray],
    options: tuple[str, ...],
) -> None:
    plain = write_thermal_bag(tmp_path / "plain", [("mono8", smooth(i)) for i in range(3)])
    painted = write_thermal_bag(tmp_path / "painted", [(encoding, paint(smooth(i))) for i in range(3)])
    expected = offline(plain, model, tmp_path / "plain_out")
    capsys.readouterr()
    found = offline(painted, model, tmp_path / "painted_out", *options)
    assert found["masks"] == 3
    assert found["mask_hash"] == expected["mask_hash"]
    assert detections_of(tmp_path / "painted_out") == detections_of(tmp_path / "plain_out")
    said = capsys.readouterr().out.count("thermal is in the false colours of")
    assert said == (0 if encoding == "mono8" else 1)


def test_temperatures_give_the_answers_of_their_counts(tmp_path: Path, model: Path) -> None:
    counts = [29_000 + 4 * smooth(i).astype(np.uint16) for i in range(3)]
    plain = write_thermal_bag(tmp_path / "plain", [("mono16", c) for c in counts])
    expected = offline(plain, model, tmp_path / "plain_out")
    kinds: list[tuple[str, list[np.ndarray], tuple[str, ...]]] = [
        ("32FC1", [(c / 100).astype(np.float32) for c in counts], ()),
        (
            "32FC1",
            [(c / 100 - 273.15).astype(np.float32) for c in counts],
            ("--thermal-float-unit", "celsius"),
        ),
        ("16SC1", [(c.astype(np.int32) - 32768).astype(np.int16) for c in counts], ()),
    ]
    for number, (encoding, images, options) in enumerate(kinds):
        bag = write_thermal_bag(tmp_path / f"bag{number}", [(encoding, image) for image in images])
        found = offline(bag, model, tmp_path / f"out{number}", *options)
        assert found["mask_hash"] == expected["mask_hash"], encoding
        assert detections_of(tmp_path / f"out{number}") == detections_of(tmp_path / "plain_out"), encoding


def test_a_photograph_on_the_thermal_topic_ends_with_the_parameter(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_thermal_bag(tmp_path / "bag", [("rgb8", rgb_frame(i + 10)) for i in range(3)])
    base = [str(bag), "--model", str(model), "--device", "cpu"]
    assert main([*base, "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert (
        "the thermal image with encoding 'rgb8' is in colours that are those of no palette known here"
        in error
    )
    assert "set thermal.palette" in error
    assert "Traceback" not in error
    assert main([*base, "--output", str(tmp_path / "out"), "--thermal-palette", "none"]) == 0
