"""What the running node knows about itself: counts, rates and percentiles; the verdict on them is `health`. No ROS."""

import threading
from collections import Counter, deque

import numpy as np

from rgbt_seg_ros.base.diagnostics import PERCENTILES, Drop, Key

WINDOW = 300
"""Number of newest values over which percentiles are taken."""

RATE_WINDOW_NS = 5_000_000_000
OVERDUE_INTERVALS = 2.5
_RATES = (Key.RGB_HZ, Key.THERMAL_HZ, Key.PAIR_HZ, Key.MASK_HZ)


class RateMeter:
    """Events a second over the last five seconds, or from the last event to the one before, if that is longer.

    Times are integer nanoseconds of one clock.
    """

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=1024)

    def add(self, now_ns: int) -> None:
        """Count one event; a clock that jumped back starts the count again."""
        if self._times and now_ns < self._times[-1]:
            self._times.clear()
        self._times.append(now_ns)

    def rate(self, now_ns: int) -> float:
        """Events a second [Hz]; 0 with fewer than two events, or if the next one is long overdue."""
        while len(self._times) > 2 and self._times[0] < now_ns - RATE_WINDOW_NS:
            self._times.popleft()
        if len(self._times) < 2 or self._times[-1] == self._times[0]:
            return 0.0
        span_ns, since_ns = self._times[-1] - self._times[0], now_ns - self._times[-1]
        if self._times[0] >= now_ns - RATE_WINDOW_NS:
            return (len(self._times) - 1) * 1e9 / span_ns
        # A stream so slow that its last two events are not both in the window, or one that has ended.
        return (
            0.0
            if since_ns > max(OVERDUE_INTERVALS * span_ns, RATE_WINDOW_NS)
            else 1e9 / max(span_ns, since_ns)
        )


class Statistics:
    """Counters, rates and value windows; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._rates = {name: RateMeter() for name in _RATES}
        self._windows: dict[str, deque[float]] = {}
        self._newest: dict[str, float] = {}

    def count(self, name: Key | Drop, by: int = 1) -> None:
        """Add to a counter, for instance `Key.MASKS` or `Drop.STALE`."""
        with self._lock:
            self._counts[name] += by

    def note(self, name: Key, value: float) -> None:
        """Keep a value that stands until the next one."""
        with self._lock:
            self._newest[name] = value

    def tick(self, name: Key, now_ns: int) -> None:
        """Note one event of a rate: `Key.RGB_HZ`, `THERMAL_HZ`, `PAIR_HZ` or `MASK_HZ`."""
        with self._lock:
            self._rates[name].add(now_ns)

    def record(self, name: str, value: float) -> None:
        """Keep a value for percentiles, for instance of `Key.LATENCY_MS` or ``stage_ms.inference``."""
        with self._lock:
            self._windows.setdefault(name, deque(maxlen=WINDOW)).append(value)

    def values(self, now_ns: int) -> dict[str, float]:
        """Everything by its key in /diagnostics; percentiles are those of the newest `WINDOW` values."""
        with self._lock:
            values: dict[str, float] = {Key.MASKS: 0, Key.DETECTIONS: 0, **self._counts, **self._newest}
            values |= {name: meter.rate(now_ns) for name, meter in self._rates.items()}
            windows = {name: np.array(window) for name, window in self._windows.items()}
        for name, window in windows.items():
            values |= {f"{name}.{p}": float(np.percentile(window, q)) for p, q in PERCENTILES.items()}
            if name in (Key.SKEW_MS, Key.QUEUE_MS):
                values[f"{name}.max"] = float(window.max())
        return values
