"""Images that a node does not get, over real DDS: each of them is in its counts.

All but the first of these tests share one node, and run in order.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_bench import Bench, header
from node_process import FAULTY_NODE, NodeProcess, active_node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

REPORT_S = 0.25
SETTLED_S = 0.5
FIRST_STAMP_NS = 1_600_000_000 * 10**9
PERIOD_NS = 33_333_333
COUNTS = (
    "rgb_in",
    "thermal_in",
    "rgb_lost",
    "thermal_lost",
    "rgb_missing_estimated",
    "thermal_missing_estimated",
)


class Cameras:
    """Sends pairs with stamps of 30 Hz, faster than that, and says what came of them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.next = 0

    def send(self, pairs: int, pause_s: float = 0.004, rgb: bool = True) -> None:
        """The next pairs; without RGB the camera has taken none."""
        for _ in range(pairs):
            stamp = header(FIRST_STAMP_NS + self.next * PERIOD_NS)
            pictures = self.bench.next_arrays()
            self.next += 1
            for picture, publisher, sends in zip(
                pictures, (self.bench.rgb, self.bench.thermal), (rgb, True), strict=True
            ):
                if sends:
                    message: Image = ROS_MESSAGES.image(Header(), picture)
                    message.header = stamp
                    publisher.publish(message)
            time.sleep(pause_s)

    def connect(self) -> None:
        """Send until the node gets the images of both: a publisher knows it a little before it knows the publisher."""

        def arrive() -> bool:
            self.send(1)
            report = self.report()
            return min(report["rgb_in"], report["thermal_in"]) > 0

        wait_for(arrive, "images")

    def report(self) -> dict[str, int]:
        """The node's counts in its next report."""
        values = self.bench.next_diagnostics()[2]
        return {key: int(values[key]) for key in COUNTS}

    def counts(self) -> dict[str, int]:
        """The node's counts of images, once they stand still."""
        before: dict[str, int] = {}

        def settled() -> dict[str, int] | None:
            nonlocal before
            now = self.report()
            same, before = now == before, now
            time.sleep(SETTLED_S)
            return now if same else None

        return wait_for(settled, "counts that stand still")

    def growth(self, action: Callable[[], None]) -> dict[str, int]:
        before = self.counts()
        action()
        return {key: value - before[key] for key, value in self.counts().items()}


def test_images_are_taken_while_the_executor_is_busy(bench: Bench, node_model: Path, tmp_path: Path) -> None:
    environment = {"REPORT_S": str(REPORT_S), "BUSY_S": "1.6"}
    cameras = Cameras(bench)
    with active_node(tmp_path / "log.txt", FAULTY_NODE, model=node_model, environment=environment):
        cameras.connect()
        time.sleep(SETTLED_S)
        # The executor sleeps after each report.
        before = cameras.report()
        # Twice as many as fit into the queue.
        cameras.send(60, pause_s=0.02)
        after = cameras.counts()
    for camera in ("rgb", "thermal"):
        lost = after[f"{camera}_lost"] - before[f"{camera}_lost"]
        assert after[f"{camera}_in"] - before[f"{camera}_in"] + lost == 60
        assert lost <= 15


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    log = tmp_path_factory.mktemp("losses") / "log.txt"
    with active_node(log, FAULTY_NODE, model=node_model, environment={"REPORT_S": str(REPORT_S)}) as node:
        yield node


@pytest.fixture(scope="module")
def cameras(bench: Bench, node: NodeProcess) -> Cameras:
    cameras = Cameras(bench)
    cameras.connect()
    return cameras


def test_images_left_out_by_a_camera_are_estimated_from_stamps(cameras: Cameras) -> None:
    def send() -> None:
        cameras.send(20)
        for _ in range(5):
            cameras.send(2, rgb=False)
            cameras.send(6)

    # What is lost on the way on a busy machine is counted as such, not as missing.
    grown = cameras.growth(send)
    assert grown["rgb_in"] + grown["rgb_lost"] == 50
    assert grown["thermal_in"] + grown["thermal_lost"] == 60
    assert grown["rgb_missing_estimated"] == 10
    assert grown["thermal_missing_estimated"] == 0


def test_whatever_runs_over_while_the_node_stands_still_is_counted(
    cameras: Cameras, node: NodeProcess
) -> None:
    def send() -> None:
        cameras.send(20)
        node.process.send_signal(signal.SIGSTOP)
        try:
            cameras.send(100)
        finally:
            node.process.send_signal(signal.SIGCONT)
        time.sleep(SETTLED_S)
        # A loss shows with the next image.
        cameras.send(5, pause_s=0.05)

    grown = cameras.growth(send)
    assert grown["rgb_lost"] >= 20
    for camera in ("rgb", "thermal"):
        assert grown[f"{camera}_in"] + grown[f"{camera}_lost"] == 125
        assert grown[f"{camera}_missing_estimated"] == 0
    values = cameras.bench.next_diagnostics()[2]
    assert int(values["dropped.lost"]) == int(values["rgb_lost"]) + int(values["thermal_lost"])


def test_a_camera_that_starts_again_has_lost_nothing(cameras: Cameras) -> None:
    bench = cameras.bench

    def send() -> None:
        cameras.send(20)
        time.sleep(SETTLED_S)
        old = bench.rgb
        bench.rgb = bench.node.create_publisher(Image, "/cam", 100)
        wait_for(bench.rgb.get_subscription_count, "matching")
        cameras.send(20)
        bench.node.destroy_publisher(old)
        time.sleep(SETTLED_S)
        cameras.send(20)

    grown = cameras.growth(send)
    assert grown["rgb_in"] + grown["rgb_lost"] == grown["thermal_in"] + grown["thermal_lost"] == 60
    assert grown["rgb_missing_estimated"] == 0
