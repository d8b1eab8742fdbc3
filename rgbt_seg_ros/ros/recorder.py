"""Records what a running node makes of its cameras."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.base.diagnostics import pair_of_status
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import remove_folder
from rgbt_seg_ros.images.codec import (
    UndecodableImage,
    decode_compressed_rgb,
    decode_rgb,
    decode_thermal,
    stamp_ns,
)
from rgbt_seg_ros.masks.hash import MaskHash
from rgbt_seg_ros.masks.overlay import thermal_message_picture
from rgbt_seg_ros.pairing.stream_clock import StreamClock
from rgbt_seg_ros.ros.arguments import check_arguments
from rgbt_seg_ros.ros.graph import spin_until
from rgbt_seg_ros.ros.output_bag import OutputBag
from rgbt_seg_ros.runs.folder import BAG, Box
from rgbt_seg_ros.runs.writer import RunWriter
from rgbt_seg_ros.runs.writer_thread import WriterThread

_OUTPUTS = ("mask", "detections", "overlay", "confidence", "label_info")
TOPICS = ("rgb/image", "thermal/image", *(f"rgbt_segmenter/{name}" for name in _OUTPUTS), "/diagnostics")
"""What is recorded, before remapping."""

_KEPT_IMAGES = 64
_KEPT_TIMES = 4096
_LAST_MESSAGES_S = 1.0


class Recorder(Node):
    """Subscribes to the cameras and to the node's outputs and hands all of it to a `RunWriter`.

    Attributes:
        node_values: the values of the node's newest report; empty before the first.
        node_sentence: what that report says.
    """

    def __init__(
        self,
        writer: RunWriter,
        jobs: WriterThread,
        input_reliability: str,
        bag: OutputBag | None,
        transports: Mapping[str, str],
    ) -> None:
        super().__init__("rgbt_recorder", start_parameter_services=False)
        self.node_values: dict[str, str] = {}
        self.node_sentence = ""
        self._writer = writer
        self._jobs = jobs
        self._bag = bag
        self._rgb_times: dict[int, float] = {}
        self._newest_rgb_ns: int | None = None
        self._stream_clock = StreamClock()
        self._thermal_stamps: deque[int] = deque(maxlen=_KEPT_TIMES)
        self._rgb_images: dict[int, Image | CompressedImage] = {}
        self._awaited_rgb: dict[int, bool] = {}
        self._thermal_images: dict[int, Image | CompressedImage] = {}
        reliable = input_reliability == "reliable"
        cameras = QoSProfile(
            depth=100,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        self._camera_topics: list[str] = []
        for camera, receive in (("rgb", self._on_rgb), ("thermal", self._on_thermal)):
            kind = CompressedImage if transports.get(camera) == "compressed" else Image
            subscription = self.create_subscription(kind, f"{camera}/image", receive, cameras)
            self._camera_topics.append(subscription.topic_name)
        self._mask_topic = self._subscribe_output(Image, "rgbt_segmenter/mask", self._on_mask)
        self._subscribe_output(Detection2DArray, "rgbt_segmenter/detections", self._on_detections)
        self._subscribe_output(Image, "rgbt_segmenter/overlay", self._on_overlay)
        self._subscribe_output(Image, "rgbt_segmenter/confidence", self._on_confidence)
        self._subscribe_output(LabelInfo, "rgbt_segmenter/label_info", self._on_label_info, latched=True)
        self._subscribe_output(DiagnosticArray, "/diagnostics", self._on_diagnostics)
        check_arguments(self, TOPICS)

    @property
    def has_images(self) -> bool:
        """Whether an image of a camera has come."""
        return bool(self._rgb_times or self._thermal_stamps)

    def describe_cameras(self) -> str:
        """Who publishes the cameras' topics, their types and reliability, as a part of a sentence."""
        clauses = []
        for topic in self._camera_topics:
            publishers = [
                f"{info.node_namespace.rstrip('/')}/{info.node_name} publishes {topic} as {info.topic_type}, "
                f"{info.qos_profile.reliability.name.lower().replace('_', ' ')}"
                for info in self.get_publishers_info_by_topic(topic)
            ]
            clauses += publishers or [f"nobody publishes {topic}"]
        return "; ".join(clauses)

    def _subscribe_output(
        self, kind: type, name: str, receive: Callable[[Any], None], latched: bool = False
    ) -> str:
        """Receive an output of the node, and put it into the bag, if there is one; returns the topic's name.

        What answers an RGB image goes to that image's time, everything else to the newest one's.
        """

        def take(message: Any) -> None:
            receive(message)
            if self._bag is not None:
                stamp = stamp_ns(message.header)
                time_ns = stamp if stamp in self._rgb_times else self._newest_rgb_ns
                self._jobs.add(self._bag.add, time_ns, topic, message, latched)

        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=1 if latched else 100, durability=durability)
        topic: str = self.create_subscription(kind, name, take, qos).topic_name
        return topic

    def _on_rgb(self, message: Image | CompressedImage) -> None:
        stamp = stamp_ns(message.header)
        self._newest_rgb_ns = stamp
        self._stream_clock.add(stamp, time.monotonic_ns())
        _keep(self._rgb_times, stamp, time.monotonic(), _KEPT_TIMES)
        _keep(self._rgb_images, stamp, message, _KEPT_IMAGES)
        if self._awaited_rgb.pop(stamp, False):
            self._jobs.add(self._add_picture, stamp, "rgb", message, _decode_rgb)

    def _on_thermal(self, message: Image | CompressedImage) -> None:
        stamp = stamp_ns(message.header)
        self._stream_clock.add(stamp, time.monotonic_ns())
        self._thermal_stamps.append(stamp)
        _keep(self._thermal_images, stamp, message, _KEPT_IMAGES)

    def _on_mask(self, message: Image) -> None:
        received = time.monotonic()
        stamp = stamp_ns(message.header)
        sent = self._rgb_times.get(stamp)
        latency_ms = None if sent is None else round((received - sent) * 1e3, 3)
        nearest = min(self._thermal_stamps, key=lambda thermal: abs(thermal - stamp), default=None)
        skew_ms = None if nearest is None else (nearest - stamp) / 1e6
        self._add_decoded(
            "mask", message, lambda mask: self._writer.add_mask(stamp, mask, received, latency_ms, skew_ms)
        )

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = stamp_ns(message.header)
        boxes = [
            Box(
                class_name=detection.results[0].hypothesis.class_id,
                score=detection.results[0].hypothesis.score,
                center_x=detection.bbox.center.position.x,
                center_y=detection.bbox.center.position.y,
                size_x=detection.bbox.size_x,
                size_y=detection.bbox.size_y,
            )
            for detection in message.detections
            if detection.results
        ]
        self._jobs.add(self._writer.add_detections, stamp, boxes)

    def _on_overlay(self, message: Image) -> None:
        stamp = stamp_ns(message.header)
        rgb = self._rgb_images.get(stamp)
        nearest = min(self._thermal_images, key=lambda thermal: abs(thermal - stamp), default=None)
        thermal = None if nearest is None else self._thermal_images[nearest]
        if rgb is None:
            # No order holds between topics: it may be on its way.
            _keep(self._awaited_rgb, stamp, True, _KEPT_IMAGES)

        def write() -> None:
            try:
                self._writer.add_overlay(stamp, decode_rgb(message))
            except ValueError as error:
                self.get_logger().warning(f"an overlay is not in the video: {error}", throttle_duration_sec=1)
            self._add_picture(stamp, "rgb", rgb, _decode_rgb)
            self._add_picture(stamp, "thermal", thermal, thermal_message_picture)

        self._jobs.add(write)

    def _add_picture(
        self, stamp: int, kind: str, message: Any, decode: Callable[[Any, bool], np.ndarray]
    ) -> None:
        """Add a camera's image, if there is one and it can be seen."""
        with suppress(UndecodableImage):
            if message is not None:
                picture = decode(message, isinstance(message, CompressedImage))
                self._writer.add_picture(stamp, kind, picture)

    def _on_confidence(self, message: Image) -> None:
        stamp = stamp_ns(message.header)
        self._add_decoded("confidence", message, lambda image: self._writer.add_confidence(stamp, image))

    def _add_decoded(self, what: str, message: Image, add: Callable[[np.ndarray], None]) -> None:
        """Have an output decoded and added; one that is no image is left out, and said: anybody may publish it."""

        def write() -> None:
            try:
                image = decode_thermal(message)
            except UndecodableImage as error:
                self.get_logger().warning(f"a {what} is not recorded: {error}", throttle_duration_sec=1)
            else:
                add(image)

        self._jobs.add(write)

    def _on_label_info(self, message: LabelInfo) -> None:
        names = [entry.class_name for entry in sorted(message.class_map, key=lambda entry: entry.class_id)]
        self._jobs.add(self._writer.add_classes, names)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node = status.hardware_id
            if pair_of_status(status.name) == self._pair_of(node) and self._is_the_nodes(node):
                self.node_values = values = {entry.key: entry.value for entry in status.values}
                level, sentence = status.level[0], status.message
                self.node_sentence = sentence
                present = self._stream_clock.now(time.monotonic_ns())
                self._jobs.add(self._writer.add_diagnostics, present, level, sentence, values)

    def _pair_of(self, node: str) -> str:
        """The camera pair of a node whose masks are recorded, by their topic; empty for one without pairs."""
        inside = self._mask_topic.removeprefix(f"{node}/")
        return inside.rpartition("/")[0] if inside != self._mask_topic else ""

    def _is_the_nodes(self, hardware_id: str) -> bool:
        """Whether a status is that of the node whose masks are recorded: others report under the same name."""
        publishers = self.get_publishers_info_by_topic(self._mask_topic)
        names = {f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in publishers}
        # Before it is configured the node has no mask to publish.
        return hardware_id in (names or {self.resolve_topic_name("rgbt_segmenter", only_expand=True)})


