"""Several recordings: a folder each, one report of all, the same numbers from one process and from torchrun's two."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from bags import START_NS, write_bag
from places import REPOSITORY
from random_model import write_model

from rgbt_seg_ros.offline import distinct_names, main

OPTIONS = ("--device", "cpu", "--score-threshold", "0.0", "--min-area", "1")
TIMEOUT_S = 300.0


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three: the second one is damaged, the third one has labels; the first and the third have the same name."""
    folder = tmp_path_factory.mktemp("recordings")
    write_bag(folder / "monday" / "bag")
    (folder / "broken").mkdir()
    (folder / "broken" / "metadata.yaml").write_text("rosbag2_bagfile_information: 3\n")
    write_bag(folder / "tuesday" / "bag")
    labels = folder / "tuesday" / "bag" / "labels"
    labels.mkdir()
    label = np.zeros((48, 64), np.uint8)
    label[:, 20:] = 1
    for number in (0, 3):
        assert cv2.imwrite(str(labels / f"{START_NS + number * 100_000_000}.png"), label)
    return [folder / "monday" / "bag", folder / "broken", folder / "tuesday" / "bag"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "nano.safetensors")


@pytest.fixture(scope="module")
def alone(recordings: list[Path], model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("alone") / "out"
    done = run_offline([], [*map(str, recordings), "--model", str(model), "-o", str(output), *OPTIONS])
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: 1 of 3 recordings could not be segmented (broken)")
    assert "12 masks of 3 recordings" in done.stdout
    return output


def run_offline(launcher: list[str], arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """The command, as a user starts it, with one thread a process."""
    return subprocess.run(
        [sys.executable, *launcher, "-m", "rgbt_seg_ros.offline", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def without_times(value: Any) -> Any:
    """bags.json without what differs from run to run."""
    times = ("latency_ms", "stages_ms", "masks_hz", "possible_hz")
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in times}
    return value


def read(output: Path) -> dict[str, Any]:
    return json.loads((output / "bags.json").read_text())


def test_each_has_its_folder_and_all_have_one_report(
    alone: Path, model: Path, recordings: list[Path]
) -> None:
    joint = read(alone)
    assert list(joint["bags"]) == ["monday_bag", "broken", "tuesday_bag"]
    assert "holds no messages" in joint["bags"]["broken"]["error"]
    assert (joint["pairs"], joint["masks"]) == (12, 12)
    assert joint["detections"] == sum(
        joint["bags"][name]["detections"] for name in ("monday_bag", "tuesday_bag")
    )
    # One of them has labels, so that its scores are those of all.
    assert joint["labelled_masks"] == 2
    assert joint["iou"] == joint["bags"]["tuesday_bag"]["iou"]
    for name in ("monday_bag", "tuesday_bag"):
        metrics = json.loads((alone / name / "metrics.json").read_text())
        assert metrics == joint["bags"][name]
        assert (alone / name / "report.html").is_file()
    page = (alone / "report.html").read_text()
    for name in ("monday_bag", "tuesday_bag"):
        assert f'href="{name}/report.html"' in page
    assert joint["bags"]["broken"]["error"].split(":")[0] in page
    assert joint["mask_hash"] in page


def test_masks_are_those_of_each_recording_by_itself(
    alone: Path, model: Path, recordings: list[Path]
) -> None:
    output = alone.parent / "single"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert main([str(recordings[0]), "--model", str(model), "-o", str(output), *OPTIONS]) == 0
    finally:
        torch.set_num_threads(threads)
    single = json.loads((output / "metrics.json").read_text())
    assert without_times(single) == without_times(read(alone)["bags"]["monday_bag"])


def test_two_processes_give_the_same_numbers(alone: Path, model: Path, recordings: list[Path]) -> None:
    output = alone.parent / "shared"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = run_offline(launcher, [*map(str, recordings), "--model", str(model), "-o", str(output), *OPTIONS])
    assert "error: 1 of 3 recordings could not be segmented (broken)" in done.stderr
    assert done.returncode == 1
    assert done.stdout.count("12 masks of 3 recordings") == 1
    assert without_times(read(output)) == without_times(read(alone))
    assert (output / "report.html").is_file()


def test_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "bag", tmp_path / "b" / "bag", tmp_path / "c" / "x.mcap"]
    assert list(distinct_names(paths)) == ["a_bag", "b_bag", "x.mcap"]


@pytest.mark.parametrize("fault", ["missing", "twice", "labels"])
def test_what_cannot_be_used_is_refused_at_once(
    recordings: list[Path], model: Path, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given, expected = {
        "missing": ([recordings[0], tmp_path / "none"], "there is no recording"),
        "twice": ([recordings[0], recordings[0]], "is given twice"),
        "labels": ([recordings[0], recordings[2], "--labels", tmp_path / "none"], "there is no folder"),
    }[fault]
    assert main([*map(str, given), "--model", str(model), "-o", str(tmp_path / "out"), *OPTIONS]) == 1
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
