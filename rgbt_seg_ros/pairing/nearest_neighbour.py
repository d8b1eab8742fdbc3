"""Two streams of stamped frames merged on one time line: what `pairing` does between two jumps of time.

Frames of both streams are settled in stamp order, as in the merge of two sorted lists: a frame is settled once the
other stream has reached its stamp, since any later frame of that stream can only be farther. A settled frame of the
slower stream is paired with its nearest neighbour; one of the faster stream is kept as a candidate until the next.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Generic, TypeVar

from rgbt_seg_ros.base.diagnostics import Drop

R = TypeVar("R")
T = TypeVar("T")

RGB, THERMAL = 0, 1

RATE_INTERVALS = 5
"""Intervals after which a stream's period is known."""

_WINDOW_INTERVALS = 15
"""Intervals that a period is the mean of: enough for jitter to average out, few enough to follow a new rate."""

_SLOWER_RATIO, _EQUAL_RATIO = 1.08, 1.04
"""Thermal becomes the slower stream above the first ratio of periods, RGB again below the second."""

_UNKNOWN_PERIOD_NS = 500_000_000
"""How long a silent stream is waited for, and how far back a late frame may be, while its period is not known."""

_JUMP_PERIODS = 4
"""A stamp that steps back by more periods is time jumping back (bag loop, reset), by fewer a late frame."""


UNPAIRED_FRAMES = (
    Drop.NO_PARTNER,
    Drop.OVER_MAX_DT,
    Drop.SURPLUS,
    Drop.LATE,
    Drop.DUPLICATE,
    Drop.OUT_OF_ORDER,
)
"""Why a frame is in no pair."""


@dataclass(frozen=True)
class Pair(Generic[R, T]):
    """An RGB and a thermal frame that belong together; stamps in nanoseconds as they were added.

    `skew_ns` is thermal stamp + offset - RGB stamp.
    """

    rgb_stamp: int
    thermal_stamp: int
    rgb: R
    thermal: T
    skew_ns: int


@dataclass
class StreamCounts:
    """Where a stream's frames went: received == used + sum of dropped + those that wait."""

    received: int = 0
    used: int = 0
    dropped: dict[Drop, int] = field(default_factory=lambda: dict.fromkeys(UNPAIRED_FRAMES, 0))


@dataclass
class Frame:
    """A frame of a stream; `period` is the stream's as its stamps up to this one show it, None if not yet known."""

    stamp: int
    item: Any
    period: int | None
    used: bool = False
    cause: Drop = Drop.SURPLUS
    """Counted if no pair has used the frame by the time its successor is settled."""


