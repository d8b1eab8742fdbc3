"""Fixtures that several test files share."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from places import REPOSITORY, SHARED

from rgbt_seg_ros.base import cli
from rgbt_seg_ros.ros.dds import metatraffic_port, private_graph_environment

if TYPE_CHECKING:
    from exported_models import ExportedModel
    from node_bench import Bench

    from rgbt_seg_ros.segmenter import Segmenter

TEST = REPOSITORY / "test"
ROS = (
    TEST / "ros",
    *(TEST / "commands" / f"test_{name}.py" for name in ("demo", "evaluate_bag", "play", "record")),
    TEST / "live_view" / "test_viewers.py",
)
"""Tests of processes that talk over DDS."""
TRAINING = (
    TEST / "training",
    TEST / "examples",
    TEST / "models" / "test_default_model.py",
    TEST / "package" / "test_reproduce.py",
    TEST / "fuzz",
)
"""Tests of training, and of what it has made."""
SLOWEST_FIRST = (TEST / "training" / "engine", TEST / "training", TEST / "commands", TEST / "ros", TEST)
"""So that at the end of a run its processes have short files left, and none waits for another's long one."""

SAMPLES = SHARED / "samples"
REFERENCES = SHARED / "golden"


def pytest_configure(config: pytest.Config) -> None:
    """Puts the whole run on a ROS graph of its own, before anything imports rclpy."""
    # A shell ignores it for what it starts in the background, and so would every process of the tests.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(private_graph_environment())
    # Without its mark a test is one of a CPU: numbers are compared to the last digits, and processes are many.
    if config.getoption("markexpr") != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # What a command says of a mistake stands alone, however slow this machine is.
    cli._SILENT_S = 600.0
    # Between two tests nobody is on it: whoever looks for a free one meanwhile must find it taken.
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    config.add_cleanup(claim.close)
    with contextlib.suppress(OSError):  # another one looked at the same moment
        claim.bind(("", metatraffic_port(int(os.environ["ROS_DOMAIN_ID"]), 3)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by their place, and brings the slowest folders to the front."""
    for item in items:
        for marker, places in (("ros", ROS), ("training", TRAINING)):
            if any(item.path.is_relative_to(place) for place in places):
                item.add_marker(marker)
        if item.get_closest_marker("alone") and not item.path.is_relative_to(TEST / "ros"):
            raise pytest.UsageError(
                f"{item.nodeid} is marked alone: `make test` looks for such in test/ros only"
            )
    items.sort(key=lambda item: [item.path.is_relative_to(place) for place in SLOWEST_FIRST].index(True))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real sample data beside the checkout; the test is skipped where it is absent."""
    if not SAMPLES.is_dir():
        pytest.skip("needs the real samples in ../shared/samples")
    return SAMPLES


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference outputs beside the checkout; the test is skipped where it is absent."""
    if not REFERENCES.is_dir():
        pytest.skip("needs the reference outputs in ../shared/golden")
    return REFERENCES


@pytest.fixture(scope="session")
def node_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of nodes under test, see `write_node_model`."""
    from random_model import write_node_model

    return write_node_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="session")
def exported_default(tmp_path_factory: pytest.TempPathFactory) -> "ExportedModel":
    """The packaged model and its exported network; skips without onnx."""
    from exported_models import exported_default

    return exported_default(tmp_path_factory)


@pytest.fixture(scope="session")
def exported_sartm(tmp_path_factory: pytest.TempPathFactory) -> "ExportedModel":
    """A small SARTM of random weights, exported in both formats; skips without onnx."""
    from exported_models import exported_sartm

    return exported_sartm(tmp_path_factory)


@pytest.fixture(scope="module")
def segmenter(node_model: Path) -> "Segmenter":
    """The model of nodes under test in this process."""
    from node_bench import load_segmenter

    return load_segmenter(node_model)


@pytest.fixture(scope="module")
def bench() -> "Iterator[Bench]":
    """Cameras and subscribers around a node under test."""
    # Not at the top: nothing may import rclpy before `pytest_configure`.
    import rclpy
    from node_bench import Bench

    rclpy.init()
    bench = Bench()
    yield bench
    bench.close()
    rclpy.shutdown()


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Here and in children: more threads add in another order, and a pixel in doubt changes its class."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def ros_environment() -> dict[str, str]:
    """Environment of child processes on this run's private ROS graph, with the checkout importable."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(ros_environment: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """``start("-m", "rgbt_seg_ros.play", ...)`` runs this Python in a child that cannot outlive the test.

    Its output and errors come as text through one pipe; read it with ``process.communicate(timeout=...)``. A program
    that is talked to while it runs is a `NodeProcess`.
    """
    processes: list[subprocess.Popen[str]] = []

    def start_process(*arguments: str) -> "subprocess.Popen[str]":
        processes.append(
            subprocess.Popen(
                [sys.executable, *arguments],
                cwd=REPOSITORY,
                env=ros_environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return processes[-1]

    yield start_process
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
