"""Pairing by upstream message_filters, for those who want what their other nodes have; needs ROS and that package."""

from typing import Any, Generic

from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer
from rclpy.duration import Duration
from rclpy.time import Time
from std_msgs.msg import Header

from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.pairing.nearest_neighbour import RGB, THERMAL, R, T
from rgbt_seg_ros.pairing.nearest_pairer import Pair

_JUMP_NS = 500_000_000
"""A stamp that steps back by more is time jumping back (bag loop, reset), by less a late frame."""


class _Frame:
    """What upstream takes for a message: it has a header with the stamp that is compared."""

    def __init__(self, comparable_ns: int, stamp_ns: int, item: Any) -> None:
        self.header = Header(stamp=Time(nanoseconds=comparable_ns).to_msg())
        self.comparable_ns = comparable_ns
        self.stamp_ns = stamp_ns
        self.item = item


class UpstreamPairer(Generic[R, T]):
    """Pairs frames by message_filters' TimeSynchronizer or ApproximateTimeSynchronizer, with `NearestPairer`'s methods.

    Where upstream (seen in 4.11.2) would stop a robot it is helped: its callback cannot raise here, which would leave
    its lock held for ever; a stream that jumps back in time begins anew, where upstream would forget each new
    frame at once, as older than the newest of the first pass; and a largest distance is included, where upstream pairs
    only below its slop and at 0 never.

    What it pairs is upstream's choice: the first partner within `max_dt_ns`, not the nearest one.

    Args:
        exact: pair equal stamps only; `max_dt_ns` has no meaning then.
        max_dt_ns: largest distance within a pair, nanoseconds.
        thermal_offset_ns: added to thermal stamps to compare them with RGB stamps.
        capacity: how many frames of a stream may wait; the oldest is forgotten beyond that.
    """

    def __init__(self, exact: bool, max_dt_ns: int, thermal_offset_ns: int = 0, capacity: int = 64) -> None:
        inputs = (SimpleFilter(), SimpleFilter())
        if exact:
            self._synchronizer = TimeSynchronizer(inputs, capacity)
        else:
            self._synchronizer = ApproximateTimeSynchronizer(inputs, capacity, slop=0.0)
            self._synchronizer.slop = Duration(nanoseconds=max_dt_ns + 1)
        self._synchronizer.registerCallback(self._take)
        self._inputs = inputs
        # Upstream's stamps are unsigned: a negative offset moves the other stream.
        self._shift_ns = (max(-thermal_offset_ns, 0), max(thermal_offset_ns, 0))
        self._newest_ns = [0, 0]
        self._received = [0, 0]
        self._pairs = 0
        self._decided: list[Pair[R, T]] = []

    def add_rgb(self, stamp_ns: int, item: R) -> list[Pair[R, T]]:
        """Take an RGB frame; returns the pairs it decides."""
        return self._add(RGB, stamp_ns, item)

    def add_thermal(self, stamp_ns: int, item: T) -> list[Pair[R, T]]:
        """Take a thermal frame; returns the pairs it decides."""
        return self._add(THERMAL, stamp_ns, item)

    def poll(self, now_ns: int) -> list[Pair[R, T]]:
        """No pairs: upstream decides only when a frame comes."""
        return []

    @property
    def idle(self) -> bool:
        """Always: time decides nothing."""
        return True

    def flush(self) -> list[Pair[R, T]]:
        """Forget the frames that wait, as at the end of a recording; no pairs."""
        for queue in self._synchronizer.queues:
            queue.clear()
        return []

    @property
    def counts(self) -> dict[Key | Drop, int]:
        """Images received, pairs, and as `NO_PARTNER` all other frames: upstream does not say why it drops one."""
        unused = sum(self._received) - 2 * self._pairs - self.rgb_waiting - self.thermal_waiting
        return {
            Key.RGB_IN: self._received[RGB],
            Key.THERMAL_IN: self._received[THERMAL],
            Key.PAIRS: self._pairs,
            Drop.NO_PARTNER: unused,
        }

    @property
    def rgb_waiting(self) -> int:
        """RGB frames that are not in a pair yet but may still be."""
        return len(self._synchronizer.queues[RGB])

    @property
    def thermal_waiting(self) -> int:
        """Thermal frames that are not in a pair yet but may still be."""
        return len(self._synchronizer.queues[THERMAL])

    def _add(self, side: int, stamp_ns: int, item: R | T) -> list[Pair[R, T]]:
        comparable_ns = stamp_ns + self._shift_ns[side]
        if comparable_ns < self._newest_ns[side] - _JUMP_NS:
            self._synchronizer.queues[side].clear()
            self._newest_ns[side] = 0
        self._newest_ns[side] = max(self._newest_ns[side], comparable_ns)
        self._received[side] += 1
        self._inputs[side].signalMessage(_Frame(comparable_ns, stamp_ns, item))
        decided, self._decided = self._decided, []
        return decided

    def _take(self, rgb: _Frame, thermal: _Frame) -> None:
        """Upstream's callback; it is called under upstream's lock."""
        skew_ns = thermal.comparable_ns - rgb.comparable_ns
        self._pairs += 1
        self._decided.append(Pair(rgb.stamp_ns, thermal.stamp_ns, rgb.item, thermal.item, skew_ns))
