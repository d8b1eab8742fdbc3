"""What a node makes of unusual and bad images: answered, or counted, said and survived.

The tests of this file share one node, whose inference fails on demand, and run in order.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_node import NOT_FINITE, OUT_OF_MEMORY, mark
from node_bench import (
    OLD_STAMP_NS,
    PERIOD_NS,
    Bench,
    header,
    pixels,
    stamp_of,
    told,
)
from node_process import FAULTY_NODE, NodeProcess, active_node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rgbt_seg_ros.ros.messages import ROS_MESSAGES
from rgbt_seg_ros.segmenter import Segmenter

LOSSES = {"undecodable": "had an undecodable image", "failed": "inference failed"}
"""Causes, with what the report says of them."""
NEXT_PAIRS = 10
REPORT_S = 0.25
"""Sooner than a node reports by itself, as each of these tests waits for two reports."""


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """An active node."""
    log = tmp_path_factory.mktemp("node") / "log.txt"
    environment = {"REPORT_S": str(REPORT_S)}
    parameters = {"model": node_model, "input_reliability": "reliable"}
    with active_node(log, FAULTY_NODE, environment=environment, **parameters) as node:
        bench.new_mask()
        yield node


def padded(message: Image, padding: int = 16) -> Image:
    """The same image with bytes behind each row."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    message.data = np.pad(rows, ((0, 0), (0, padding)), constant_values=77).tobytes()
    message.step += padding
    return message


def big_endian(message: Image) -> Image:
    message.data = np.frombuffer(message.data, "<u2").astype(">u2").tobytes()
    message.is_bigendian = 1
    return message


Arrays = tuple[np.ndarray, np.ndarray]


@dataclass
class Good:
    """An unusual pair that must be answered like a plain one.

    `change` makes it of the messages of a plain pair; `see` gives what the cameras see: an RGB and a thermal image.
    """

    change: Callable[[Image, Image], Any]
    size: tuple[int, int] = (48, 64)
    see: Callable[[np.ndarray, np.ndarray], Arrays] = lambda rgb, thermal: (rgb, thermal)


def reorder(message: Image, encoding: str, channels: list[int]) -> Image:
    """An rgb8 image in another encoding of the same picture."""
    pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    message.data = np.concatenate([pixels, alpha], axis=2)[:, :, channels].tobytes()
    message.encoding, message.step = encoding, message.width * len(channels)
    return message


def triple(message: Image, encoding: str) -> None:
    """A mono8 image as pseudo-grey."""
    message.data = np.repeat(np.frombuffer(message.data, np.uint8), 3).tobytes()
    message.encoding, message.step = encoding, 3 * message.width


def in_grey(rgb: np.ndarray, thermal: np.ndarray) -> Arrays:
    """An RGB camera that sees no colours."""
    return np.repeat(rgb[:, :, :1], 3, axis=2), thermal


