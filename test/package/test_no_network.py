"""Nothing needs a network at run time, and nothing asks for one; `make offline-test` runs far more without one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from in_empty_network import NOT_PERMITTED
from places import REPOSITORY
from recorded_runs import write_run

from rgbt_seg_ros import render_bag
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summarize import summarize

NODE = "test/ros/test_node.py::test_every_output_carries_the_rgb_header"
WATCH = "test/ros/test_watch.py::test_numbers_are_those_of_the_diagnostics"
TRAIN = "test/training/test_train.py::test_run_leaves_configuration_metrics_state_and_a_model_that_segments"
PYTEST = ["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
pytestmark = pytest.mark.ros
SUPPORT = REPOSITORY / "test" / "support"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of images and a run."""
    folder = tmp_path_factory.mktemp("inputs")
    noise = np.random.default_rng(0)
    cv2.imwrite(str(folder / "rgb.png"), noise.integers(0, 256, (64, 96, 3), np.uint8))
    cv2.imwrite(str(folder / "thermal.png"), noise.integers(0, 256, (64, 96), np.uint8))
    summarize(read_run(write_run(folder / "run"))).write(folder / "run" / "summary.json")
    assert render_bag.main(["-o", str(folder / "bag"), "--duration", "0.5"]) == 0
    return folder


def commands(inputs: Path) -> dict[str, list[str]]:
    """What a user runs on a robot or at a desk, with real data, by name."""
    images = [str(inputs / "rgb.png"), str(inputs / "thermal.png")]
    return {
        "segment": ["rgbt_seg_ros.segment", *images, "-o", str(inputs / "out.png")],
        "report": ["rgbt_seg_ros.report", str(inputs / "run")],
        "offline": ["rgbt_seg_ros.offline", str(inputs / "bag"), "--output", str(inputs / "offline")],
    }


def run(
    command: Sequence[str], before: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", *command],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_commands_work_and_the_node_answers_without_a_network(inputs: Path) -> None:
    empty = [sys.executable, str(SUPPORT / "in_empty_network.py")]
    done = run(commands(inputs)["offline"], empty)
    if done.returncode == NOT_PERMITTED:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    done = run([*PYTEST, NODE], empty)
    assert done.returncode == 0, done.stdout
    assert re.search(r"[1-9]\d* passed", done.stdout)


def test_the_network_without_any_is_one() -> None:
    outside = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    program = [sys.executable, str(SUPPORT / "in_empty_network.py"), sys.executable, "-c"]
    done = subprocess.run([*program, outside], capture_output=True, text=True)
    if done.returncode == NOT_PERMITTED:
        pytest.skip(done.stderr.strip())
    assert "Network is unreachable" in done.stderr


def test_no_command_looks_up_a_name_or_connects_to_another_machine(inputs: Path, tmp_path: Path) -> None:
    audit = {
        "PYTHONPATH": str(SUPPORT / "network_audit"),
        "NETWORK_AUDIT": str(tmp_path / "audit.txt"),
        # As where a user has set none of Hugging Face's own switches.
        "HF_HUB_OFFLINE": "0",
    }
    for command in commands(inputs).values():
        done = run(command, **audit)
        assert done.returncode == 0, done.stderr
    done = run([*PYTEST, NODE, WATCH, TRAIN], **audit)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "audit.txt").read_text() == ""
    control = "import socket\ntry: socket.create_connection(('name.invalid', 80), 1)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", control], env={**os.environ, **audit}, check=True)
    assert "socket.getaddrinfo 'name.invalid'" in (tmp_path / "audit.txt").read_text()


def test_libraries_below_python_connect_to_nothing_either(inputs: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "true"], capture_output=True).returncode:
        pytest.skip("needs strace, and leave to trace processes")
    trace = tmp_path / "trace.txt"
    before = [
        strace,
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        "trace=connect,sendto,sendmsg,sendmmsg",
        "-o",
        str(trace),
    ]
    for name in ("segment", "offline"):
        done = run(commands(inputs)[name], before)
        assert done.returncode == 0, done.stderr
        calls = [line for line in trace.read_text().splitlines() if "sin_addr" in line or "sin6_addr" in line]
        assert not calls
