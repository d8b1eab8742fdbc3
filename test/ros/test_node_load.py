"""The node with more images than it can answer: the newest are answered in time, every other one is counted."""

import statistics
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from node_bench import (
    OLD_STAMP_NS,
    Bench,
    header,
    stamp_of,
)
from node_process import FAULTY_NODE, active_node
from random_model import write_node_model
from rosgraph_msgs.msg import Clock
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

PERIOD_S = 1 / 30
INFERENCE_S = 0.2
SECONDS = 20
SETTLED_S = 5
"""From then on the memory must not grow."""
SIZE = 240, 320
"""Of the RGB images, so that 75 masks kept by mistake are 5.8 MB; pairs are three times as much."""
DROPPED_IMAGES = ("no_partner", "over_max_dt", "surplus", "late", "duplicate", "out_of_order", "frozen")
DROPPED_PAIRS = ("superseded", "stale", "undecodable", "failed", "unregistered", "overflow", "deactivated")


class LiveCameras:
    """Two cameras at 30 Hz with stamps of now, in a thread of their own."""

    def __init__(self, bench: Bench) -> None:
        self.sent = 0
        self._bench = bench
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "LiveCameras":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._stop.is_set():
            rgb, thermal = self._bench.next_arrays(*SIZE)
            rgb[0, 0, 0] = self.sent % 256
            thermal[0, 0] = self.sent
            now = header(time.time_ns())
            self._bench.rgb.publish(ROS_MESSAGES.image(now, rgb))
            self._bench.thermal.publish(ROS_MESSAGES.image(now, thermal))
            self.sent += 1
            next_s += PERIOD_S
            time.sleep(max(0.0, next_s - time.monotonic()))


@pytest.mark.alone
def test_a_slow_inference_gives_fresh_masks_in_constant_memory_and_counts_the_rest(
    bench: Bench, tmp_path: Path
) -> None:
    masks, ages = bench.received["mask"], bench.ages_s["mask"]
    environment = {"INFERENCE_S": str(INFERENCE_S)}
    model = write_node_model(tmp_path / "model.safetensors", short_side=48)
    parameters: dict[str, object] = {"model": model, "input_reliability": "reliable"}
    # As deep as the cameras' own queues, so that a node that is held up loses no image.
    parameters |= {f"qos_overrides./{topic}.subscription.depth": 100 for topic in ("cam", "boson")}
    with active_node(tmp_path / "log.txt", FAULTY_NODE, environment=environment, **parameters) as node:
        wait_for(
            lambda: bench.rgb.get_subscription_count() and bench.thermal.get_subscription_count(), "matching"
        )
        with LiveCameras(bench) as cameras:
            time.sleep(SETTLED_S)
            early = node.memory_kb, node.threads
            time.sleep(SECONDS - SETTLED_S)
            late = node.memory_kb, node.threads
        assert cameras.sent > 0.5 * SECONDS / PERIOD_S

        def drained() -> bool:
            values = bench.next_diagnostics()[2]
            return values["waiting"] == "0" and int(values["masks"]) == len(masks)

        wait_for(drained, "the last mask")
        level, _, values = bench.diagnostics()
        count = Counter({key: float(value) for key, value in values.items() if is_number(value)})
        assert 0.5 * SECONDS / INFERENCE_S < len(masks) <= SECONDS / INFERENCE_S + 2
        # Up and down by less than 1 MB.
        assert late[0] - early[0] < 4_000
        assert late[1] == early[1]
        # In = out + counted, of images and of pairs.
        assert count["rgb_in"] == count["thermal_in"] == cameras.sent
        used = 2 * count["pairs"] - count["reused"] + count["alone"]
        dropped = sum(count[f"dropped.{cause}"] for cause in DROPPED_IMAGES)
        assert count["rgb_in"] + count["thermal_in"] == used + dropped + count["unpaired"]
        assert count["pairs"] + count["alone"] == len(masks) + sum(
            count[f"dropped.{cause}"] for cause in DROPPED_PAIRS
        )
        assert count["dropped.superseded"] > len(masks)
        assert level != 2 or "no images" in bench.diagnostics()[1]
        node.process.terminate()
        assert node.wait() == 0, node.output
    # A queue before the inference would make every mask older by at least one inference more; the machine, busy with
    # other things, delays some.
    assert statistics.median(ages) <= PERIOD_S + INFERENCE_S + 0.1


