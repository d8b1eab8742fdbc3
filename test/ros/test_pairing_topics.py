"""Pairing on real topics: this process is both cameras, the node another one; recordings are played three times."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from diagnostics_table import documented_keys
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from pairing_oracle import MS, Recording, in_stamp_order, stream
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time
from running_node import TIMEOUT, running_node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rgbt_seg_ros.base.diagnostics import STATUS_NAME
from rgbt_seg_ros.images.codec import stamp_ns
from rgbt_seg_ros.ros.messages import ROS_MESSAGES

RATES = [(30, 30), (30, 25), (30, 9), (60, 30)]
LOOPS = 3
MAX_DT_MS = 12
LOSSLESS_SPEED = 3
"""Faster than the cameras would be, for the test's sake: in lossless mode the speed decides nothing."""
ATTEMPTS = 3
"""In mode latest, a camera that a busy machine keeps from its turn for two periods is overdue for the node."""


class Cameras:
    """Publishes both cameras' images, and receives masks and diagnostics in a thread."""

    def __init__(self) -> None:
        self.masks: list[Image] = []
        self.diagnostics: list[dict[str, str]] = []
        self._node = rclpy.create_node("cameras")
        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        self._images = (ROS_MESSAGES.image(Header(), pixels), ROS_MESSAGES.image(Header(), pixels[..., 0]))
        self._publishers = [
            self._node.create_publisher(Image, topic, 100) for topic in ("rgb/image", "thermal/image")
        ]
        self._node.create_subscription(Image, "rgbt_segmenter/mask", self.masks.append, 100)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._change_state = self._node.create_client(ChangeState, "rgbt_segmenter/change_state")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()

    def activate_anew(self) -> None:
        """Let the node, which is active, count from zero."""
        self._wait_for_subscriptions(1)
        self._change(Transition.TRANSITION_DEACTIVATE)
        self._wait_for_subscriptions(0)
        self._change(Transition.TRANSITION_ACTIVATE)
        self._wait_for_subscriptions(1)
        self.masks.clear()

    def play(self, recording: Recording, speed: int) -> None:
        """Publish a recording, each image at its stamp divided by `speed`."""
        started = time.monotonic()
        for side, stamp, _ in in_stamp_order(recording):
            time.sleep(max(0, started + stamp / 1e9 / speed - time.monotonic()))
            self._images[side].header.stamp = Time(nanoseconds=stamp).to_msg()
            self._publishers[side].publish(self._images[side])

    def report(self) -> dict[str, str]:
        """A report of the node that began after this call."""
        self.diagnostics.clear()
        wait_for(lambda: len(self.diagnostics) >= 2)
        return self.diagnostics[-1]

    def _change(self, transition: int) -> None:
        answer = self._change_state.call_async(ChangeState.Request(transition=Transition(id=transition)))
        wait_for(answer.done)
        assert answer.result().success

    def _wait_for_subscriptions(self, number: int) -> None:
        wait_for(lambda: all(each.get_subscription_count() == number for each in self._publishers))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == STATUS_NAME:
                self.diagnostics.append({entry.key: entry.value for entry in status.values})


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cameras(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> Iterator[Cameras]:
    """Cameras before a node in the mode that is the fixture's parameter."""
    parameters = {"mode": request.param, "input_reliability": "reliable", "sync__max_dt": MAX_DT_MS / 1e3}
    for camera in ("rgb", "thermal"):
        parameters[f"qos_overrides./{camera}/image.subscription.depth"] = 100
    # These cameras send the same image again and again.
    parameters |= {"rgb__stale_after": 0.0, "thermal__stale_after": 0.0}
    with running_node(tmp_path_factory.mktemp("node"), repository, **parameters):
        rclpy.init()
        cameras = Cameras()
        yield cameras
        cameras.close()
        rclpy.shutdown()


def jittered(rates: tuple[int, int]) -> Recording:
    """Two seconds of both cameras."""
    rng = random.Random(0)
    rgb, thermal = (stream(rng, rate, rng.random(), 120 / rate, seconds=2) for rate in rates)
    return Recording(rgb, thermal, rates, MAX_DT_MS * MS)


@pytest.mark.parametrize("rates", RATES, ids=str)
@pytest.mark.parametrize("cameras", ["lossless"], indirect=True)
def test_every_frame_of_the_slower_stream_gets_its_nearest_in_each_of_three_loops(
    cameras: Cameras, rates: tuple[int, int], repository: Path
) -> None:
    recording = jittered(rates)
    nearest = recording.oracle()
    cameras.activate_anew()
    for _ in range(LOOPS):
        cameras.play(recording, LOSSLESS_SPEED)
    wait_for(lambda: len(cameras.masks) >= LOOPS * len(nearest))
    values = cameras.report()

    rgb_stamps = [recording.rgb[i] for i, _ in nearest]
    assert Counter(map(stamp_of, cameras.masks)) == Counter(LOOPS * rgb_stamps)
    check_counts(values, recording)
    assert set(values) <= documented_keys(repository)


@pytest.mark.parametrize("rates", [(30, 25), (60, 30)], ids=str)
@pytest.mark.parametrize("cameras", ["latest"], indirect=True)
def test_a_robot_pairs_all_that_comes_in_real_time_too(cameras: Cameras, rates: tuple[int, int]) -> None:
    recording = jittered(rates)
    for _ in range(ATTEMPTS):
        cameras.activate_anew()
        for _ in range(LOOPS):
            cameras.play(recording, speed=1)
        values = cameras.report()
        if values["pairs"] == str(LOOPS * len(recording.oracle())):
            break
    check_counts(values, recording)
    # A busy machine does not answer every pair, but no others.
    nearest = {recording.rgb[i] for i, _ in recording.oracle()}
    assert cameras.masks
    assert {stamp_of(mask) for mask in cameras.masks} <= nearest


def check_counts(values: dict[str, str], recording: Recording) -> None:
    """The node got everything and has made the pairs of all loops, as far apart as the true ones."""
    nearest = recording.oracle()
    assert values["rgb_in"] == str(LOOPS * len(recording.rgb))
    assert values["thermal_in"] == str(LOOPS * len(recording.thermal))
    assert values["pairs"] == str(LOOPS * len(nearest))
    skews_ms = [abs(recording.thermal[j] - recording.rgb[i]) / MS for i, j in nearest]
    assert float(values["skew_ms.max"]) == pytest.approx(max(skews_ms), abs=1e-3)
    assert float(values["skew_ms.p50"]) == pytest.approx(median(skews_ms), abs=1e-3)


def stamp_of(message: Image) -> int:
    return stamp_ns(message.header)
