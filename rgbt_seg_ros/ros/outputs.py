"""The output topics of a camera pair: an answer is published here, all of it under the header of its image."""

from collections.abc import Callable
from functools import partial
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.detections import draw_instances
from rgbt_seg_ros.masks.overlay import draw_overlay
from rgbt_seg_ros.pipeline.answer import Answer
from rgbt_seg_ros.ros.messages import ROS_MESSAGES, camera_info_message

OUTPUTS = (
    *("mask", "mask/compressed", "label_info", "detections"),
    *("confidence", "overlay", "instances", "camera_info"),
)
"""The topics by their names behind the prefix."""


_OVERRIDABLE = QoSOverridingOptions(
    policy_kinds=(
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
    )
)


def create_output(
    node: Node, kind: type, topic: str, qos: QoSProfile | int, create: Callable[..., Any] | None = None
) -> Any:
    """A publisher whose QoS users may override by ``qos_overrides.TOPIC.publisher.`` parameters.

    Args:
        node: that publishes.
        kind: of its messages.
        topic: before remapping.
        qos: without overrides.
        create: the method of the node that makes it; None: `create_publisher`.

    Raises:
        UserError: the middleware does not take the overrides.
    """
    try:
        make = node.create_publisher if create is None else create
        return make(kind, topic, qos, qos_overriding_options=_OVERRIDABLE)
    except Exception as error:
        # rclpy has an exception of another type for each way in which an override can be wrong.
        overrides = f"qos_overrides.{node.resolve_topic_name(topic)}.publisher"
        raise UserError(f"parameter {overrides}: {error}: start the node with another value") from error


class Outputs:
    """Lifecycle publishers, silent unless active; `publish` is called in one thread at a time.

    Args:
        node: owns the publishers.
        prefix: of the topics, `~` or `~/front` for a camera pair named front.
        depth: messages kept for a slow subscriber.

    Attributes:
        camera_info: the RGB camera's newest calibration, or None; may be replaced at any time.
    """

    def __init__(self, node: LifecycleNode, prefix: str, depth: int) -> None:
        self.camera_info: CameraInfo | None = None
        self._node = node
        self._class_names: tuple[str, ...] = ()
        self._label_frame = ""
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        create = partial(create_output, node, create=node.create_lifecycle_publisher)
        self._mask = create(Image, f"{prefix}/mask", depth)
        self._compressed_mask = create(CompressedImage, f"{prefix}/mask/compressed", depth)
        self._label_info = create(LabelInfo, f"{prefix}/label_info", latched)
        self._detections = create(Detection2DArray, f"{prefix}/detections", max(depth, 5))
        self._confidence = create(Image, f"{prefix}/confidence", depth)
        self._overlay = create(Image, f"{prefix}/overlay", depth)
        self._instances = create(Image, f"{prefix}/instances", depth)
        self._camera_info = create(CameraInfo, f"{prefix}/camera_info", depth)

    @property
    def mask_topic(self) -> str:
        """The resolved name of the mask's topic."""
        return self._mask.topic_name

    def publish(self, answer: Answer, overlay_alpha: float) -> None:
        """Publish an answer, all or nothing of it; what costs time is made only if somebody subscribes to it."""
        header, segmentation = answer.message.header, answer.segmentation
        names = segmentation.classes.names
        if (names, header.frame_id) != (self._class_names, self._label_frame):
            self.publish_label_info(names, header.stamp, header.frame_id)
        messages = {
            self._mask: ROS_MESSAGES.image(header, segmentation.mask),
            self._detections: ROS_MESSAGES.detections(header, answer.detections),
        }
        # Without an RGB image the mask is in the thermal camera's pixels.
        if self.camera_info is not None and answer.images.rgb is not None:
            height, width = segmentation.mask.shape
            info = camera_info_message(header, self.camera_info, height, width)
            messages[self._camera_info] = info
        if self._compressed_mask.get_subscription_count() > 0:
            messages[self._compressed_mask] = ROS_MESSAGES.compressed_mask(header, segmentation.mask)
        if self._confidence.get_subscription_count() > 0:
            messages[self._confidence] = ROS_MESSAGES.confidence(header, segmentation.confidence)
        if self._instances.get_subscription_count() > 0:
            instances = draw_instances(segmentation.mask.shape, answer.detections)
            messages[self._instances] = ROS_MESSAGES.image(header, instances)
        if self._overlay.get_subscription_count() > 0:
            picture = draw_overlay(
                answer.picture, segmentation.mask, palette_for(names), answer.detections, overlay_alpha
            )
            messages[self._overlay] = ROS_MESSAGES.image(header, picture)
        for publisher, message in messages.items():
            publisher.publish(message)

    def publish_label_info(
        self, class_names: tuple[str, ...], stamp: Time, frame_id: str | None = None
    ) -> None:
        """Publish the names of the ids: at activation, and when they or the camera's frame change.

        Args:
            class_names: in id order.
            stamp: of the message.
            frame_id: the camera's; None keeps the one before.
        """
        if frame_id is not None:
            self._label_frame = frame_id
        self._class_names = class_names
        header = Header(stamp=stamp, frame_id=self._label_frame)
        self._label_info.publish(ROS_MESSAGES.label_info(header, class_names))

    def destroy(self) -> None:
        """Give the topics up."""
        publishers = (self._mask, self._compressed_mask, self._label_info, self._detections)
        for publisher in (*publishers, self._confidence, self._overlay, self._instances, self._camera_info):
            self._node.destroy_lifecycle_publisher(publisher)
