"""What the live view makes of messages, on a real graph; this process is the node and the viewer, too."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo
from waiting import wait_for

from rgbt_seg_ros.base.diagnostics import status_name
from rgbt_seg_ros.live_view.latest import NextItem
from rgbt_seg_ros.masks.classes import PST900
from rgbt_seg_ros.masks.overlay import thermal_picture
from rgbt_seg_ros.ros.messages import ROS_MESSAGES, diagnostic_status, diagnostics_message
from rgbt_seg_ros.ros.viewer import Viewer

NODE = "/robot/seg"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CAMERA = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class Graph:
    """A feed of the camera pair front of /robot/seg, and a node that publishes for it."""

    def __init__(self) -> None:
        rclpy.init()
        self.node: Node = rclpy.create_node("seg", namespace="/robot")
        self.feed = Viewer(NODE, "front")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._executor.add_node(self.feed)
        self._viewers = ExitStack()
        self._publishers: dict[str, Publisher] = {}

    def watch(self, name: str) -> NextItem:
        """Look at a picture, or at the numbers, until the graph is closed."""
        latest = self.feed.numbers if name == "numbers" else self.feed.pictures[name]
        return self._viewers.enter_context(latest.viewer(f"viewer of {name}"))

    def leave(self) -> None:
        """Look at nothing any more."""
        self._viewers.close()

    def spin_until(self, condition: Callable[[], Any], what: str) -> Any:
        """The first true value of a condition, while messages go round."""

        def check() -> Any:
            self._executor.spin_once(timeout_sec=0.05)
            return condition()

        return wait_for(check, what)

    def publish_until(self, topic: str, message: Any, condition: Callable[[], Any]) -> Any:
        """The first true value of a condition, while a message is published again and again."""
        if topic not in self._publishers:
            qos = CAMERA if "/image" in topic else 1
            self._publishers[topic] = self.node.create_publisher(type(message), topic, qos)

        def check() -> Any:
            self._publishers[topic].publish(message)
            return condition()

        return self.spin_until(check, f"an effect of {topic}")

    def close(self) -> None:
        self.leave()
        self._executor.shutdown()
        self.feed.destroy_node()
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()


def picture_of(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def halves() -> np.ndarray:
    """RGB image uint8 [32, 64, 3] of two colours: red and blue, which must not change places."""
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :32, 0] = image[:, 32:, 2] = 200
    return image


def ramp() -> np.ndarray:
    """Thermal image uint16 [16, 32]."""
    return np.linspace(7000, 9000, 16 * 32).reshape(16, 32).astype(np.uint16)


def header() -> Header:
    return Header(frame_id="eye")


def assert_near(picture: np.ndarray, wanted: np.ndarray) -> None:
    """Equal but for what JPEG changes."""
    assert picture.shape == wanted.shape
    assert np.abs(picture.astype(int) - wanted).mean() < 8


def test_pictures_of_a_camera_pair_in_a_namespace(graph: Graph) -> None:
    for name, topic, array, wanted in (
        ("overlay", f"{NODE}/front/overlay", halves(), halves()),
        ("rgb", "/robot/front/rgb/image", halves(), halves()),
        ("thermal", "/robot/front/thermal/image", ramp(), thermal_picture(ramp())),
    ):
        came = graph.watch(name)
        message = ROS_MESSAGES.image(header(), array)
        assert_near(picture_of(graph.publish_until(topic, message, lambda came=came: came(0.0))), wanted)


def test_compressed_cameras_are_known_by_their_type(graph: Graph) -> None:
    for name, array, wanted in (
        ("rgb", halves()[:, :, ::-1], halves()),
        ("thermal", ramp(), thermal_picture(ramp())),
    ):
        came = graph.watch(name)
        png = cv2.imencode(".png", array)[1].tobytes()
        message = CompressedImage(header=header(), format="png", data=png)
        topic = f"/robot/front/{name}/image"
        assert_near(picture_of(graph.publish_until(topic, message, lambda came=came: came(0.0))), wanted)


def test_a_mask_waits_for_its_classes_and_has_their_colours(graph: Graph) -> None:
    mask = np.zeros((32, 64), np.uint8)
    mask[:, 32:] = 4
    message = ROS_MESSAGES.image(header(), mask)
    came, numbers = graph.watch("mask"), graph.watch("numbers")
    waiting = f"waiting for the names of the classes on {NODE}/front/label_info"
    graph.publish_until(
        f"{NODE}/front/mask", message, lambda: picture_in(numbers, "mask").get("waiting") == waiting
    )
    labels = graph.node.create_publisher(LabelInfo, f"{NODE}/front/label_info", LATCHED)
    labels.publish(ROS_MESSAGES.label_info(header(), PST900.names))
    jpeg = graph.publish_until(f"{NODE}/front/mask", message, lambda: came(0.0))
    assert_near(picture_of(jpeg), np.array(PST900.palette, np.uint8)[mask])


def test_an_image_that_cannot_be_read_is_said_and_the_next_one_shown(graph: Graph) -> None:
    came, numbers = graph.watch("overlay"), graph.watch("numbers")
    topic, image = f"{NODE}/front/overlay", ROS_MESSAGES.image(header(), halves())
    image.step = 1

    def told() -> dict[str, Any]:
        state = picture_in(numbers, "overlay")
        return state if "has step 1" in state.get("waiting", "") else {}

    assert graph.publish_until(topic, image, told)["viewers"] == ["viewer of overlay"]
    assert came(0.0) is None
    image.step = 3 * 64
    assert_near(picture_of(graph.publish_until(topic, image, lambda: came(0.0))), halves())


def picture_in(numbers: NextItem, name: str) -> dict[str, Any]:
    """What new numbers say of a picture; nothing without new ones."""
    item = numbers(0.0)
    return json.loads(item)["pictures"].get(name, {}) if item else {}


def test_reports_of_other_nodes_are_not_told(graph: Graph) -> None:
    numbers = graph.watch("numbers")
    statuses = [
        diagnostic_status(name, node, level, sentence, {"pairs": level})
        for name, node, level, sentence in (
            (status_name("/other/seg", "front"), "/other/seg", 2, "of another robot"),
            (status_name(NODE, "rear"), NODE, 2, "of another pair"),
            (status_name(NODE, "front"), NODE, 1, "this one"),
            ("battery", NODE, 2, "of something else"),
        )
    ]
    report = diagnostics_message(header().stamp, statuses)

    def told() -> dict[str, Any]:
        item = json.loads(numbers(0.0) or b"{}")
        return item if item.get("values") else {}

    last = graph.publish_until("/diagnostics", report, told)
    assert (last["level"], last["sentence"]) == ("warn", "this one")
    assert (last["values"], last["node"], last["pair"]) == ({"pairs": "1"}, NODE, "front")


def test_a_topic_is_given_up_with_its_last_viewer(graph: Graph) -> None:
    topic = f"{NODE}/front/overlay"
    message = ROS_MESSAGES.image(header(), halves())
    came = graph.watch("overlay")
    graph.publish_until(topic, message, lambda: came(0.0))
    assert graph.node.count_subscribers(topic) == 1
    graph.leave()
    graph.spin_until(lambda: graph.node.count_subscribers(topic) == 0, "unsubscribing")
    again = graph.watch("overlay")
    graph.spin_until(lambda: graph.node.count_subscribers(topic) == 1, "subscribing again")
    assert again(0.0) is None, "what the one before saw is old"
