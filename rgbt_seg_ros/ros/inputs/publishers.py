"""Why nothing comes on a subscribed topic: nobody publishes it, or as another type, or with another QoS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible

from rgbt_seg_ros.base.errors import nearest

IMAGE_TYPES = {"raw": "sensor_msgs/msg/Image", "compressed": "sensor_msgs/msg/CompressedImage"}

_SETTLED = 2
"""Looks in a row that must find the same, as the graph is discovered bit by bit."""


@dataclass
class WatchedTopic:
    """One subscription of a node, looked at from time to time.

    Attributes:
        node: that has it.
        topic: its resolved name.
        type_name: for instance sensor_msgs/msg/Image.
        qos: as asked for, overrides included.
        transport: the parameter that chooses between the types of images; empty for other topics.
        reliability: what to do if the reliability asked for is not offered.
        say: told a sentence when what is wrong changes, and when it is mended.
        fault: what is wrong, in one sentence; empty if nothing is.
    """

    node: Node
    topic: str
    type_name: str
    qos: QoSProfile
    transport: str
    reliability: str
    say: Callable[[str, bool], None]
    fault: str = ""
    _found: str = ""
    _times: int = 0
    _received: float = 0.0

    def look(self, received: float) -> None:
        """Look who publishes the topic, if nothing came since the last look.

        Args:
            received: number of messages so far.
        """
        comes, self._received = received > self._received, received
        self._take("" if comes else self._look())

    def incompatible(self, event: Any) -> None:
        """The middleware has found a publisher of another QoS; an event handler."""
        if found := self._look():
            self._times = _SETTLED
            self._take(found)

    def _take(self, found: str) -> None:
        self._times = self._times + 1 if found == self._found else 1
        self._found = found
        if found == self.fault or (found and self._times < _SETTLED):
            return
        self.fault = found
        self.say(found or f"{self.topic} is published as it should be now", bool(found))

    def _look(self) -> str:
        publishers = self.node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return f"nobody publishes {self.topic}{self._others()}"
        fitting = [each for each in publishers if each.topic_type == self.type_name]
        if not fitting:
            return self._wrong_type(publishers)
        faults = [self._wrong_qos(each) for each in fitting]
        return "" if "" in faults else faults[0]

    def _wrong_type(self, publishers: Sequence[Any]) -> str:
        publisher = publishers[0]
        transports = [name for name, kind in IMAGE_TYPES.items() if kind == publisher.topic_type]
        advice = "remap to another topic"
        if self.transport and transports:
            advice = f"set {self.transport} to {transports[0]}"
        sentence = f"{_name(publisher)} publishes {self.topic} as {publisher.topic_type}"
        return f"{sentence}, and {self.type_name} is subscribed: {advice}"

    def _wrong_qos(self, publisher: Any) -> str:
        """What of a publisher's QoS does not fit; empty if all of it fits."""
        compatibility, reason = qos_check_compatible(publisher.qos_profile, self.qos)
        if compatibility != QoSCompatibility.ERROR:
            return ""
        offered, asked = publisher.qos_profile, self.qos
        who = f"{_name(publisher)} publishes {self.topic}"
        if (offered.reliability, asked.reliability) == (
            ReliabilityPolicy.BEST_EFFORT,
            ReliabilityPolicy.RELIABLE,
        ):
            return f"{who} best effort, and reliable is asked for: {self.reliability}"
        if (offered.durability, asked.durability) == (
            DurabilityPolicy.VOLATILE,
            DurabilityPolicy.TRANSIENT_LOCAL,
        ):
            return f"{who} volatile, and transient local is asked for: leave the override of durability out"
        return f"{who} with a QoS that does not fit ({reason.rstrip('; ')}): see the qos_overrides parameters"

    def _others(self) -> str:
        """Topics of images that there are, those of the right type first; empty if there are none."""
        if not self.transport:
            return ""
        own = {topic for topic, _ in self.node.get_publisher_names_and_types_by_node(*_place(self.node))}
        graph = {topic: kinds for topic, kinds in self.node.get_topic_names_and_types() if topic not in own}
        others = [
            topic
            for kind in sorted(IMAGE_TYPES.values(), key=lambda kind: kind != self.type_name)
            for topic, kinds in graph.items()
            if kind in kinds and self.node.count_publishers(topic)
        ]
        if not others:
            return ""
        like = nearest(self.topic, others)
        if len(others) == 1:
            return f": the only topic of images is {like}"
        return f": of {len(others)} topics of images the nearest is {like}"


def _place(node: Node) -> tuple[str, str]:
    return node.get_name(), node.get_namespace()


def _name(publisher: Any) -> str:
    """The full name of the node of a publisher."""
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
