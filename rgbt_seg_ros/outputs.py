"""The node's output topics: what becomes of a pair is published here, all of it under the RGB image's header."""

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from rgbt_seg_ros.answer import Answer
from rgbt_seg_ros.classes import palette_for
from rgbt_seg_ros.messages import detections_message, image_message, label_info_message
from rgbt_seg_ros.overlay import draw_overlay


class Outputs:
    """Lifecycle publishers of `~/mask`, `~/label_info`, `~/detections` and `~/overlay`; silent unless active.

    Args:
        node: owns the publishers.
        class_names: in the order of the mask's ids.
        depth: messages kept for a slow subscriber.
    """

    def __init__(self, node: LifecycleNode, class_names: tuple[str, ...], depth: int = 1) -> None:
        self._node = node
        self._class_names = class_names
        self._palette = palette_for(class_names)
        self._label_frame = ""
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._mask = node.create_lifecycle_publisher(Image, "~/mask", depth)
        self._label_info = node.create_lifecycle_publisher(LabelInfo, "~/label_info", latched)
        self._detections = node.create_lifecycle_publisher(Detection2DArray, "~/detections", max(depth, 5))
        self._overlay = node.create_lifecycle_publisher(Image, "~/overlay", depth)

    @property
    def mask_topic(self) -> str:
        """The resolved name of `~/mask`."""
        return self._mask.topic_name

    def publish(self, answer: Answer, overlay_alpha: float) -> None:
        """Publish an answer; the overlay is drawn only if somebody subscribes to it."""
        header = answer.rgb_message.header
        if header.frame_id != self._label_frame:
            self.publish_label_info(header)
        self._mask.publish(image_message(header, answer.segmentation.mask))
        self._detections.publish(detections_message(header, answer.detections))
        if self._overlay.get_subscription_count() > 0:
            picture = draw_overlay(
                answer.rgb, answer.segmentation.mask, self._palette, answer.detections, overlay_alpha
            )
            self._overlay.publish(image_message(header, picture))

    def publish_label_info(self, header: Header) -> None:
        """Publish the names of the ids: at activation, and again when the camera's frame is known or changes."""
        self._label_info.publish(label_info_message(header, self._class_names))
        self._label_frame = header.frame_id

    def destroy(self) -> None:
        """Give the topics up."""
        for publisher in (self._mask, self._label_info, self._detections, self._overlay):
            self._node.destroy_lifecycle_publisher(publisher)
