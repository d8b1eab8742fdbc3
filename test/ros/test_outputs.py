"""What the output topics of a camera pair carry, on a real lifecycle node in this process."""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseWithCovariance
from node_bench import header
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import LabelInfo
from waiting import wait_for

from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.masks.detections import Detection
from rgbt_seg_ros.masks.messages import MessageBuilder
from rgbt_seg_ros.pipeline.answer import Answer
from rgbt_seg_ros.ros import outputs
from rgbt_seg_ros.ros.messages import ROS_MESSAGES, camera_info_message
from rgbt_seg_ros.ros.outputs import Outputs
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.segmenter.class_selection import ClassSelection

LAZY = {"mask/compressed": CompressedImage, "confidence": Image, "overlay": Image, "instances": Image}
MAKERS = (
    *((MessageBuilder, "compressed_mask"), (MessageBuilder, "confidence")),
    *((outputs, "draw_overlay"), (outputs, "draw_instances")),
)


class Publishing:
    """Active outputs, and subscriptions to them; `received` holds the last message by topic."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = LifecycleNode("outputs", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.outputs = Outputs(self._node, "~", depth=1)
        self._node.trigger_configure()
        self._node.trigger_activate()
        self.received: dict[str, Any] = {}

    def subscribe(self, topic: str, kind: type) -> None:
        def receive(message: Any) -> None:
            self.received[topic] = message

        self._node.create_subscription(kind, f"~/{topic}", receive, 1)

    def publish(self, answer: Answer, topics: list[str]) -> None:
        """Publish an answer until these topics have brought something."""
        self.received.clear()

        def check() -> bool:
            self.outputs.publish(answer, overlay_alpha=0.5)
            self._executor.spin_once(timeout_sec=0.05)
            return set(topics) <= set(self.received)

        wait_for(check, f"messages on {topics}")

    def spin(self, times: int) -> None:
        for _ in range(times):
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def publishing() -> Iterator[Publishing]:
    publishing = Publishing()
    yield publishing
    publishing.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the costly things as they are made."""
    names: list[str] = []

    def note(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        def make_and_note(*arguments: Any) -> Any:
            names.append(name)
            return make(*arguments)

        return make_and_note

    for module, name in MAKERS:
        monkeypatch.setattr(module, name, note(name, getattr(module, name)))
    return names


def answer(classes: int = 3, rgb: bool = True) -> Answer:
    """An answer 16 x 20 with every class id in turn."""
    draw = np.random.default_rng(0)
    selection = ClassSelection(tuple(f"class {i}" for i in range(classes)), ())
    mask = (np.arange(16 * 20) % classes).astype(selection.mask_type).reshape(16, 20)
    images = ImagePair(
        draw.integers(0, 256, (16, 20, 3), np.uint8) if rgb else None,
        draw.integers(7000, 9000, (16, 20), np.uint16),
    )
    segmentation = Segmentation(mask, draw.random((16, 20), np.float32), {}, selection)
    message = ROS_MESSAGES.image(header(5_000_000_007, "eye"), np.zeros((16, 20), np.uint8))
    return Answer(message, images, segmentation, [], {})


@pytest.mark.parametrize(("height", "width"), [(0, 0), (480, 0), (0, 640), (480, 640)])
def test_a_calibration_of_any_size_is_taken(height: int, width: int) -> None:
    info = CameraInfo(height=height, width=width, k=[50.0, 0.0, 31.5, 0.0, 55.0, 23.5, 0.0, 0.0, 1.0])
    taken = camera_info_message(header(1), info, 480, 640)
    assert (taken.height, taken.width) == (480, 640)
    assert list(taken.k) == list(info.k)


@pytest.mark.parametrize("failing", [name for _, name in MAKERS])
def test_an_answer_is_published_whole_or_not_at_all(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    for topic, kind in {"mask": Image, **LAZY}.items():
        publishing.subscribe(topic, kind)
    publishing.publish(answer(), ["mask", *LAZY])
    publishing.spin(20)
    module = next(module for module, name in MAKERS if name == failing)

    def fail(*arguments: Any) -> None:
        raise ValueError("cannot be made")

    monkeypatch.setattr(module, failing, fail)
    publishing.received.clear()
    with pytest.raises(ValueError, match="cannot be made"):
        publishing.outputs.publish(answer(), overlay_alpha=0.5)
    publishing.spin(20)
    assert publishing.received == {}
    monkeypatch.undo()
    publishing.publish(answer(), ["mask", *LAZY])


def test_what_nobody_looks_at_is_not_made(publishing: Publishing, made: list[str]) -> None:
    publishing.subscribe("mask", Image)
    publishing.publish(answer(), ["mask"])
    assert made == []
    for topic, kind in LAZY.items():
        publishing.subscribe(topic, kind)
    publishing.publish(answer(), list(LAZY))
    assert set(made) == {name for _, name in MAKERS}


def test_confidence_is_rounded_to_the_nearest_even_byte() -> None:
    bytes_ = np.arange(255, dtype=np.float32)[None]
    half = (bytes_ + 0.5) / np.float32(255)
    confidence = np.concatenate(
        [bytes_ / 255, half, np.nextafter(half, 0), np.nextafter(half, 1)], dtype=np.float32
    )
    message = ROS_MESSAGES.confidence(header(1), confidence)
    published = np.frombuffer(message.data, np.uint8).reshape(confidence.shape)
    np.testing.assert_array_equal(published, np.round(confidence * np.float32(255)))


def test_objects_share_no_more_than_a_pose_that_nobody_knows() -> None:
    found = [Detection(1, "car", 0.25 * n, n, 2.0, 3.0, 4.0, 5, object_id=n) for n in (1, 2)]
    message = ROS_MESSAGES.detections(header(1), found)
    hypotheses = [each.results[0] for each in message.detections]
    assert [each.hypothesis.score for each in hypotheses] == [0.25, 0.5]
    assert [(each.bbox.center.position.x, each.id) for each in message.detections] == [(1.0, "1"), (2.0, "2")]
    assert [each.pose for each in hypotheses] == [PoseWithCovariance()] * 2


def test_more_than_255_classes_make_masks_of_16_bits(publishing: Publishing) -> None:
    for topic, kind in {**LAZY, "mask": Image, "label_info": LabelInfo}.items():
        publishing.subscribe(topic, kind)
    many = answer(classes=300)
    publishing.publish(many, [*LAZY, "mask", "label_info"])
    mask, compressed = publishing.received["mask"], publishing.received["mask/compressed"]
    assert (mask.encoding, mask.step) == ("mono16", 40)
    np.testing.assert_array_equal(np.frombuffer(mask.data, "<u2").reshape(16, 20), many.segmentation.mask)
    assert compressed.format == "mono16; png compressed "
    decoded = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, many.segmentation.mask)
    names = [entry.class_name for entry in publishing.received["label_info"].class_map]
    assert names == list(many.segmentation.classes.names)


def test_without_rgb_the_picture_is_thermal_and_there_is_no_rgb_calibration(publishing: Publishing) -> None:
    publishing.outputs.camera_info = CameraInfo(height=16, width=20)
    for topic, kind in {"camera_info": CameraInfo, "overlay": Image}.items():
        publishing.subscribe(topic, kind)
    publishing.publish(answer(rgb=False), ["overlay"])
    assert "camera_info" not in publishing.received
    overlay = publishing.received["overlay"]
    assert (overlay.encoding, overlay.height, overlay.width) == ("rgb8", 16, 20)
    publishing.publish(answer(), ["camera_info"])
    assert publishing.received["camera_info"].header == header(5_000_000_007, "eye")


def test_label_info_is_repeated_when_the_classes_or_the_frame_change(publishing: Publishing) -> None:
    publishing.subscribe("label_info", LabelInfo)
    publishing.publish(answer(), ["label_info"])
    assert publishing.received["label_info"].header.frame_id == "eye"
    publishing.publish(answer(classes=2), ["label_info"])
    assert len(publishing.received["label_info"].class_map) == 2
