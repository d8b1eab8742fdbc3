"""The recorder in a process of its own: what is published arrives in its files."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from named_files import check_named

from rgbt_seg_ros.bags.reader import Recording
from rgbt_seg_ros.images.codec import decode_thermal
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.masks.detections import Detection
from rgbt_seg_ros.runs.folder import read_run

rclpy = pytest.importorskip("rclpy", reason="needs rclpy: the recorder is a ROS 2 program")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402
from rclpy.duration import Duration  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rclpy.time import Time  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vision_msgs.msg import Detection2DArray, LabelInfo  # noqa: E402

from rgbt_seg_ros.base.diagnostics import STATUS_NAME, status_name  # noqa: E402
from rgbt_seg_ros.ros.messages import ROS_MESSAGES  # noqa: E402

Start = Callable[..., "subprocess.Popen[str]"]
TIMEOUT_S = 60
FIRST_NS = 1_700_000_000_000_000_000
FRAMES = 5


class Graph:
    """Publishers of everything that the recorder hears, under the names of a camera and of the node."""

    def __init__(self, node: Node) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.rgb = node.create_publisher(Image, "/camera/image_raw", 10)
        self.thermal = node.create_publisher(Image, "/thermal/image", 10)
        self.mask = node.create_publisher(Image, "/rgbt_segmenter/mask", 10)
        self.overlay = node.create_publisher(Image, "/rgbt_segmenter/overlay", 10)
        self.confidence = node.create_publisher(Image, "/rgbt_segmenter/confidence", 10)
        self.detections = node.create_publisher(Detection2DArray, "/rgbt_segmenter/detections", 10)
        self.diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.label_info = node.create_publisher(LabelInfo, "/rgbt_segmenter/label_info", latched)

    def wait_for_the_recorder(self) -> None:
        publishers: list[Publisher] = list(vars(self).values())
        end = time.monotonic() + TIMEOUT_S
        while not all(publisher.get_subscription_count() for publisher in publishers):
            assert time.monotonic() < end, "the recorder does not subscribe to everything"
            time.sleep(0.05)

    def publish_frame(self, index: int) -> None:
        """An RGB image, a thermal one 4 ms later, and what a node would answer."""
        stamp = FIRST_NS + index * 100_000_000
        header = Header(stamp=Time(nanoseconds=stamp).to_msg(), frame_id="camera")
        later = Header(stamp=Time(nanoseconds=stamp + 4_000_000).to_msg(), frame_id="thermal")
        rgb = np.full((48, 64, 3), 40 * index, np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        mask[:10, :index] = 2
        person = Detection(2, "person", 0.75, 5.0, 6.0, 7.0, 8.0, 56)
        self.rgb.publish(ROS_MESSAGES.image(header, rgb))
        self.thermal.publish(ROS_MESSAGES.image(later, np.full((24, 32), 1000 + index, np.uint16)))
        # As a node does, which answers what has come; the order of topics is not that of publishing.
        for publisher in (self.rgb, self.thermal):
            assert publisher.wait_for_all_acked(Duration(seconds=TIMEOUT_S))
        time.sleep(0.2)
        self.mask.publish(ROS_MESSAGES.image(header, mask))
        self.detections.publish(ROS_MESSAGES.detections(header, [person] * (index % 2)))
        sure = np.full((48, 64), 1.0 - index / 10, np.float32)
        self.confidence.publish(ROS_MESSAGES.confidence(header, sure))
        self.overlay.publish(ROS_MESSAGES.image(header, rgb))


@pytest.fixture
def graph() -> Iterator[Graph]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("graph", context=context)
    yield Graph(node)
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_what_is_published_is_in_the_files(tmp_path: Path, start: Start, graph: Graph) -> None:
    out = tmp_path / "run"
    remap = ["--ros-args", "-r", "rgb/image:=/camera/image_raw"]
    recorder = start(
        "-m", "rgbt_seg_ros.record", "-o", str(out), "--input-reliability", "reliable", "--bag", *remap
    )
    graph.wait_for_the_recorder()
    graph.label_info.publish(ROS_MESSAGES.label_info(Header(), MFNET.names))
    for index in range(FRAMES):
        graph.publish_frame(index)
        if index == 1:
            # Anybody may publish there: what is no image costs itself alone.
            for publisher in (graph.mask, graph.confidence):
                publisher.publish(Image(encoding="x" * 9000, height=2**31, width=2**31, step=2**31))
    values = [KeyValue(key=key, value=text) for key, text in (("pairs", "5"), ("masks", "5"))]
    # Other nodes report there, even under the same name, and with levels that nobody has defined.
    reports = (
        ("another node", "/graph", 1),
        (status_name("/robot/rgbt_segmenter"), "/robot/rgbt_segmenter", 2),
        (STATUS_NAME, "/graph", 1),
        (status_name("/graph", "front"), "/graph", 2),
    )
    for name, node, level in (*reports, (status_name("/graph"), "/graph", 7)):
        status = DiagnosticStatus(
            level=bytes([level]), name=name, hardware_id=node, message="late", values=values
        )
        graph.diagnostics.publish(DiagnosticArray(status=[status]))
    recorder.send_signal(signal.SIGINT)
    output, _ = recorder.communicate(timeout=TIMEOUT_S)
    assert recorder.returncode == 0, output
    assert check_named(output, out, set())[0] == out / "overlay.mp4"

    run = read_run(out)
    assert run.class_names == MFNET.names
    assert [mask.stamp_ns for mask in run.masks] == [FIRST_NS + i * 100_000_000 for i in range(FRAMES)]
    assert [mask.skew_ms for mask in run.masks] == [4.0] * FRAMES
    assert all(mask.latency_ms is not None and mask.latency_ms > 0 for mask in run.masks)
    assert run.masks[3].pixels == {0: 48 * 64 - 30, 2: 30}
    assert [len(run.detections[mask.stamp_ns]) for mask in run.masks] == [0, 1, 0, 1, 0]
    assert run.detections[run.masks[1].stamp_ns][0].size_x == 7.0
    assert [(line.level, line.message) for line in run.diagnostics] == [("warn", "late"), ("stale", "late")]
    newest = run.masks[-1].stamp_ns + 4_000_000
    reported = run.diagnostics[0].stamp_ns
    assert reported is not None
    assert newest <= reported < newest + TIMEOUT_S * 10**9, "on the time of the images' stamps"
    sure = [run.confidence[mask.stamp_ns] for mask in run.masks]
    assert sure == pytest.approx([1.0 - i / 10 for i in range(FRAMES)], abs=1 / 255)
    assert len(run.pictured_stamps()) == FRAMES
    picture = cv2.imread(str(out / "pictures" / f"{FIRST_NS + 200_000_000}_rgb.jpg"))
    assert picture is not None
    assert abs(float(picture.mean()) - 80) < 2
    picture = cv2.imread(str(out / "pictures" / f"{FIRST_NS + 200_000_000}_confidence.jpg"))
    assert picture is not None
    assert abs(float(picture.mean()) - 0.8 * 255) < 2
    assert cv2.VideoCapture(str(out / "overlay.mp4")).read()[0]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["pairs"], summary["masks"], summary["detections"]) == (5, 5, 2)
    assert "Every one of the 5 pairs became a mask." in output
    check_bag(out / "segmentation")


def check_bag(path: Path) -> None:
    """The node's messages are in the bag, to the byte, on the time of the RGB stamps."""
    bag = Recording(path)
    counts = {name: topic.count for name, topic in bag.topics.items()}
    assert counts == {
        "/rgbt_segmenter/label_info": 1,
        "/rgbt_segmenter/mask": FRAMES + 1,
        "/rgbt_segmenter/detections": FRAMES,
        "/rgbt_segmenter/overlay": FRAMES,
        "/rgbt_segmenter/confidence": FRAMES + 1,
        "/diagnostics": 5,
    }
    assert [name for name, topic in bag.topics.items() if topic.latched] == ["/rgbt_segmenter/label_info"]
    masks = [message for message in bag.messages(counts) if message.topic.name == "/rgbt_segmenter/mask"]
    del masks[2]  # what is no image
    assert [mask.received_ns for mask in masks] == [FIRST_NS + i * 100_000_000 for i in range(FRAMES)]
    mask = deserialize_message(masks[3].data, Image)
    assert mask.header.frame_id == "camera"
    assert decode_thermal(mask)[0].tolist() == [2, 2, 2] + 61 * [0]
    first = min(message.received_ns for message in bag.messages(counts))
    assert first == FIRST_NS, "what is older than the recording waits for it"