def is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit()


def test_in_simulated_time_a_paused_recording_is_no_dead_camera(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    clock = bench.node.create_publisher(Clock, "/clock", 10)
    now = Clock()

    def send() -> None:
        stamp = bench.send_pair()
        now.clock.sec, now.clock.nanosec = divmod(stamp, 10**9)
        clock.publish(now)

    with active_node(tmp_path / "log.txt", model=node_model, use_sim_time=True):
        bench.received["/diagnostics"].clear()
        bench.send_until(
            lambda: bench.last("/diagnostics") and bench.diagnostics()[0] == 0, "a healthy node", send
        )
        assert abs(bench.last("/diagnostics").header.stamp.sec - now.clock.sec) <= 2
        bench.received["/diagnostics"].clear()
        wait_for(lambda: len(bench.received["/diagnostics"]) >= 4, "four reports of a pause")
        assert [each.status[0].level[0] for each in bench.received["/diagnostics"]] == [0] * 4
        bench.new("mask", send)


def test_three_passes_in_lossless_mode_give_every_pair_three_times(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    parameters = {"model": node_model, "mode": "lossless"}
    with active_node(tmp_path / "log.txt", **parameters) as node:
        wait_for(
            lambda: bench.rgb.get_subscription_count() and bench.thermal.get_subscription_count(), "matching"
        )
        masks = bench.received["mask"]
        masks.clear()
        # Always the same two pictures: a recording is answered as it is.
        rgb, thermal = (ROS_MESSAGES.image(header(0), array) for array in bench.next_arrays())
        rgb_stamps = [OLD_STAMP_NS + i * 33_333_333 for i in range(40)]
        thermal_stamps = [OLD_STAMP_NS + 7_000_000 + i * 111_111_111 for i in range(12)]
        events = sorted([(s, "rgb") for s in rgb_stamps] + [(s, "thermal") for s in thermal_stamps])
        for _ in range(3):
            for stamp, camera in events:
                image, publisher = (rgb, bench.rgb) if camera == "rgb" else (thermal, bench.thermal)
                image.header = header(stamp)
                publisher.publish(image)
                # Twice as fast as recorded.
                time.sleep(0.012)
        wait_for(lambda: len(masks) >= 3 * len(thermal_stamps), "all masks")
        # Each thermal frame, of the slower camera, belongs to the RGB frame nearest in time.
        nearest = [min(rgb_stamps, key=lambda s: abs(s - t)) for t in thermal_stamps]
        assert Counter(stamp_of(mask) for mask in masks) == Counter(3 * nearest)
        assert bench.next_diagnostics()[2]["pairs"] == str(3 * len(thermal_stamps))
        node.process.terminate()
        assert node.wait() == 0, node.output
        assert "ERROR" not in node.output


def test_lossless_mode_says_that_images_wait_in_vain(bench: Bench, node_model: Path, tmp_path: Path) -> None:
    parameters = {"model": node_model, "mode": "lossless", "lossless__depth": 64}
    with active_node(tmp_path / "log.txt", **parameters) as node:
        wait_for(lambda: bench.rgb.get_subscription_count(), "matching")
        for _ in range(80):
            bench.send(rgb=ROS_MESSAGES.image(header(0), bench.next_arrays()[0]))
            time.sleep(0.005)
        node.wait_for_output("overflow: 65 rgb images wait for the other camera's")
        level, sentence, values = bench.next_diagnostics()
        assert level == 2
        assert sentence.startswith(f"lossless mode lost {values['dropped.overflow']} images or pairs")