class Stream:
    """The frames of one camera: those that wait, the latest settled one, the period, and how long it is silent."""

    def __init__(self) -> None:
        self.queue: deque[Frame] = deque()
        self.settled: Frame | None = None
        self.newest: int | None = None
        self.period: int | None = None
        self.first_period: int | None = None
        self.ended = False
        self._intervals: deque[int] = deque(maxlen=_WINDOW_INTERVALS)
        self._silence_ns = 0
        self._just_heard = True

    def append(self, stamp: int, item: Any) -> None:
        """Queue a frame that is later than all before."""
        if self.newest is not None:
            self._intervals.append(stamp - self.newest)
        self.newest = stamp
        if len(self._intervals) >= RATE_INTERVALS:
            # The median tells which intervals are gaps; the mean of the others forgets jitter faster than it does.
            gap = 1.5 * median(self._intervals)
            regular = [interval for interval in self._intervals if interval <= gap]
            self.period = sum(regular) // len(regular)
            self.first_period = self.first_period or self.period
        self.queue.append(Frame(stamp, item, self.period))
        self.start_waiting()

    def reached(self, stamp: int) -> bool:
        """Whether no frame to come can be at or before this stamp."""
        return self.newest is not None and self.newest >= stamp

    def jumps_back(self, stamp: int) -> bool:
        """Whether this stamp is so far before the newest that time itself has jumped back."""
        farthest = _JUMP_PERIODS * self.period if self.period else _UNKNOWN_PERIOD_NS
        return self.newest is not None and self.newest - stamp > farthest

    def start_waiting(self) -> None:
        """Wait for the next frame from now on."""
        self._silence_ns, self._just_heard = 0, True

    def let_pass(self, elapsed_ns: int) -> None:
        """Note that time has passed since the last call."""
        # When in this time a frame has come is not known: silence begins with the next call. A long time says that
        # the caller was held up, and with it perhaps the frames: it counts as one period.
        if not self._just_heard:
            self._silence_ns += min(elapsed_ns, self._patience_ns // 2)
        self._just_heard = False

    @property
    def gone(self) -> bool:
        """Whether not to wait for the stream: its next frame is overdue by a period, or there will be none."""
        return self.ended or self._silence_ns >= self._patience_ns

    @property
    def _patience_ns(self) -> int:
        return 2 * self.period if self.period else _UNKNOWN_PERIOD_NS


class TimeLine(Generic[R, T]):
    """The merge; stamps are comparable: thermal stamps have the offset added."""

    def __init__(
        self, max_dt_ns: int, thermal_offset_ns: int, capacity: int, counts: tuple[StreamCounts, StreamCounts]
    ) -> None:
        self.streams = (Stream(), Stream())
        self._max_dt_ns = max_dt_ns
        self._offset_ns = thermal_offset_ns
        self._capacity = capacity
        self._counts = counts
        self._slower: int | None = None

    def append(self, side: int, stamp: int, item: R | T) -> list[Pair[R, T]]:
        """Take a stream's next frame, later than all before; returns the pairs it decides."""
        own, other = self.streams[side], self.streams[1 - side]
        if own.gone:
            # Both may have been paused: the other one also gets its time to go on.
            other.start_waiting()
        own.append(stamp, item)
        pairs = self._settle()
        while len(own.queue) > self._capacity:
            pairs += self._settle_next(self._earliest())
        return pairs

    def poll(self, elapsed_ns: int) -> list[Pair[R, T]]:
        """Let time pass; returns the pairs that need not wait for an overdue stream any more."""
        for stream in self.streams:
            stream.let_pass(elapsed_ns)
        return self._settle()

    def end(self, side: int) -> list[Pair[R, T]]:
        """No more frames of a stream will come; returns the pairs this decides."""
        self.streams[side].ended = True
        return self._settle()

    def finish(self) -> list[Pair[R, T]]:
        """End both streams and count every frame; returns the last pairs."""
        pairs = self.end(RGB) + self.end(THERMAL)
        for side in (RGB, THERMAL):
            self._count_if_unused(side)
        return pairs

    def waiting(self, side: int) -> int:
        """How many of a stream's frames are neither used nor counted as dropped yet."""
        stream = self.streams[side]
        frames = [*stream.queue, stream.settled] if stream.settled else stream.queue
        return sum(not frame.used for frame in frames)

    def _settle(self) -> list[Pair[R, T]]:
        """Settle every frame whose pair no frame to come can change."""
        pairs: list[Pair[R, T]] = []
        may_settle = self._rates_known() or any(stream.gone for stream in self.streams)
        while may_settle and any(stream.queue for stream in self.streams):
            side = self._earliest()
            other = self.streams[1 - side]
            if not (other.reached(self.streams[side].queue[0].stamp) or other.gone):
                break
            pairs += self._settle_next(side)
        return pairs

    def _earliest(self) -> int:
        """The stream with the first frame that waits, RGB if both are equal."""
        waiting = [side for side in (RGB, THERMAL) if self.streams[side].queue]
        return min(waiting, key=lambda side: self.streams[side].queue[0].stamp)

    def _settle_next(self, side: int) -> list[Pair[R, T]]:
        """Settle a stream's first waiting frame: returns its pair if its stream is the slower one."""
        own, other = self.streams[side], self.streams[1 - side]
        self._count_if_unused(side)
        frame = own.settled = own.queue.popleft()
        # Where the roles change the frame plays both parts: else its neighbour, which has just ceased to seek
        # partners, would leave it without one.
        seeks_partner = side in (self._slower, self._slower_stream())

        before, after = other.settled, other.queue[0] if other.queue else None
        # The first of two equally near ones is taken: the earlier.
        candidates = [candidate for candidate in (before, after) if candidate is not None]
        nearest = min(candidates, key=lambda candidate: abs(candidate.stamp - frame.stamp), default=None)
        distance = abs(nearest.stamp - frame.stamp) if nearest else 0
        if seeks_partner and not frame.used and nearest is not None and distance <= self._max_dt_ns:
            return [self._pair(frame, nearest) if side == RGB else self._pair(nearest, frame)]

        if before is not None and before.stamp > frame.stamp:
            frame.cause = Drop.LATE
        elif nearest is None or (nearest.period is not None and 4 * distance > 3 * nearest.period):
            # A regular stream has a frame within half a period of any instant; jitter may make it a little more.
            frame.cause = Drop.NO_PARTNER
        elif seeks_partner:
            frame.cause = Drop.OVER_MAX_DT
        return []

    def _rates_known(self) -> bool:
        return all(stream.first_period is not None for stream in self.streams)

    def _slower_stream(self) -> int:
        """The slower stream where frames are being settled; RGB, whose header goes on, at equal rates.

        The first answer rests on the first intervals of both streams, later ones on the settled frames: neither
        depends on how the deliveries of the two interleave.
        """
        if self._slower is None:
            rgb, thermal = (stream.first_period for stream in self.streams)
            if rgb is not None and thermal is None:
                # Its frames cannot wait any longer, and thermal has not even shown its rate.
                return THERMAL
        else:
            rgb, thermal = (stream.settled.period if stream.settled else None for stream in self.streams)
        if rgb is not None and thermal is not None:
            if thermal > _SLOWER_RATIO * rgb:
                self._slower = THERMAL
            elif self._slower is None or thermal < _EQUAL_RATIO * rgb:
                self._slower = RGB
        return RGB if self._slower is None else self._slower

    def _pair(self, rgb: Frame, thermal: Frame) -> Pair[R, T]:
        for side, frame in ((RGB, rgb), (THERMAL, thermal)):
            if not frame.used:
                frame.used = True
                self._counts[side].used += 1
        skew_ns = thermal.stamp - rgb.stamp
        return Pair(rgb.stamp, thermal.stamp - self._offset_ns, rgb.item, thermal.item, skew_ns)

    def _count_if_unused(self, side: int) -> None:
        """Count a stream's settled frame by its cause if no pair has used it: its successor takes its place."""
        frame = self.streams[side].settled
        if frame is not None and not frame.used:
            self._counts[side].dropped[frame.cause] += 1
