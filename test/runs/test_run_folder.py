"""What the recorder writes is what is read back."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded_runs import DIAGNOSTICS, LATENCIES_MS, SKEWS_MS, mask, stamp, write_run

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.masks.hash import MaskHash
from rgbt_seg_ros.runs.folder import Box, read_lines, read_run
from rgbt_seg_ros.runs.video import VideoWriter
from rgbt_seg_ros.runs.writer import RunWriter


def test_everything_written_is_read_back(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path))
    assert run.class_names == MFNET.names
    assert [entry.stamp_ns for entry in run.masks] == [stamp(i) for i in range(10)]
    assert tuple(entry.latency_ms for entry in run.masks) == LATENCIES_MS
    assert tuple(entry.skew_ms for entry in run.masks) == SKEWS_MS
    assert run.masks[3].pixels == {0: 48 * 64 - 8 * 48 - 100, 1: 8 * 48, 2: 100}
    assert np.array_equal(run.mask_image(stamp(3)), mask(3))
    assert [box.class_name for box in run.detections[stamp(1)]] == ["car", "person"]
    assert run.diagnostics[-1].values == DIAGNOSTICS
    assert [(line.level, line.stamp_ns) for line in run.diagnostics] == [("warn", stamp(5)), ("ok", stamp(9))]
    assert [round(255 * run.confidence[stamp(i)]) for i in range(10)] == [250 - 20 * i for i in range(10)]
    assert run.truth_image(stamp(3)) is None


def test_former_spellings_of_classes_are_read_alike(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(MFNET.published))
    boxes = tmp_path / "detections.jsonl"
    boxes.write_text(boxes.read_text().replace('"person"', '"color_cone"'))
    run = read_run(tmp_path)
    assert run.class_names == MFNET.names
    assert [box.class_name for box in run.detections[stamp(1)]] == ["car", "color cone"]


def test_pictures_are_thinned_evenly(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, masks=50, max_pictures=8))
    assert run.pictured_stamps() == [stamp(i) for i in range(0, 50, 8)]


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    write_run(tmp_path, masks=10)
    run = read_run(write_run(tmp_path, masks=3))
    assert len(run.masks) == len(list(tmp_path.glob("masks/*.png"))) == len(run.pictured_stamps()) == 3


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n{"a": 2')
    assert read_lines(path) == [{"a": 1}]


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no masks\.jsonl"):
        read_run(tmp_path)
    write_run(tmp_path, masks=2)
    (tmp_path / "detections.jsonl").write_text("no json\n")
    with pytest.raises(UserError, match=r"detections\.jsonl is damaged"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "line", "place"),
    [
        ("masks", "[]", r"line 3: \$: expected an object"),
        ("masks", "{}", r"line 3: \$: object missing required field stamp_ns"),
        ("masks", '{"stamp_ns": %s, "received_s": 1}' % ("9" * 30), r"\$\.stamp_ns: expected a whole number <= "),
        (
            "masks",
            '{"stamp_ns": 1, "received_s": 1, "latency_ms": null, "skew_ms": null, "pixels": {"70000": 1}}',
            r"\$\.pixels: expected a whole number <= 65535",
        ),
        (
            "masks",
            '{"stamp_ns": 1, "received_s": 1, "latency_ms": 1e99, "skew_ms": null, "pixels": {}}',
            r"\$\.latency_ms: expected a number",
        ),
        ("masks", '{"a":' + "[" * 1000 + "]" * 1000 + "}", "line 3: it is nested deeper"),
        ("masks", " " * (17 << 20), "line 3: it is longer than"),
        ("confidence", '{"stamp_ns": 1, "mean": 2.5}', r"\$\.mean: expected a number"),
        ("detections", '{"stamp_ns": 1, "detections": [3]}', r"\$\.detections\[0\]: expected an object"),
        ("diagnostics", '{"level": "great", "message": "", "values": {}}', r"\$\.level: invalid enum value"),
        ("diagnostics", '{"level": "ok", "message": "", "values": {"pairs": 3}}', r"\$\.values\[\.\.\.\]: expected"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_line_that_is_none_is_named_with_its_place(
    tmp_path: Path, name: str, line: str, place: str
) -> None:
    path = write_run(tmp_path, masks=2) / f"{name}.jsonl"
    lines = path.read_text().splitlines()[:2]
    path.write_text("\n".join([*lines, line, *lines]) + "\n")
    with pytest.raises(UserError, match=rf"{name}\.jsonl is damaged \(.*{place}.*\): record the run again$"):
        read_run(tmp_path)


@pytest.mark.parametrize("content", ["{}", '"car"', "[1]", '["car"', "[" * 100_000])
def test_class_names_that_are_none_are_named(tmp_path: Path, content: str) -> None:
    (write_run(tmp_path, masks=2) / "classes.json").write_text(content)
    with pytest.raises(UserError, match=r"classes\.json is damaged \(.*\): record the run again$"):
        read_run(tmp_path)


def test_what_later_versions_may_add_is_left_out(tmp_path: Path) -> None:
    before = read_run(write_run(tmp_path, masks=2))
    for path in tmp_path.glob("*.jsonl"):
        path.write_text(path.read_text().replace('{"stamp_ns"', '{"new": [{"a": null}], "stamp_ns"'))
    assert read_run(tmp_path) == before


def test_numbers_that_are_not_finite_come_back_as_unknown(tmp_path: Path) -> None:
    """From the wire anything can come; earlier versions wrote it as bare NaN."""
    nothing = float("nan")
    writer = RunWriter(tmp_path)
    writer.add_mask(1, mask(0), 1.0, nothing, float("inf"))
    writer.add_detections(1, [Box("car", nothing, 1.0, 2.0, nothing, float("-inf"))])
    writer.add_diagnostics(1, 0, "", {"pairs": "nan", "masks": "1e999", "rgb_in": "9" * 400})
    writer.close()
    with open(tmp_path / "confidence.jsonl", "a") as file:
        file.write('{"stamp_ns": 1, "mean": NaN}\n{"stamp_ns": 2, "mean": 0.5}\n')
    for path in tmp_path.glob("*.jsonl"):
        assert path.name == "confidence.jsonl" or not re.search("NaN|Infinity", path.read_text())
    run = read_run(tmp_path)
    assert (run.masks[0].latency_ms, run.masks[0].skew_ms) == (None, None)
    assert run.detections == {1: (Box("car", None, 1.0, 2.0, None, None),)}
    assert run.confidence == {2: 0.5}
    assert [run.diagnostics[0].number(key) for key in ("pairs", "masks", "rgb_in")] == [None] * 3


def test_pictures_of_others_are_left_alone_while_a_run_is_thinned(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    others = [tmp_path / "pictures" / name for name in ("mine.jpg", "_.jpg", "x_rgb.jpg", "²_rgb.jpg")]
    for path in others:
        path.write_bytes(b"mine")
    run = read_run(write_run(tmp_path, masks=50, max_pictures=8))
    assert run.pictured_stamps() == [stamp(i) for i in range(0, 50, 8)]
    assert [path.read_bytes() for path in others] == [b"mine"] * len(others)


def test_pictures_of_other_names_are_none_of_the_run_s(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, masks=2))
    for name in ("x_rgb", "_rgb", f"{'9' * 5000}_rgb"[:200], "1_depth", "1_rgb_2", "٣_rgb"):
        (tmp_path / "pictures" / f"{name}.jpg").write_bytes(b"\xff\xd8")
    assert run.pictured_stamps() == [stamp(0), stamp(1)]


def test_a_mask_that_is_no_image_of_class_ids_is_named(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, masks=1))
    cv2.imwrite(str(tmp_path / "masks" / f"{stamp(0)}.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match=r"\.png is not an image of 8 or 16 bits with one channel"):
        run.mask_image(stamp(0))


def test_video_runs_as_the_recording_did(tmp_path: Path) -> None:
    """A frame is shown until the next one's stamp, and a long pause is cut out."""
    writer = VideoWriter(tmp_path / "video.mp4", rate=20.0)
    for seconds, grey in ((0.0, 0), (0.5, 100), (0.6, 200), (1000.0, 250)):
        # Odd sides: the codec needs even ones.
        writer.add(round(seconds * 1e9), np.full((47, 63, 3), grey, np.uint8))
    writer.close()
    video = cv2.VideoCapture(str(tmp_path / "video.mp4"))
    greys = []
    while (read := video.read())[0]:
        greys.append(round(float(read[1][:40, :40].mean()) / 50) * 50)
    assert greys == [0] * 10 + [100] * 2 + [200] + [250]
    assert video.get(cv2.CAP_PROP_FPS) == 20.0


def test_video_refuses_another_size(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "video.mp4")
    writer.add(0, np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="the image is"):
        writer.add(1, np.zeros((24, 64, 3), np.uint8))
    writer.close()


def test_the_hash_is_of_every_mask_in_order_even_two_of_one_image(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    expected = MaskHash()
    # An RGB image may be the nearest of two thermal ones and be answered twice.
    for index, which in ((0, 0), (1, 1), (1, 2)):
        writer.add_mask(stamp(index), mask(which), 50.0, None, None)
        expected.add(mask(which))
    writer.close()
    assert writer.mask_hash.hexdigest == expected.hexdigest
    assert writer.mask_hash.hexdigest != MaskHash().hexdigest