def test_an_image_that_comes_after_its_overlay_is_pictured(
    tmp_path: Path, start: Start, graph: Graph
) -> None:
    recorder = start("-m", "rgbt_seg_ros.record", "-o", str(tmp_path / "run"), "--input-reliability", "reliable",
                     "--ros-args", "-r", "rgb/image:=/camera/image_raw")  # fmt: skip
    graph.wait_for_the_recorder()
    header = Header(stamp=Time(nanoseconds=FIRST_NS).to_msg())
    for publisher, value in ((graph.overlay, 50), (graph.mask, None), (graph.rgb, 200)):
        image = np.zeros((48, 64), np.uint8) if value is None else np.full((48, 64, 3), value, np.uint8)
        publisher.publish(ROS_MESSAGES.image(header, image))
        assert publisher.wait_for_all_acked(Duration(seconds=TIMEOUT_S))
        time.sleep(0.5)
    recorder.send_signal(signal.SIGINT)
    output, _ = recorder.communicate(timeout=TIMEOUT_S)
    assert recorder.returncode == 0, output
    picture = cv2.imread(str(tmp_path / "run" / "pictures" / f"{FIRST_NS}_rgb.jpg"))
    assert picture is not None
    assert abs(float(picture.mean()) - 200) < 2


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, start: Start) -> None:
    (tmp_path / "file").write_text("in the way")
    recorder = start("-m", "rgbt_seg_ros.record", "-o", str(tmp_path / "file" / "run"))
    output, _ = recorder.communicate(timeout=TIMEOUT_S)
    assert recorder.returncode == 1
    assert "error: cannot write to" in output
    assert "Traceback" not in output
