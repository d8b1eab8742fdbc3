"""What the recorder writes is what is read back."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded_runs import DIAGNOSTICS, LATENCIES_MS, SKEWS_MS, mask, stamp, write_run

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.masks.hash import MaskHash
from rgbt_seg_ros.runs.folder import read_lines, read_run
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
