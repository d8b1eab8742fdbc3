"""Pairing on real topics: this process is both cameras, the node another one; recordings are played three times."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import rclpy
from diagnostics_table import documented_keys
from lifecycle_msgs.msg import Transition
from node_bench import Bench, header, stamp_of
from node_process import active_node
from pairing_oracle import MS, Recording, in_stamp_order, stream
from std_msgs.msg import Header
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

RATES = [(30, 30), (30, 25), (30, 9), (60, 30)]
LOOPS = 3
MAX_DT_MS = 12
LOSSLESS_SPEED = 3
"""Faster than the cameras would be, for the test's sake: in lossless mode the speed decides nothing."""
ATTEMPTS = 3
"""In mode latest, a camera that a busy machine keeps from its turn for two periods is overdue for the node."""


class Cameras(Bench):
    """Sends the same pair of images again and again, with the stamps of a recording."""

    def __init__(self) -> None:
        super().__init__("/rgb/image", "/thermal/image")
        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        rgb, thermal = ROS_MESSAGES.image(Header(), pixels), ROS_MESSAGES.image(Header(), pixels[..., 0])
        self._sides = ((rgb, self.rgb), (thermal, self.thermal))
        self.masks = self.received["mask"]

    def activate_anew(self) -> None:
        """Let the node, which is active, count from zero."""
        self._wait_for_subscriptions(1)
        assert self.change_state(Transition.TRANSITION_DEACTIVATE)
        self._wait_for_subscriptions(0)
        assert self.change_state(Transition.TRANSITION_ACTIVATE)
        self._wait_for_subscriptions(1)
        self.masks.clear()

    def play(self, recording: Recording, speed: int) -> None:
        """Publish a recording, each image at its stamp divided by `speed`."""
        started = time.monotonic()
        for side, stamp, _ in in_stamp_order(recording):
            time.sleep(max(0, started + stamp / 1e9 / speed - time.monotonic()))
            image, publisher = self._sides[side]
            image.header = header(stamp)
            publisher.publish(image)

    def report(self) -> dict[str, str]:
        """Values of a report of the node that began after this call."""
        reports = self.received["/diagnostics"]
        reports.clear()
        wait_for(lambda: len(reports) >= 2, "two reports")
        return self.diagnostics()[2]

    def _wait_for_subscriptions(self, number: int) -> None:
        wait_for(
            lambda: all(each.get_subscription_count() == number for _, each in self._sides),
            f"{number} subscriptions",
        )


@pytest.fixture(scope="module")
def cameras(
    request: pytest.FixtureRequest, node_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cameras]:
    """Cameras before a node in the mode that is the fixture's parameter."""
    parameters = {"mode": request.param, "input_reliability": "reliable", "sync__max_dt": MAX_DT_MS / 1e3}
    for camera in ("rgb", "thermal"):
        parameters[f"qos_overrides./{camera}/image.subscription.depth"] = 100
    # These cameras send the same image again and again.
    parameters |= {"rgb__stale_after": 0.0, "thermal__stale_after": 0.0}
    log = tmp_path_factory.mktemp("node") / "log.txt"
    with active_node(log, topics={}, model=node_model, **parameters):
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
    wait_for(lambda: len(cameras.masks) >= LOOPS * len(nearest), "all masks")
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
