"""The node's output messages as they came, in a rosbag2 (mcap) on the time of the recording that is played."""

from typing import Any

from rclpy.serialization import serialize_message

from rgbt_seg_ros.bags.writer import BagWriter


class OutputBag:
    """Writes into an open rosbag2; for one thread at a time."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer
        self._latched: dict[str, Any] = {}

    def add(self, time_ns: int | None, topic: str, message: Any, latched: bool = False) -> None:
        """Write a message.

        Args:
            time_ns: where in the recording; None as long as the recording has not begun: a latched message waits for
                it, others are left out.
            topic: its resolved name.
            message: of rclpy.
            latched: whether the topic is transient local.
        """
        if time_ns is None:
            if latched:
                self._latched[topic] = message
            return
        for earlier in list(self._latched):
            self._write(time_ns, earlier, self._latched.pop(earlier), latched=True)
        self._write(time_ns, topic, message, latched)

    def _write(self, time_ns: int, topic: str, message: Any, latched: bool) -> None:
        package, name = type(message).__module__.partition(".")[0], type(message).__name__
        data = serialize_message(message)
        self._writer.write_serialized(topic, f"{package}/msg/{name}", data, time_ns, latched)
