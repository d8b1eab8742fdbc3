"""The demo as users call it: three real processes over DDS on a short recording, and its failures in one sentence."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import cv2
import pytest
from bags import START_NS, rgb_frame, thermal_frame
from named_files import check_named
from random_model import write_model
from waiting import wait_for
from watch_client import Stream

from faults.processes import start
from rgbt_seg_ros.bags.reader import RGB_TOPIC, THERMAL_TOPIC
from rgbt_seg_ros.bags.rendered import write_rendered_bag
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.demo import main
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.work.demo import DemoRecording, playback_rate

TIMEOUT_S = 240


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of rendered night: 20 RGB and 18 thermal images, with labels."""
    path = tmp_path_factory.mktemp("demo") / "bag"
    write_rendered_bag(path, 1, 2.0, size=(120, 160), thermal_size=(60, 80), conditions=("night",))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("demo") / "random.safetensors")


@pytest.mark.parametrize("arch", ["shifnet", "sartm"])
def test_demo_of_a_recording(repository: Path, bag: Path, arch: str, tmp_path: Path) -> None:
    model, out = write_model(tmp_path / f"{arch}.safetensors", arch=arch), tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "rgbt_seg_ros.demo", "--bag", bag, "--model", model, "-o", out],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
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
    page = (out / "report.html").read_text()
    assert "Every one of the 18 pairs became a mask." in page
    check_report_data(page)
    assert f"report: {out / 'report.html'}" in done.stdout
    assert [path.name for path in check_named(done.stdout, out, set())][:2] == ["report.html", "overlay.mp4"]
    assert {path.stem for path in out.glob("*.log")} == {"node", "player", "recorder"}


def test_the_live_page_is_there_while_the_demo_plays(
    repository: Path, bag: Path, model: Path, tmp_path: Path
) -> None:
    out, opened = tmp_path / "out", tmp_path / "opened.txt"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    # Python's own way to name a browser; the display is only asked for.
    environment = {**os.environ, "DISPLAY": ":1", "BROWSER": f"{browser} %s"}
    demo = subprocess.Popen(
        [sys.executable, "-m", "rgbt_seg_ros.demo", "--live", "--bag", bag, "--model", model, "-o", out],
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        address = next(
            line.split()[-1] for line in demo.stdout if line.startswith("live page, while this plays: ")
        )
        port = int(address.rstrip("/").rpartition(":")[2])
        with urlopen(address, timeout=TIMEOUT_S) as page:
            assert b"RGB-T segmentation, live" in page.read()
        with Stream(port, "/numbers") as numbers:
            wait_for(lambda: any(item["values"] for item in numbers.items), "the node's report")
        rest = demo.stdout.read()
        assert demo.wait(TIMEOUT_S) == 0, rest
    finally:
        demo.kill()
        demo.wait()
    assert f"report: {out / 'report.html'}" in rest
    assert opened.read_text() == f"{address}\n"
    assert processes_with(str(out)) == []
    with pytest.raises(URLError):
        urlopen(address, timeout=TIMEOUT_S)
    assert "Traceback" not in (out / "view.log").read_text()
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["rgb_in"], summary["masks"]) == (20, 18), "who looks costs no image"


def check_report_data(page: str) -> None:
    """Every frame has all pictures, its label among them; the charts have what the node said over time."""
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    kinds = {"rgb", "thermal", "confidence", "mask", "truth", "errors"}
    assert [set(frame["pictures"]) for frame in data["frames"]] == [kinds] * 18
    charts = {chart["title"]: chart["data"] for chart in data["charts"]}
    assert set(charts) == {"State", "Latency", "Skew", "Dropped", "Detections"}
    assert [name for name, _ in charts["State"]["rows"]] == ["node", "RGB", "thermal"]
    assert len(charts["Latency"]["series"]["latency"]) == 18


def test_a_broken_model_is_one_sentence(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no model")
    (tmp_path / "report.html").write_text("of an earlier run")
    assert main(["--bag", str(bag), "--model", str(broken), "-o", str(tmp_path)]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert str(broken) in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


def test_no_mask_is_a_failure_with_the_node_s_words(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """RGB and thermal images half an hour apart make no pair."""
    with BagWriter(tmp_path / "bag") as bag:
        for index in range(3):
            stamp = START_NS + index * 100_000_000
            bag.write(RGB_TOPIC, bag.image(rgb_frame(index), stamp, "rgb"), stamp)
            late = stamp + 1800 * 1_000_000_000
            bag.write(THERMAL_TOPIC, bag.image(thermal_frame(index), late, "thermal"), stamp)
    out = tmp_path / "out"
    assert main(["--bag", str(tmp_path / "bag"), "--model", str(model), "-o", str(out)]) == 1
    assert "error: no mask came; the node's last lines: " in capsys.readouterr().err
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["masks"], summary["pairs"], summary["rgb_in"]) == (0, 0, 3)
    assert "No mask came." in (out / "report.html").read_text()


def test_sigterm_ends_the_three_processes_as_well(
    repository: Path, bag: Path, model: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "out", tmp_path / "demo.log"
    demo = start(["rgbt_seg_ros.demo", "--bag", str(bag), "--model", str(model), "-o", str(out)], log)
    end = time.monotonic() + TIMEOUT_S
    while not (out / "player.log").is_file():
        assert demo.poll() is None, log.read_text()
        assert time.monotonic() < end
        time.sleep(0.05)
    demo.terminate()
    assert demo.wait(TIMEOUT_S) == 143
    assert log.read_text().endswith("terminated\n")
    assert processes_with(str(out)) == []
    for file in (log, *out.glob("*.log")):
        assert "Traceback" not in file.read_text()
    assert not (out / "report.html").exists()


def processes_with(argument: str) -> list[str]:
    """Command lines of running processes that have this in them."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_text() if entry.name.isdecimal() else ""
            found += [words] if argument in words else []
    return found


@pytest.mark.parametrize("arguments", [["--rgb", "only.mp4"], ["--bag", "b", "--rgb", "a", "--thermal", "c"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "or both --rgb and --thermal" in capsys.readouterr().err


def test_playback_rate_leaves_spare_time(bag: Path) -> None:
    source = DemoRecording.of(bag, "bag")
    assert source.pairs_hz == pytest.approx(18 / 1.9, rel=0.03)
    assert playback_rate(source, pair_ms=1.0) == 1.0
    assert playback_rate(source, pair_ms=200.0) == pytest.approx(1 / (1.5 * 0.2 * source.pairs_hz), rel=0.05)
    assert playback_rate(source, pair_ms=1e6) == 0.03
