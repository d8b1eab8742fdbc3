"""The live view's part in the ROS graph: subscribes to what is being looked at, and to nothing else."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.images import codec
from rgbt_seg_ros.live_view.latest import Latest
from rgbt_seg_ros.live_view.state import NodeState, PictureState
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.overlay import colorize, thermal_message_picture
from rgbt_seg_ros.ros.arguments import check_arguments

FOLLOW_PERIOD_S = 0.1
"""How soon a topic is subscribed when a viewer comes, and given up when the last one leaves [s]."""

NUMBERS_PERIOD_S = 1.0
"""The numbers are sent at least so often, as they say for how long something has not come [s]."""

JPEG_QUALITY = 85
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)
"""Masks are small whatever time is taken for them."""

NEWEST = QoSProfile(depth=1)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CAMERA = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Fits every camera, and makes none repeat what a viewer missed."""

Reader = Callable[[Any], np.ndarray]


@dataclass
class FollowedTopic:
    """A topic that is subscribed while somebody wants it and somebody publishes it.

    Attributes:
        name: before remapping.
        receivers: what takes its messages, by their type; the publisher's is subscribed.
        qos: of the subscription.
        wanted: whether somebody wants it now.
        forget: called while nobody does.
    """

    name: str
    receivers: Mapping[type, Callable[[Any], None]]
    qos: QoSProfile
    wanted: Callable[[], bool]
    forget: Callable[[], None]
    _kind: type | None = None
    _subscription: Subscription | None = None

    @property
    def published(self) -> bool:
        """Whether somebody publishes it, as of the last look; only looked at while it is wanted."""
        return self._kind is not None

    def follow(self, node: Node) -> None:
        """Look round, and subscribe or unsubscribe."""
        wanted = self.wanted()
        kind = self._published_kind(node) if wanted else None
        if kind is not self._kind:
            if self._subscription is not None:
                node.destroy_subscription(self._subscription)
                self._subscription = None
            if kind is not None:
                self._subscription = node.create_subscription(kind, self.name, self.receivers[kind], self.qos)
            self._kind = kind
        if not wanted:
            self.forget()

    def _published_kind(self, node: Node) -> type | None:
        types = {info.topic_type for info in node.get_publishers_info_by_topic(self.name)}
        return next((kind for kind in self.receivers if _type_name(kind) in types), None)


