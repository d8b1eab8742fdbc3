"""Topics that do not fit what a node asks for: said in its log and on /diagnostics, and when they fit again.

The tests of this file share one node and run in order.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import rclpy
from node_bench import Bench, stamp_of
from node_process import NodeProcess, active_node
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

TOPICS = {"rgb/image": "/front/image_raw", "thermal/image": "/lepton/image_raw"}
FAULT = (
    "/bench publishes /lepton/image_raw as sensor_msgs/msg/Image, and sensor_msgs/msg/CompressedImage is subscribed: "
    "set thermal_transport to raw"
)


@pytest.fixture(scope="module")
def front(bench: Bench) -> Iterator[Bench]:
    front = Bench(*TOPICS.values())
    yield front
    front.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Node]:
    """In a context of its own."""
    context = rclpy.Context()
    rclpy.init(context=context)
    yield Node("driver", context=context)
    context.try_shutdown()


@pytest.fixture(scope="module")
def node(front: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    log = tmp_path_factory.mktemp("node") / "log.txt"
    with active_node(log, topics=TOPICS, model=node_model, thermal_transport="compressed") as node:
        yield node


def test_the_wrong_transport_is_said_in_log_and_diagnostics(front: Bench, node: NodeProcess) -> None:
    def is_said() -> bool:
        if front.last("/diagnostics") is None:
            return False
        level, sentence, _ = front.diagnostics()
        # Before a second has passed there is no mask yet, and no camera is missing.
        missing = sentence.startswith("no images on /lepton/image_raw for ")
        return level >= 1 and missing and sentence.endswith(f"; {FAULT}")

    front.send_until(is_said, "the fault on /diagnostics")
    front.next_diagnostics()
    front.next_diagnostics()
    assert node.output.count(FAULT) == 1
    assert "[WARN]" in next(line for line in node.output.splitlines() if FAULT in line)


def test_it_is_said_when_it_is_mended_and_masks_come(front: Bench, driver: Node, node: NodeProcess) -> None:
    # Fast DDS gives a topic one type in a context.
    front.node.destroy_publisher(front.thermal)
    front.thermal = driver.create_publisher(CompressedImage, "/lepton/image_raw", 10)

    def send() -> None:
        rgb, thermal = front.next_arrays()
        png = cv2.imencode(".png", thermal)[1].tobytes()
        compressed = CompressedImage(format="mono16; png compressed ", data=png)
        front.send(ROS_MESSAGES.image(Header(), rgb), compressed)

    front.new("mask", send)
    front.send_until(lambda: front.diagnostics()[0] == 0, "all is well", send)
    node.wait_for_output("/lepton/image_raw is published as it should be now")


def test_the_calibration_beside_the_images_is_taken(front: Bench, node: NodeProcess) -> None:
    front.subscribe("camera_info", CameraInfo, 10)
    publishers = {
        topic: front.node.create_publisher(CameraInfo, topic, 10)
        for topic in ("/rgb/camera_info", "/front/camera_info")
    }

    def send(topic: str, focal_length: float) -> None:
        rgb, thermal = front.next_arrays()
        k = [focal_length, 0.0, 32.0, 0.0, focal_length, 24.0, 0.0, 0.0, 1.0]
        publishers[topic].publish(CameraInfo(height=48, width=64, k=k))
        png = cv2.imencode(".png", thermal)[1].tobytes()
        front.send(
            ROS_MESSAGES.image(Header(), rgb), CompressedImage(format="mono16; png compressed ", data=png)
        )

    # By its own name as well, where there is nothing beside the images.
    info = front.new("camera_info", lambda: send("/rgb/camera_info", 50.0))
    assert info.k[0] == 50.0
    front.new("camera_info", lambda: send("/front/camera_info", 70.0), accept=lambda info: info.k[0] == 70.0)
    info = front.new("camera_info", lambda: send("/rgb/camera_info", 50.0))
    assert info.k[0] == 70.0
    wait_for(lambda: front.last("mask", stamp_of(info)), "its mask")
