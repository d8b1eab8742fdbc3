"""What a node makes of cameras that die: the masks go on, the report says so, and all is well when they are back.

The tests of this file share one node and run in order.
"""

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from node_bench import (
    LATE_NS,
    OLD_STAMP_NS,
    Bench,
    header,
    pixels,
    stamp_of,
)
from node_process import NodeProcess, active_node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES
from rgbt_seg_ros.segmenter import Segmenter

STALE_AFTER_S = 1.0


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """An active node that goes on with one camera."""
    parameters = {
        "model": node_model,
        "input_reliability": "reliable",
        "rgb__on_missing": "thermal_only",
        "thermal__on_missing": "rgb_only",
        "rgb__stale_after": STALE_AFTER_S,
        "thermal__stale_after": STALE_AFTER_S,
    }
    with active_node(tmp_path_factory.mktemp("node") / "log.txt", **parameters) as node:
        bench.new_mask()
        yield node


@pytest.mark.alone
@pytest.mark.parametrize("frozen", [False, True], ids=["silent", "frozen"])
@pytest.mark.parametrize("dead", ["thermal", "rgb"])
def test_masks_go_on_without_a_camera_and_recover(
    bench: Bench, node: NodeProcess, segmenter: Segmenter, dead: str, frozen: bool
) -> None:
    sent: dict[int, dict[str, np.ndarray | None]] = {}
    still = [ROS_MESSAGES.image(Header(), array) for array in bench.next_arrays()][dead == "thermal"]

    def send_one_camera() -> None:
        images = dict(zip(("rgb", "thermal"), bench.next_arrays(), strict=True))
        messages = {name: ROS_MESSAGES.image(Header(), array) for name, array in images.items()}
        messages[dead] = still if frozen else None  # type: ignore[assignment]
        sent[bench.send(**messages)] = {**images, dead: None}

    bench.send_until(lambda: bench.last("/diagnostics") and bench.diagnostics()[0] == 0, "a healthy node")
    began, masks, reports = time.monotonic(), bench.received["mask"], bench.received["/diagnostics"]
    answered: list[tuple[float, int]] = []

    def note_masks() -> bool:
        while len(answered) < len(masks):
            answered.append((time.monotonic() - began, stamp_of(masks[len(answered)])))
        return time.monotonic() - began > 4.0

    masks.clear()
    reports.clear()
    bench.send_until(note_masks, "four seconds", send_one_camera)
    # With this camera's own stamps; a first few pairs may have come of the time before.
    late_ns = LATE_NS if dead == "rgb" else 0
    alone = [when for when, stamp in answered if (stamp - OLD_STAMP_NS) % 50_000_000 == late_ns]
    first = min(when for when in alone if when > STALE_AFTER_S)
    assert first < 2 * STALE_AFTER_S
    gaps = [
        later - earlier for earlier, later in itertools.pairwise([first, *[w for w in alone if w > first]])
    ]
    assert max(gaps) < 2 * STALE_AFTER_S
    topic = "/boson" if dead == "thermal" else "/cam"
    what = "the same image again and again" if frozen else "no images"
    last = reports[-1].status[0]
    assert last.level[0] == 1
    assert f"{what} on {topic} for" in last.message
    assert "alone" in last.message
    frame = "boson_optical" if dead == "rgb" else "cam_optical"
    assert masks[-1].header.frame_id == frame
    # A thermal answer has the thermal stamp.
    images = sent[stamp_of(masks[-1]) - late_ns]
    np.testing.assert_array_equal(pixels(masks[-1]), segmenter(images["rgb"], images["thermal"]).mask)
    detections = wait_for(lambda: bench.last("detections", stamp_of(masks[-1])), "detections")
    assert all(each.header == masks[-1].header for each in (detections, *detections.detections))
    # No image is answered twice, once alone and once in a pair.
    assert len({stamp for _, stamp in answered}) == len(answered)

    returned = time.monotonic()
    reports.clear()
    bench.send_until(lambda: reports and reports[-1].status[0].level[0] == 0, "recovery")
    assert time.monotonic() - returned < 2.0
    bench.new_mask()


def test_masks_go_on_when_the_process_of_the_thermal_camera_is_killed(
    bench: Bench,
    node: NodeProcess,
    segmenter: Segmenter,
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    camera = start("test/support/thermal_camera.py", "/boson")
    reports = bench.received["/diagnostics"]
    sent: dict[int, np.ndarray] = {}

    def send_rgb() -> None:
        # The camera of the other process has this clock, too.
        stamp = time.time_ns()
        sent[stamp] = bench.next_arrays()[0]
        bench.next_stamp()
        bench.rgb.publish(ROS_MESSAGES.image(header(stamp), sent[stamp]))

    def is_healthy() -> bool:
        level, _, values = bench.diagnostics() if reports else (2, "", {})
        # Not thermal images of the tests before, whose stamps are years older.
        return level == 0 and abs(float(values["newest_skew_ms"])) < 1e3 * STALE_AFTER_S

    reports.clear()
    bench.send_until(is_healthy, "a healthy node", send_rgb)
    camera.kill()
    camera.wait()
    killed_ns = time.time_ns()

    def alone() -> list[Image]:
        after_ns = killed_ns + 2 * STALE_AFTER_S * 1e9
        return [mask for mask in list(bench.received["mask"]) if stamp_of(mask) > after_ns]

    bench.send_until(alone, "a mask from RGB alone", send_rgb)
    mask = alone()[0]
    np.testing.assert_array_equal(pixels(mask), segmenter(sent[stamp_of(mask)], None).mask)
    bench.send_until(lambda: bench.diagnostics()[0] == 1, "a warning", send_rgb)
    _, sentence, values = bench.diagnostics()
    assert "no images on /boson for" in sentence
    assert "masks come from /cam alone" in sentence
    assert values["thermal_camera"] == "missing"