class Viewer(Node):
    """Fills `pictures` and `numbers` from the topics of a node while they have viewers.

    Args:
        node: name of the node, relative to this one's namespace or full.
        pair: one of its `camera_pairs`; empty for a node without.

    Attributes:
        target: the full name of the node.
        pictures: JPEGs of overlay, rgb, thermal and confidence, and PNGs of the mask, whose colours stay exact; each is
            encoded once for all viewers.
        numbers: one line of JSON: `NodeState.describe`, and of the watched ``pictures``
            `PictureState.describe` and the names of their ``viewers``.
    """

    def __init__(self, node: str, pair: str = "") -> None:
        super().__init__("rgbt_watch", start_parameter_services=False)
        self.target = self.resolve_topic_name(node, only_expand=True)
        self.numbers = Latest()
        self.pictures: dict[str, Latest] = {}
        self._node_state = NodeState(self.target, pair)
        self._picture_states: dict[str, PictureState] = {}
        self._picture_topics: dict[str, FollowedTopic] = {}
        self._watched: dict[str, PictureState] = {}
        self._had_viewers = False
        # The node's own relative names are those of its namespace.
        namespace = node[: node.rfind("/") + 1]
        inputs, outputs = (f"{namespace}{pair}/", f"{node}/{pair}") if pair else (namespace, node)
        self._add_picture("overlay", f"{outputs}/overlay", NEWEST, codec.decode_rgb)
        self._add_picture(
            "rgb",
            f"{inputs}rgb/image",
            CAMERA,
            codec.decode_rgb,
            codec.decode_compressed_rgb,
        )
        self._add_picture(
            "thermal",
            f"{inputs}thermal/image",
            CAMERA,
            thermal_message_picture,
            partial(thermal_message_picture, compressed=True),
        )
        self._add_picture("mask", f"{outputs}/mask", NEWEST, self._mask_picture, kind="image/png")
        self._add_picture("confidence", f"{outputs}/confidence", NEWEST, codec.decode_rgb)
        self._number_topics = self._make_number_topics(outputs)
        followed = (*self._picture_topics.values(), *self._number_topics)
        check_arguments(self, [topic.name for topic in followed])
        # Steady time: the view must go on when /clock does not.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(FOLLOW_PERIOD_S, self._follow_viewers, clock=steady)
        self.create_timer(NUMBERS_PERIOD_S, self._send_numbers, clock=steady)

    def _add_picture(
        self,
        name: str,
        topic: str,
        qos: QoSProfile,
        read: Reader,
        read_compressed: Reader | None = None,
        kind: str = "image/jpeg",
    ) -> None:
        self.pictures[name] = latest = Latest(kind)
        ending = ".png" if kind == "image/png" else ".jpg"
        options = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY) if ending == ".jpg" else PNG_OPTIONS
        self._picture_states[name] = state = PictureState(self.resolve_topic_name(topic))

        def receive(read: Reader, message: Any) -> None:
            if not latest.viewers:
                return
            try:
                picture = read(message)
            except ValueError as error:
                state.problem = str(error)
                return
            file = cv2.imencode(ending, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)[1]
            state.show(time.monotonic(), *picture.shape[:2])
            latest.put(file.tobytes())

        receivers = {Image: partial(receive, read)}
        if read_compressed is not None:
            receivers[CompressedImage] = partial(receive, read_compressed)
        self._picture_topics[name] = FollowedTopic(
            topic, receivers, qos, wanted=lambda: latest.viewers > 0, forget=state.forget
        )

    def _make_number_topics(self, outputs: str) -> list[FollowedTopic]:
        state = self._node_state

        def wanted() -> bool:
            return self.numbers.viewers > 0

        def classes_wanted() -> bool:
            return wanted() or self.pictures["mask"].viewers > 0

        def forget_classes() -> None:
            state.classes = ()

        reports = {DiagnosticArray: self._on_diagnostics}
        detections, self._label_info_topic = f"{outputs}/detections", f"{outputs}/label_info"
        return [
            FollowedTopic("/diagnostics", reports, QoSProfile(depth=10), wanted, state.forget),
            FollowedTopic(detections, {Detection2DArray: self._on_detections}, NEWEST, wanted, state.forget),
            FollowedTopic(
                self._label_info_topic,
                {LabelInfo: self._on_label_info},
                LATCHED,
                classes_wanted,
                forget_classes,
            ),
        ]

    # --- what is looked at ---

    def _follow_viewers(self) -> None:
        for topic in (*self._picture_topics.values(), *self._number_topics):
            topic.follow(self)
        self._watched = {
            name: self._picture_states[name] for name in self.pictures if self.pictures[name].viewers
        }
        for name, state in self._watched.items():
            state.published = self._picture_topics[name].published
        has_viewers = self.numbers.viewers > 0
        if has_viewers and not self._had_viewers:
            self._send_numbers()
        self._had_viewers = has_viewers

    def _send_numbers(self) -> None:
        if self.numbers.viewers:
            now_s = time.monotonic()
            pictures = {
                name: {**state.describe(now_s), "viewers": self.pictures[name].viewer_names}
                for name, state in self._watched.items()
            }
            numbers = {**self._node_state.describe(now_s), "pictures": pictures}
            self.numbers.put(encode_json(numbers).encode())

    # --- what comes ---

    def _mask_picture(self, message: Image) -> np.ndarray:
        """The mask in the overlay's colours; raises ValueError where it cannot be read, or has no colours yet."""
        mask = codec.decode_thermal(message)
        if not self._node_state.classes:
            topic = self.resolve_topic_name(self._label_info_topic)
            raise ValueError(f"waiting for the names of the classes on {topic}")
        return colorize(mask, palette_for(self._node_state.classes))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        # Other nodes also report there, those of other robots even under the same name.
        statuses = {
            status.name: (status.level[0], status.message, {item.key: item.value for item in status.values})
            for status in message.status
            if status.hardware_id == self.target
        }
        if statuses:
            self._node_state.report(time.monotonic(), statuses)
            self._send_numbers()

    def _on_detections(self, message: Detection2DArray) -> None:
        found = [detection.results[0].hypothesis for detection in message.detections if detection.results]
        self._node_state.detect(time.monotonic(), [hypothesis.class_id for hypothesis in found])
        self._send_numbers()

    def _on_label_info(self, message: LabelInfo) -> None:
        entries = sorted(message.class_map, key=lambda entry: entry.class_id)
        self._node_state.classes = tuple(entry.class_name for entry in entries)
        self._send_numbers()


def _type_name(kind: Any) -> str:
    """sensor_msgs/msg/Image of a message class."""
    return f"{'/'.join(kind.__module__.split('.')[:2])}/{kind.__name__}"
