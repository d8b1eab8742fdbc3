"""What the receiving thread does with an image: note when it came and what was lost before it, and hand it over."""

import time
from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

from rgbt_seg_ros.images.codec import stamp_ns
from rgbt_seg_ros.pipeline.lost_images import LostImages
from rgbt_seg_ros.pipeline.pairing_thread import PairingThread
from rgbt_seg_ros.pipeline.pipeline import Arrival, Pipeline

_MOST_MS = 60_000.0
"""A longer time on the way or in the queue is a system clock that was set, or another machine's [ms]."""


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
        taken_ns = time.time_ns()
        queued_ms = _milliseconds(taken_ns - info["received_timestamp"])
        transport_ms = _milliseconds(taken_ns - info["source_timestamp"])
        lost = self._lost.note_received(info["publication_sequence_number"])
        arrival = Arrival(now_ns, monotonic_ns, lost, queued_ms, transport_ms)
        self._pairing.hand_over(self._pipeline, self._camera, stamp_ns(message.header), message, arrival)

    def lose(self, event: Any) -> None:
        """The middleware tells of lost images."""
        self._lost.note_told(event.total_count_change)

    def _publishers(self) -> frozenset[bytes]:
        infos = self._node.get_publishers_info_by_topic(self._topic)
        return frozenset(bytes(info.endpoint_gid) for info in infos)


def _milliseconds(nanoseconds: int) -> float | None:
    """A time on the way; None if the clocks cannot be believed."""
    milliseconds = nanoseconds / 1e6
    return milliseconds if 0 <= milliseconds < _MOST_MS else None