def in_8_bits(rgb: np.ndarray, thermal: np.ndarray) -> Arrays:
    """A thermal camera that scales its counts itself."""
    return rgb, ((thermal - 7000) // 8).astype(np.uint8)


GOOD = {
    "padding": Good(lambda rgb, thermal: (padded(rgb), padded(thermal))),
    "big endian": Good(lambda rgb, thermal: big_endian(thermal)),
    "bgr8": Good(lambda rgb, thermal: reorder(rgb, "bgr8", [2, 1, 0])),
    "rgba8": Good(lambda rgb, thermal: reorder(rgb, "rgba8", [0, 1, 2, 3])),
    "bgra8": Good(lambda rgb, thermal: reorder(rgb, "bgra8", [2, 1, 0, 3])),
    "mono8": Good(lambda rgb, thermal: reorder(rgb, "mono8", [0]), see=in_grey),
    "thermal 16UC1": Good(lambda rgb, thermal: setattr(thermal, "encoding", "16UC1")),
    "thermal mono8": Good(lambda rgb, thermal: None, see=in_8_bits),
    "thermal 8UC1": Good(lambda rgb, thermal: setattr(thermal, "encoding", "8UC1"), see=in_8_bits),
    "thermal rgb8": Good(lambda rgb, thermal: triple(thermal, "rgb8"), see=in_8_bits),
    "thermal bgr8": Good(lambda rgb, thermal: triple(thermal, "bgr8"), see=in_8_bits),
    "odd size": Good(lambda rgb, thermal: None, (53, 67)),
    "size change": Good(lambda rgb, thermal: None, (96, 128)),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_unusual_layout_gives_the_pictures_mask(
    bench: Bench, node: NodeProcess, segmenter: Segmenter, name: str
) -> None:
    good = GOOD[name]

    def send() -> None:
        rgb, thermal = good.see(*bench.next_arrays(*good.size))
        messages = ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal)
        good.change(*messages)
        bench.sent[bench.send(*messages)] = rgb, thermal

    mask = bench.new("mask", send)
    assert (mask.height, mask.width) == good.size
    np.testing.assert_array_equal(pixels(mask), segmenter(*bench.sent[stamp_of(mask)]).mask)
    assert_next_pair_is_answered(bench, segmenter)


@dataclass
class Bad:
    """Fields of a message that make it no image, and what the log must say of it."""

    fields: dict[str, Any]
    reason: str


BAD = {
    "unknown encoding": Bad({"encoding": "yuv422"}, "image has encoding 'yuv422'"),
    "no encoding": Bad({"encoding": ""}, "image has encoding ''"),
    "wrong length": Bad({"data": b"\x00\x01" * 5}, "image has 10 bytes of data"),
    "empty": Bad({"height": 0, "width": 0, "step": 0, "data": b""}, "image is empty"),
    "empty with a size": Bad({"data": b""}, "image has 0 bytes of data"),
    "step below width": Bad({"step": 7}, "image has step 7"),
    "one pixel": Bad({"height": 1, "width": 1, "step": 6, "data": b"abcdef"}, "image is 1x1"),
    "too large": Bad(
        {"height": 6001, "width": 6000, "step": 18_000}, "image is 6000 x 6001 pixels, more than max_pixels"
    ),
    "long encoding": Bad({"encoding": "x\n[FATAL]" * 20_000}, "image has encoding 'x\\n[FATAL]"),
    "gigantic": Bad({"height": 2**31, "width": 2**31, "step": 2**31}, "image has step 2147483648"),
}


def losses(values: dict[str, str]) -> dict[str, float]:
    return {cause: float(values.get(f"dropped.{cause}", 0)) for cause in LOSSES}


def assert_lost(
    bench: Bench, node: NodeProcess, segmenter: Segmenter, cause: str, reason: str, send: Callable[[], int]
) -> None:
    """Bad pairs are counted under a cause, explained in the log, not answered, and the next good pair is.

    They are sent among good ones until one is counted: a waiting one may be superseded.
    """
    before = losses(bench.next_diagnostics()[2])
    logged = len(node.output)
    stamps: list[int] = []

    def send_both() -> None:
        stamps.append(send())
        time.sleep(PERIOD_NS / 1e9)
        bench.send_pair()

    def counted() -> tuple[int, str] | None:
        reports = [told(report) for report in list(bench.received["/diagnostics"])]
        counts = [losses(values) for _, _, values in reports]
        assert all(now[other] == before[other] for now in counts for other in LOSSES if other != cause)
        grown = [i for i in range(1, len(counts)) if counts[i][cause] > counts[i - 1][cause]]
        return reports[grown[0]][:2] if grown and is_explained() else None

    def is_explained() -> bool:
        lines = node.output[logged:].splitlines()
        return any(f"{cause}: " in line and reason in line for line in lines)

    level, sentence = bench.send_until(counted, f"counting and {reason!r} in the log", send_both)
    assert (level, "see the log" in sentence, LOSSES[cause] in sentence) == (2, True, True)
    assert_next_pair_is_answered(bench, segmenter)
    assert not {stamp_of(mask) for mask in bench.received["mask"]} & set(stamps)


def assert_next_pair_is_answered(bench: Bench, segmenter: Segmenter) -> None:
    """One of the next few gets the model's own mask.

    Not always the first: they may supersede each other, and a bad stamp may leave one to the neighbour's image.
    """

    def accept(mask: Image) -> bool:
        pair = bench.sent.get(stamp_of(mask))
        return pair is not None and np.array_equal(pixels(mask), segmenter(*pair).mask)

    bench.new("mask", at_most=NEXT_PAIRS, accept=accept)


@pytest.mark.parametrize("camera", ["rgb", "thermal"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_counted_and_the_next_good_pair_answered(
    bench: Bench, node: NodeProcess, segmenter: Segmenter, name: str, camera: str
) -> None:
    def send() -> int:
        rgb, thermal = (ROS_MESSAGES.image(Header(), array) for array in bench.next_arrays())
        for field, value in BAD[name].fields.items():
            setattr(rgb if camera == "rgb" else thermal, field, value)
        return bench.send(rgb, thermal)

    side = "RGB" if camera == "rgb" else "thermal"
    assert_lost(bench, node, segmenter, "undecodable", f"the {side} {BAD[name].reason}", send)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(OUT_OF_MEMORY, "OutOfMemoryError: CUDA out of memory"), (NOT_FINITE, "output is not finite")],
)
def test_a_failing_inference_is_counted_and_the_next_good_pair_answered(
    bench: Bench, node: NodeProcess, segmenter: Segmenter, fault: int, reason: str
) -> None:
    def send() -> int:
        rgb, thermal = bench.next_arrays()
        mark(rgb, fault)
        return bench.send(ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal))

    assert_lost(bench, node, segmenter, "failed", reason, send)


@pytest.mark.parametrize("stamp_ns", [0, OLD_STAMP_NS + 3600 * 10**9], ids=["zero", "in the future"])
@pytest.mark.parametrize("cameras", ["rgb", "thermal", "both"])
def test_the_next_good_pair_is_answered_after_a_bad_stamp(
    bench: Bench, node: NodeProcess, segmenter: Segmenter, stamp_ns: int, cameras: str
) -> None:
    rgb, thermal = (ROS_MESSAGES.image(header(stamp_ns), array) for array in bench.next_arrays())
    if cameras in ("rgb", "both"):
        bench.rgb.publish(rgb)
    if cameras in ("thermal", "both"):
        bench.thermal.publish(thermal)
    assert_next_pair_is_answered(bench, segmenter)


def test_the_log_says_what_went_wrong_once_a_second(bench: Bench, node: NodeProcess) -> None:
    lines = [line for line in node.output.splitlines() if "undecodable: " in line]
    assert any("yuv422" in line for line in lines)
    # rclpy writes "[ERROR] [seconds.nanoseconds] [name]: text".
    times = [float(line.split("[")[2].split("]")[0]) for line in lines]
    assert len(times) > 3
    assert all(later - earlier > 0.99 for earlier, later in itertools.pairwise(times))
    assert "Traceback" not in node.output
