"""What the tests of pairing share: recordings of stamps, the right answer found by brute force, and accounting."""

import random
from dataclasses import dataclass

from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer, Pair

MS = 1_000_000
SECOND = 1_000 * MS


def regular(start_ms: int, rate: int, count: int) -> list[int]:
    return [start_ms * MS + i * SECOND // rate for i in range(count)]


def stream(
    rng: random.Random, rate: int, phase: float, jitter_ms: float, gaps: int = 0, seconds: int = 4
) -> list[int]:
    """Stamps off by up to `jitter_ms` (twice that from the earliest to the latest), some runs of frames missing.

    `phase` is in periods.
    """
    period = SECOND / rate
    stamps = [
        int((i + phase) * period + (jitter_ms + rng.uniform(-jitter_ms, jitter_ms)) * MS)
        for i in range(seconds * rate)
    ]
    for _ in range(gaps):
        start, length = rng.randrange(len(stamps)), rng.randint(1, 8)
        stamps[start : start + length] = []
    return stamps


@dataclass(frozen=True)
class Recording:
    """Stamps of both streams in nanoseconds, and what pairing needs to know of them."""

    rgb: list[int]
    thermal: list[int]
    rates: tuple[int, int]
    max_dt: int

    @property
    def slower_is_thermal(self) -> bool:
        return self.rates[1] < self.rates[0]

    def oracle(self) -> list[tuple[int, int]]:
        """Index pairs (rgb, thermal): each frame of the slower stream and its nearest, found by looking at all."""
        slow, fast = (self.thermal, self.rgb) if self.slower_is_thermal else (self.rgb, self.thermal)
        pairs = []
        for i, stamp in enumerate(slow):
            j = min(range(len(fast)), key=lambda j: (abs(fast[j] - stamp), fast[j]))
            if abs(fast[j] - stamp) <= self.max_dt:
                pairs.append((j, i) if self.slower_is_thermal else (i, j))
        return pairs


Event = tuple[int, int, tuple[int, int]]
"""Stream (0 RGB, 1 thermal), stamp, (loop, index)."""


def in_stamp_order(recording: Recording) -> list[Event]:
    return sorted(
        [(0, stamp, (0, i)) for i, stamp in enumerate(recording.rgb)]
        + [(1, stamp, (0, i)) for i, stamp in enumerate(recording.thermal)],
        key=lambda event: event[1],
    )


def add(pairer: NearestPairer, event: Event) -> list[Pair]:
    side, stamp, item = event
    return pairer.add_thermal(stamp, item) if side else pairer.add_rgb(stamp, item)


def run(pairer: NearestPairer, events: list[Event]) -> list[Pair]:
    return [pair for event in events for pair in add(pairer, event)] + pairer.flush()


def assert_all_accounted_for(pairer: NearestPairer) -> None:
    for counts, waiting in (
        (pairer.rgb_counts, pairer.rgb_waiting),
        (pairer.thermal_counts, pairer.thermal_waiting),
    ):
        assert counts.received == counts.used + sum(counts.dropped.values()) + waiting
