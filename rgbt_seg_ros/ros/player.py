"""Publishes the messages of a recording at their times."""

import importlib
import math
import time
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from rgbt_seg_ros.bags.recording import RecordedMessage, Recording, Topic
from rgbt_seg_ros.bags.stamps import restamped
from rgbt_seg_ros.base.errors import UserError

CLOCK_HZ = 40.0
_READ_AHEAD = 16  # messages
_SETTLE_S = 1.0
_ACKNOWLEDGE_S = 10.0


class BagClock:
    """Publishes the recording's time on /clock, at `CLOCK_HZ` of wall time and with every message."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(Clock, "/clock", 10)

    @property
    def subscribers(self) -> int:
        """Number of subscribers to /clock."""
        return int(self._publisher.get_subscription_count())

    def publish(self, bag_ns: int) -> None:
        """Publish one time, nanoseconds."""
        self._publisher.publish(Clock(clock=Time(nanoseconds=bag_ns).to_msg()))


class Player:
    """Publishes the messages of one recording.

    Attributes:
        skipped: topics whose message types are not installed.
        played: number of messages published so far.
    """

    def __init__(
        self,
        node: Node,
        recording: Recording,
        reliable: bool = True,
        clock: bool = False,
        restamped_topics: Collection[str] = (),
    ) -> None:
        """Create the publishers.

        Args:
            node: that publishes.
            recording: to be played.
            reliable: or best effort.
            clock: publish the time of reception on /clock.
            restamped_topics: whose messages get the time of reception for a stamp; they begin with a header.

        Raises:
            UserError: the type of no topic is installed.
        """
        self.skipped: list[Topic] = []
        self.played = 0
        self._recording = recording
        self._restamped_topics = frozenset(restamped_topics)
        self._publishers: dict[str, Publisher] = {}
        self._clock = BagClock(node) if clock else None
        for topic in recording.topics.values():
            message_class = _message_class(topic.type)
            if message_class is None or (clock and topic.name == "/clock"):
                self.skipped.append(topic)
            else:
                qos = _offered_qos(topic, reliable)
                self._publishers[topic.name] = node.create_publisher(message_class, topic.name, qos)
        if not self._publishers:
            raise UserError(f"{recording.path} holds no topic of an installed message type: nothing to play")

    def wait_for_subscribers(self, timeout_s: float, subscriptions: int = 1) -> None:
        """Return when there are so many subscriptions to the topics and no more came for a second.

        Raises:
            UserError: they did not come in time.
        """
        started = changed = time.monotonic()
        matched = 0
        while matched < subscriptions or time.monotonic() - changed < _SETTLE_S:
            time.sleep(0.05)
            subscribers = sum(publisher.get_subscription_count() for publisher in self._publishers.values())
            # Whoever only wants the time does not start the recording, but is waited for with the others.
            if subscribers and self._clock:
                subscribers += self._clock.subscribers
            if subscribers != matched:
                matched, changed = subscribers, time.monotonic()
            if matched < subscriptions and time.monotonic() - started > timeout_s:
                found = f"only {matched} of {subscriptions} subscriptions" if matched else "nobody subscribed"
                raise UserError(
                    f"{found} to {', '.join(self._publishers)} within {timeout_s:g} s: "
                    "start the subscriber first, or play at once with --wait-for-subscribers 0"
                )

    def play(self, rate: float, duration_s: float = math.inf) -> None:
        """Publish the recording once, each message at its time of reception divided by `rate`.

        A message that is late is published at once; none is left out.

        Args:
            rate: 1 is as recorded.
            duration_s: end after this time of the recording.
        """
        first_ns: int | None = None
        for message in _read_ahead(self._recording.messages(self._publishers)):
            if first_ns is None:
                first_ns, started = message.received_ns, time.monotonic()
                tick = 0
            since_first_s = (message.received_ns - first_ns) / 1e9
            if since_first_s > duration_s:
                break
            due = since_first_s / rate
            while self._clock and tick / CLOCK_HZ < due:
                _sleep_until(started + tick / CLOCK_HZ)
                self._clock.publish(first_ns + round(tick / CLOCK_HZ * rate * 1e9))
                tick += 1
            _sleep_until(started + due)
            if self._clock:
                self._clock.publish(message.received_ns)
            data = message.data
            if message.topic.name in self._restamped_topics:
                data = restamped(data, message.received_ns)
            self._publishers[message.topic.name].publish(data)
            self.played += 1

    def wait_for_acknowledgement(self) -> None:
        """Return when reliable subscribers have everything.

        Raises:
            UserError: a subscriber did not take its messages in time.
        """
        for name, publisher in self._publishers.items():
            if not publisher.wait_for_all_acked(Duration(seconds=_ACKNOWLEDGE_S)):
                raise UserError(
                    f"a subscriber of {name} did not take all messages within {_ACKNOWLEDGE_S:g} s after the end: "
                    "play slower (--rate), or look at what it does"
                )


def _read_ahead(messages: Iterator[RecordedMessage]) -> Iterator[RecordedMessage]:
    """The same messages, read a few ahead in a thread, so that decompression does not delay publishing."""
    reader = ThreadPoolExecutor(max_workers=1)
    pending = deque(reader.submit(next, messages, None) for _ in range(_READ_AHEAD))
    try:
        while (message := pending.popleft().result()) is not None:
            pending.append(reader.submit(next, messages, None))
            yield message
    finally:
        reader.shutdown(cancel_futures=True)


def _message_class(type_name: str) -> Any | None:
    """The class of a message type such as sensor_msgs/msg/Image, None if it is not installed."""
    module, _, name = type_name.replace("/", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None


def _offered_qos(topic: Topic, reliable: bool) -> QoSProfile:
    return QoSProfile(
        # Deep enough for a second of two cameras while a subscriber is busy.
        depth=100,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def _sleep_until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)
