"""What the receiving thread does with an image: note when it came and what was lost before it, and hand it over."""

import time
from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

from rgbt_seg_ros.images.codec import stamp_ns
from rgbt_seg_ros.pipeline.lost_images import LostImages
from rgbt_seg_ros.pipeline.pairing_thread import PairingThread
from rgbt_seg_ros.pipeline.pipeline import Arrival, Pipeline

_MOST_QUEUED_MS = 60_000.0
"""A longer time in the queue is a system clock that was set [ms]."""


class Reception:
    """Callbacks of one subscription to images; nothing in them waits, as the next image does meanwhile.

    Args:
        node: has the subscription.
        topic: its name as given to the node, remapped when it is looked up.
        camera: ``rgb`` or ``thermal``.
        pipeline: of its camera pair.
        pairing: the images go there.
    """

    def __init__(
        self, node: Node, topic: str, camera: str, pipeline: Pipeline, pairing: PairingThread
    ) -> None:
        self._node = node
        self._topic = topic
        self._camera = camera
        self._pipeline = pipeline
        self._pairing = pairing
        self._lost = LostImages(self._publishers, lambda number: pipeline.add_lost(number, camera))

    def receive(self, message: Any, info: Mapping[str, Any]) -> None:
        """An image has come."""
        now_ns, monotonic_ns = self._node.get_clock().now().nanoseconds, time.monotonic_ns()
        queued_ms = (time.time_ns() - info["received_timestamp"]) / 1e6
        lost = self._lost.note_received(info["publication_sequence_number"])
        queued = queued_ms if 0 <= queued_ms < _MOST_QUEUED_MS else None
        arrival = Arrival(now_ns, monotonic_ns, lost, queued)
        self._pairing.hand_over(self._pipeline, self._camera, stamp_ns(message.header), message, arrival)

    def lose(self, event: Any) -> None:
        """The middleware tells of lost images."""
        self._lost.note_told(event.total_count_change)

    def _publishers(self) -> frozenset[bytes]:
        infos = self._node.get_publishers_info_by_topic(self._topic)
        return frozenset(bytes(info.endpoint_gid) for info in infos)