def record(
    folder: Path,
    input_reliability: str,
    ended: Callable[[Recorder], bool],
    with_bag: bool = False,
    transports: Mapping[str, str] = MappingProxyType({}),
) -> MaskHash:
    """Record into a folder until `ended` says so; rclpy must be initialised.

    Args:
        folder: made if need be; an earlier run in it is replaced.
        input_reliability: what to ask of the cameras' topics, best_effort or reliable.
        ended: asked about ten times a second; what is under way by then is still recorded.
        with_bag: also write the node's messages into a rosbag2 in the folder.
        transports: of the cameras ``rgb`` and ``thermal``: raw (default) or compressed.

    Returns:
        Of all masks, in the order in which they came.

    Raises:
        UserError: the folder or the video cannot be written, or `ended` raises one.
    """
    writer = RunWriter(folder)
    with ExitStack() as stack:
        bag = OutputBag(stack.enter_context(_new_bag(folder / BAG))) if with_bag else None
        jobs = WriterThread()
        node = Recorder(writer, jobs, input_reliability, bag, transports)
        stack.callback(writer.close)
        stack.callback(jobs.finish)
        stack.callback(node.destroy_node)
        spin_until(node, lambda: ended(node) or jobs.error is not None)
        end = time.monotonic() + _LAST_MESSAGES_S
        spin_until(node, lambda: time.monotonic() > end or jobs.error is not None)
    if jobs.error is not None:
        raise UserError(jobs.error)
    return writer.mask_hash


def _new_bag(path: Path) -> BagWriter:
    """A bag in place of an earlier run's; of one that fails is kept what it has."""
    remove_folder(path)
    return BagWriter(path, keep=True)


def _keep(items: dict[int, Any], key: int, value: Any, limit: int) -> None:
    """Add an item and forget the oldest above the limit."""
    items.pop(key, None)
    items[key] = value
    while len(items) > limit:
        del items[next(iter(items))]


def _decode_rgb(message: Any, compressed: bool) -> np.ndarray:
    return decode_compressed_rgb(message) if compressed else decode_rgb(message)
