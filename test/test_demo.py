"""The demo as users call it: three real processes over DDS on a short recording, and its failures in one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from random_model import write_model

from rgbt_seg_ros.classes import MFNET
from rgbt_seg_ros.render_bag import write_rendered_bag

TIMEOUT_S = 240


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of rendered night: 20 RGB and 18 thermal images, with labels."""
    path = tmp_path_factory.mktemp("demo") / "bag"
    write_rendered_bag(path, 0, 2.0, size=(120, 160), thermal_size=(60, 80), conditions=("night",))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("demo") / "random.safetensors")


def run_demo(repository: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rgbt_seg_ros.demo", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def test_demo_of_a_recording(repository: Path, bag: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run_demo(repository, "--bag", str(bag), "--model", str(model), "-o", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((out / "summary.json").read_text())
    # The thermal camera is the slower one: each of its images has one RGB image within 50 ms.
    assert summary["pairs"] == summary["masks"] == 18
    assert summary["rgb_in"] == 20
    assert summary["dropped"]["not_received"] == 0
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert 0 <= summary["skew_ms"]["p50"] <= summary["skew_ms"]["max"] <= 50
    assert 0 < summary["playback_rate"] <= 1
    assert summary["labelled_masks"] == 18
    assert tuple(summary["iou"]) == MFNET.names
    assert 0 <= summary["miou"] < 1
    assert summary["model"] == str(model)
    assert summary["host"]["cores"]
    assert isinstance(summary["detections"], int)
    masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in out.glob("masks/*.png")]
    assert {mask.shape for mask in masks} == {(120, 160)}
    assert len(masks) == 18
    assert cv2.VideoCapture(str(out / "overlay.mp4")).read()[0]
    assert "Every one of the 18 pairs became a mask." in (out / "report.html").read_text()
    assert f"report: {out / 'report.html'}" in done.stdout
    assert {path.stem for path in out.glob("*.log")} == {"node", "player", "recorder"}


def test_a_broken_model_is_one_sentence(repository: Path, bag: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no model")
    done = run_demo(repository, "--bag", str(bag), "--model", str(broken), "-o", str(tmp_path / "out"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert str(broken) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "report.html").exists()


def test_wrong_usage(repository: Path) -> None:
    done = run_demo(repository, "--rgb", "only.mp4")
    assert done.returncode == 2
    assert "both --rgb and --thermal" in done.stderr
