"""Hardships of the running node: clocks that are set, memory that is not there, subscribers that do not read."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from faulty_node import LITTLE_MEMORY, mark
from node_bench import OLD_STAMP_NS, PERIOD_NS, Bench, header, pixels, stamp_of
from node_process import FAULTY_NODE, NodeProcess, active_node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

HOUR_NS = 3600 * 10**9
LARGE = 1500, 2000
"""Of an image whose mask needs more memory than is left."""

SLOW_SUBSCRIBER = """
import sys, rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo
rclpy.init()
node = rclpy.create_node("never_reads")
outputs = {"mask": Image, "mask/compressed": CompressedImage, "confidence": Image, "overlay": Image,
           "detections": Detection2DArray, "label_info": LabelInfo, "camera_info": CameraInfo}
topics = {f"/rgbt_segmenter/{name}": kind for name, kind in outputs.items()} | {"/diagnostics": DiagnosticArray}
subscriptions = [
    node.create_subscription(kind, topic, print, QoSProfile(depth=1, durability=(
        DurabilityPolicy.TRANSIENT_LOCAL if "label_info" in topic else DurabilityPolicy.VOLATILE)))
    for topic, kind in topics.items()
]
print(len(subscriptions), flush=True)
sys.stdin.read()
"""
SLOW_TOPICS = 8


ENVIRONMENT = MappingProxyType({"REPORT_S": "0.25"})
"""Reports sooner than a node makes them by itself, as these tests wait for many."""


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """For the tests at the end, in order."""
    log = tmp_path_factory.mktemp("hardship") / "log.txt"
    with active_node(log, FAULTY_NODE, model=node_model, environment=ENVIRONMENT) as node:
        yield node


def assert_all_accounted(bench: Bench) -> None:
    """Every image and pair that came is in the node's counts."""
    counts: dict[str, float] = {}

    def accounted() -> bool:
        newest = bench.next_diagnostics()[2]
        counts.update({key: float(text) for key, text in newest.items() if is_count(text)})
        drops = {key: count for key, count in counts.items() if key.startswith("dropped.")}
        of_pairs = sum(
            drops.get(f"dropped.{cause}", 0) for cause in ("superseded", "stale", "failed", "unregistered")
        )
        never_came = drops["dropped.lost"] + drops["dropped.missing_estimated"]
        images = counts["rgb_in"] + counts["thermal_in"] - counts["unpaired"]
        used = 2 * counts["pairs"] - counts["reused"] + sum(drops.values()) - of_pairs - never_came
        pairs = counts["pairs"] - counts["masks"] - counts["waiting"] - of_pairs
        return (images - used, pairs) == (0, 0)

    try:
        wait_for(accounted, "an account of every image")
    except AssertionError as error:
        raise AssertionError(f"{error}: {counts}") from None


def is_count(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit()


def has_recovered(bench: Bench) -> Callable[[], bool]:
    """Whether the newest report is good, and of after this call."""
    bench.received["/diagnostics"].clear()
    return lambda: bool(bench.last("/diagnostics")) and bench.diagnostics()[0] == 0


class Stamps:
    """Sends pairs whose stamps go on from wherever the clock is set to; with /clock, if there is a publisher."""

    def __init__(self, bench: Bench, clock: Any = None) -> None:
        self.bench = bench
        self.clock = clock
        self.now_ns = OLD_STAMP_NS
        self.sent: list[int] = []

    def send(self) -> None:
        self.now_ns += PERIOD_NS
        if self.clock is not None:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(self.now_ns, 10**9)
            self.clock.publish(message)
        rgb, thermal = (ROS_MESSAGES.image(header(self.now_ns), each) for each in self.bench.next_arrays())
        self.bench.next_stamp()
        self.sent.append(self.now_ns)
        self.bench.rgb.publish(rgb)
        self.bench.thermal.publish(thermal)

    def answered_since(self, first: int) -> Callable[[], bool]:
        """Whether images sent from this one on have been answered."""
        return lambda: bool({stamp_of(mask) for mask in self.bench.received["mask"]} & set(self.sent[first:]))


@pytest.mark.parametrize("use_sim_time", [True, False], ids=["of /clock", "of the stamps"])
def test_steps_of_an_hour_cost_nothing(
    bench: Bench, node_model: Path, tmp_path: Path, use_sim_time: bool
) -> None:
    clock = bench.node.create_publisher(Clock, "/clock", 10) if use_sim_time else None
    stamps = Stamps(bench, clock)
    bench.received["mask"].clear()
    options: dict[str, Any] = {"environment": ENVIRONMENT, "model": node_model, "use_sim_time": use_sim_time}
    with active_node(tmp_path / "log.txt", FAULTY_NODE, **options) as node:
        bench.send_until(has_recovered(bench), "a healthy node", stamps.send)
        for step_ns in (HOUR_NS, -HOUR_NS, -HOUR_NS, HOUR_NS):
            stamps.now_ns += step_ns
            first = len(stamps.sent)
            bench.send_until(stamps.answered_since(first), "a mask after a step of the clock", stamps.send)
            bench.send_until(has_recovered(bench), "a healthy node after a step of the clock", stamps.send)
        assert_all_accounted(bench)
        assert bench.next_diagnostics()[2]["dropped.missing_estimated"] == "0"
        node.process.terminate()
        assert node.wait() == 0, node.output
        assert "Traceback" not in node.output
    if clock is not None:
        bench.node.destroy_publisher(clock)


def test_an_inference_without_memory_costs_its_pair(bench: Bench, node: NodeProcess) -> None:
    def send() -> None:
        rgb, thermal = bench.next_arrays(*LARGE)
        mark(rgb, LITTLE_MEMORY)
        bench.send(ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal))

    bench.send_until(lambda: "failed: " in node.output, "an allocation that fails", send)
    line = next(line for line in node.output.splitlines() if "failed: " in line)
    assert "memory" in line.lower(), line
    mask = bench.new_mask()
    assert pixels(mask).shape == (48, 64)
    assert_all_accounted(bench)


@contextmanager
def slow_subscriber() -> Iterator[None]:
    """A process that subscribes to everything, reliable, and never reads: it is stopped."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SUBSCRIBER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{SLOW_TOPICS}\n"
        time.sleep(1.0)
        process.send_signal(signal.SIGSTOP)
        yield
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def test_a_subscriber_that_never_reads_keeps_nobody_waiting(bench: Bench, node: NodeProcess) -> None:
    bench.new_mask()
    with slow_subscriber():
        masks = len(bench.received["mask"])
        memory_kb = 0

        def go_on(more: int) -> None:
            target = len(bench.received["mask"]) + more
            bench.send_until(
                lambda: len(bench.received["mask"]) >= target,
                "masks for the others",
                lambda: bench.send_pair(240, 320),
            )

        go_on(30)
        memory_kb = node.memory_kb
        go_on(60)
        # Sixty masks, overlays and confidences would be 23 MB.
        assert node.memory_kb - memory_kb < 12_000
        assert len(bench.received["mask"]) - masks >= 90
        assert_all_accounted(bench)
