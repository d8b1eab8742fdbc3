"""Nearest-neighbour pairing of RGB and thermal frames by their stamps."""

from typing import Generic

from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.pairing.nearest_neighbour import (
    RATE_INTERVALS,
    RGB,
    THERMAL,
    UNPAIRED_FRAMES,
    Pair,
    R,
    StreamCounts,
    T,
    TimeLine,
)

__all__ = ["NearestPairer", "Pair", "StreamCounts"]

_LEAST_CAPACITY = RATE_INTERVALS + 3


class NearestPairer(Generic[R, T]):
    """Pairs RGB and thermal frames as they come, whichever way the two streams interleave.

    - Each frame of the slower stream is paired with its nearest frame of the faster one, the earlier of two equally
      near, if that is within `max_dt_ns`. This is decided as soon as no later frame can be nearer.
    - A frame of the faster stream that is the nearest of two is in both pairs. At equal rates, within a few percent,
      RGB takes the slower one's part.
    - Which stream is the slower one is told from the stamps. Until both rates are known, for the first six frames of
      each stream, frames wait.
    - Frames of a stream must come in stamp order: a late one is dropped, and a long step back is time jumping back,
      as when a bag is looped. Everything undecided is then decided with what is known and all but the counts is
      forgotten. The stream that jumps first waits for the other to follow, so no pair is lost to their race.
    - At most `capacity` frames of a stream wait (twice that while time jumps back); beyond that the oldest are
      decided with what is known.
    - Every frame added is accounted for: used in a pair, dropped with a cause (`Drop`), or waiting.

    The work per frame is constant. One thread at a time may call it; it holds no lock, and as it runs no code of the
    caller's, no exception of the caller's can leave it half changed.

    Args:
        max_dt_ns: largest distance within a pair, nanoseconds.
        thermal_offset_ns: added to thermal stamps to compare them with RGB stamps.
        capacity: how many frames of a stream may wait.

    Raises:
        ValueError: a negative max_dt_ns, or a capacity too small to find the rates.
    """

    def __init__(self, max_dt_ns: int, thermal_offset_ns: int = 0, capacity: int = 64) -> None:
        if max_dt_ns < 0:
            raise ValueError(f"max_dt_ns is {max_dt_ns}, it must not be negative")
        if capacity < _LEAST_CAPACITY:
            raise ValueError(f"capacity is {capacity}, it must be at least {_LEAST_CAPACITY}")
        self._max_dt_ns = max_dt_ns
        self._offset_ns = thermal_offset_ns
        self._capacity = capacity
        self._pairs = 0
        self.rgb_counts = StreamCounts()
        self.thermal_counts = StreamCounts()
        # A second time line follows while one stream has jumped back and the other has not.
        self._lines = [self._new_line()]
        self._first_to_jump = RGB
        self._polled_ns: int | None = None

    def add_rgb(self, stamp_ns: int, item: R) -> list[Pair[R, T]]:
        """Take an RGB frame; returns the pairs it decides, in stamp order."""
        return self._add(RGB, stamp_ns, item)

    def add_thermal(self, stamp_ns: int, item: T) -> list[Pair[R, T]]:
        """Take a thermal frame; returns the pairs it decides, in stamp order."""
        return self._add(THERMAL, stamp_ns + self._offset_ns, item)

    def poll(self, now_ns: int) -> list[Pair[R, T]]:
        """Decide frames without a stream that is overdue: silent for two of its periods, 0.5 s while that is unknown.

        To be called about once per period or more often, with the time of any clock that runs at the stamps' pace:
        only the time between calls counts, so a constant delay of a camera is no silence. Not to be called where a late
        delivery must never cost a pair (recordings); `flush` decides the last frames there.
        """
        elapsed_ns = 0 if self._polled_ns is None else max(0, now_ns - self._polled_ns)
        self._polled_ns = now_ns
        pairs = [pair for line in self._lines for pair in line.poll(elapsed_ns)]
        if len(self._lines) == 2 and self._lines[0].streams[1 - self._first_to_jump].gone:
            pairs += self._finish_line()
        return self._counted(pairs)

    @property
    def idle(self) -> bool:
        """Whether time decides nothing more until a frame comes: no stream is waited for, so `poll` may rest."""
        return all(stream.gone for line in self._lines for stream in line.streams)

    def flush(self) -> list[Pair[R, T]]:
        """Decide all frames with what is known and forget all but the counts, as at the end of a recording."""
        pairs = [pair for line in self._lines for pair in line.finish()]
        self._lines = [self._new_line()]
        return self._counted(pairs)

    @property
    def counts(self) -> dict[Key | Drop, int]:
        """Images received, pairs, and the frames of both streams that were dropped, by cause."""
        totals: dict[Key | Drop, int] = {
            Key.RGB_IN: self.rgb_counts.received,
            Key.THERMAL_IN: self.thermal_counts.received,
            Key.PAIRS: self._pairs,
        }
        for cause in UNPAIRED_FRAMES:
            totals[cause] = self.rgb_counts.dropped[cause] + self.thermal_counts.dropped[cause]
        return totals

    @property
    def rgb_waiting(self) -> int:
        """RGB frames that are not in a pair yet but may still be."""
        return sum(line.waiting(RGB) for line in self._lines)

    @property
    def thermal_waiting(self) -> int:
        """Thermal frames that are not in a pair yet but may still be."""
        return sum(line.waiting(THERMAL) for line in self._lines)

    def _add(self, side: int, stamp: int, item: R | T) -> list[Pair[R, T]]:
        counts = (self.rgb_counts, self.thermal_counts)[side]
        counts.received += 1
        pairs: list[Pair[R, T]] = []
        if self._is_behind(side):
            if self._follows(side, stamp):
                pairs += self._finish_line()
        elif self._lines[-1].streams[side].jumps_back(stamp):
            pairs += self._start_line(side)

        line = self._lines[0] if self._is_behind(side) else self._lines[-1]
        newest = line.streams[side].newest
        if newest is not None and stamp <= newest:
            counts.dropped[Drop.DUPLICATE if stamp == newest else Drop.OUT_OF_ORDER] += 1
        else:
            pairs += line.append(side, stamp, item)
        return self._counted(pairs)

    def _is_behind(self, side: int) -> bool:
        """Whether the other stream has jumped back and this one has not."""
        return len(self._lines) == 2 and side != self._first_to_jump

    def _follows(self, side: int, stamp: int) -> bool:
        """Whether a frame of the stream left behind belongs to the new time line."""
        own, other = self._lines[0].streams[side], self._lines[1].streams[1 - side]
        if own.newest is None or other.newest is None or own.jumps_back(stamp):
            return True
        # A stream that was silent around the jump takes no step back: its frame is nearer to the new time, though.
        return abs(stamp - other.newest) < stamp - own.newest

    def _start_line(self, side: int) -> list[Pair[R, T]]:
        """Begin a time line with a stream that has jumped back; the other one may go on on the old."""
        pairs = self._finish_line() if len(self._lines) == 2 else []
        pairs += self._lines[0].end(side)
        self._lines.append(self._new_line())
        self._first_to_jump = side
        return pairs

    def _finish_line(self) -> list[Pair[R, T]]:
        """Leave the old time line for good."""
        return self._lines.pop(0).finish()

    def _new_line(self) -> TimeLine[R, T]:
        counts = (self.rgb_counts, self.thermal_counts)
        return TimeLine(self._max_dt_ns, self._offset_ns, self._capacity, counts)

    def _counted(self, pairs: list[Pair[R, T]]) -> list[Pair[R, T]]:
        self._pairs += len(pairs)
        return pairs
