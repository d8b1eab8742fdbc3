"""Topics on which nothing comes: who publishes them, and why that does not fit."""

from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from waiting import wait_for

from rgbt_seg_ros.ros.inputs.camera_info import camera_info_topics
from rgbt_seg_ros.ros.inputs.publishers import IMAGE_TYPES, WatchedTopic

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
REMEDY = "set input_reliability to best_effort"


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def driver(context: rclpy.Context) -> Node:
    return Node("driver", namespace="/robot", context=context)


Watch = Callable[[QoSProfile], tuple[WatchedTopic, list[tuple[str, bool]]]]


@pytest.fixture
def watch(context: rclpy.Context) -> Watch:
    """``watch(qos)`` gives what watches /boson/image for raw images, and what it says."""
    node = Node("segmenter", context=context)

    def make(qos: QoSProfile) -> tuple[WatchedTopic, list[tuple[str, bool]]]:
        said: list[tuple[str, bool]] = []
        watched = WatchedTopic(
            node,
            "/boson/image",
            IMAGE_TYPES["raw"],
            qos,
            "thermal_transport",
            REMEDY,
            lambda sentence, is_fault: said.append((sentence, is_fault)),
        )
        return watched, said

    return make


def wait_for_fault(watched: WatchedTopic, fault: str) -> None:
    def look() -> bool:
        watched.look(0)
        return watched.fault == fault

    try:
        wait_for(look, "the fault", 20.0)
    except AssertionError:
        assert watched.fault == fault


def test_a_topic_without_publishers_is_said_once_with_the_nearest_one(watch: Watch, driver: Node) -> None:
    watched, said = watch(BEST_EFFORT)
    wait_for_fault(watched, "nobody publishes /boson/image")
    first = driver.create_publisher(Image, "/boson/image_raw", 1)
    sentence = "nobody publishes /boson/image: the only topic of images is /boson/image_raw"
    wait_for_fault(watched, sentence)
    driver.create_publisher(CompressedImage, "/other", 1)
    driver.destroy_publisher(first)
    wait_for_fault(watched, "nobody publishes /boson/image: the only topic of images is /other")
    driver.create_publisher(Image, "/boson/image", 1)
    wait_for_fault(watched, "")
    for _ in range(5):
        watched.look(0)
    assert [fault for _, fault in said] == [True, True, True, False]
    assert said[-1][0] == "/boson/image is published as it should be now"


@pytest.mark.parametrize(
    ("kind", "offered", "asked", "fault"),
    [
        (
            CompressedImage,
            RELIABLE,
            RELIABLE,
            " as sensor_msgs/msg/CompressedImage, and sensor_msgs/msg/Image is subscribed: "
            "set thermal_transport to compressed",
        ),
        (
            CameraInfo,
            RELIABLE,
            RELIABLE,
            " as sensor_msgs/msg/CameraInfo, and sensor_msgs/msg/Image is subscribed: remap to another topic",
        ),
        (Image, BEST_EFFORT, RELIABLE, f" best effort, and reliable is asked for: {REMEDY}"),
        (
            Image,
            RELIABLE,
            LATCHED,
            " volatile, and transient local is asked for: leave the override of durability out",
        ),
    ],
)
def test_a_publisher_that_does_not_fit_is_named_with_the_remedy(
    watch: Watch, driver: Node, kind: type, offered: QoSProfile, asked: QoSProfile, fault: str
) -> None:
    publisher = driver.create_publisher(kind, "/boson/image", offered)
    watched, said = watch(asked)
    wait_for_fault(watched, f"/robot/driver publishes /boson/image{fault}")
    # Fast DDS gives a topic one type in a process.
    driver.destroy_publisher(publisher)
    driver.create_publisher(Image, "/boson/image", LATCHED)
    wait_for_fault(watched, "")
    assert (said[0][1], said[-1][1]) == (True, False)


def test_what_comes_needs_no_look(watch: Watch) -> None:
    watched, said = watch(RELIABLE)
    for received in range(1, 5):
        watched.look(received)
    assert said == []


@pytest.mark.parametrize(
    ("remaps", "transport", "topics"),
    [
        ({}, "raw", ["/robot/rgb/camera_info"]),
        ({"rgb/image": "/cam/image_raw"}, "raw", ["/cam/camera_info", "/robot/rgb/camera_info"]),
        (
            {"rgb/image": "/cam/image_raw/compressed"},
            "compressed",
            ["/cam/camera_info", "/robot/rgb/camera_info"],
        ),
        ({"rgb/image": "/cam"}, "raw", ["/robot/rgb/camera_info"]),
        ({"rgb/image": "/cam/image_raw", "rgb/camera_info": "/info"}, "raw", ["/info"]),
        (
            {"rgb/image": "/cam/image_raw", "rgb/camera_info": "rgb/camera_info"},
            "raw",
            ["/cam/camera_info", "/robot/rgb/camera_info"],
        ),
    ],
)
def test_the_calibration_is_beside_the_images_unless_it_is_remapped(
    context: rclpy.Context, remaps: dict[str, str], transport: str, topics: list[str]
) -> None:
    arguments = ["--ros-args", *(word for old, new in remaps.items() for word in ("-r", f"{old}:={new}"))]
    node = Node("seg", namespace="/robot", context=context, cli_args=arguments, use_global_arguments=False)
    image = node.resolve_topic_name("rgb/image")
    assert list(camera_info_topics(node, "rgb/camera_info", image, transport)) == topics
