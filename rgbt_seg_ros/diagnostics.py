"""What the running node knows about itself: counts, rates, percentiles, and a verdict on them; no ROS."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

OK, WARN, ERROR = 0, 1, 2
"""Levels, with the values of diagnostic_msgs/DiagnosticStatus."""

STATUS_NAME = "rgbt_segmenter: segmentation"
"""Name of the node's status in /diagnostics, by which others find it."""

WINDOW = 300
"""Number of newest values over which percentiles are taken."""

RATE_WINDOW_NS = 5_000_000_000
SILENCE_NS = 2_000_000_000
"""A stream is called silent after this time without an image [ns]."""

CLOCK_JUMP_NS = 60_000_000_000
"""A clock that moves on by more between two reports has been set, as when /clock starts [ns]."""


class RateMeter:
    """Events a second over the last five seconds; times are integer nanoseconds of one clock."""

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=1024)

    def add(self, now_ns: int) -> None:
        """Count one event; a clock that jumped back starts the count again."""
        if self._times and now_ns < self._times[-1]:
            self._times.clear()
        self._times.append(now_ns)

    def rate(self, now_ns: int) -> float:
        """Events a second [Hz]; 0 with fewer than two events in the window."""
        while self._times and self._times[0] < now_ns - RATE_WINDOW_NS:
            self._times.popleft()
        if len(self._times) < 2 or self._times[-1] == self._times[0]:
            return 0.0
        return (len(self._times) - 1) * 1e9 / (self._times[-1] - self._times[0])


class Statistics:
    """Counters, rates and value windows; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._rates = {name: RateMeter() for name in ("rgb_hz", "thermal_hz", "pair_hz", "mask_hz")}
        self._windows: dict[str, deque[float]] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter, for instance ``masks`` or ``dropped.stale``."""
        with self._lock:
            self._counts[name] += by

    def tick(self, name: str, now_ns: int) -> None:
        """Note one event of a rate: rgb_hz, thermal_hz, pair_hz or mask_hz."""
        with self._lock:
            self._rates[name].add(now_ns)

    def record(self, name: str, value: float) -> None:
        """Keep a value for percentiles, for instance ``latency_ms`` or ``stage_ms.inference``."""
        with self._lock:
            self._windows.setdefault(name, deque(maxlen=WINDOW)).append(value)

    def values(self, now_ns: int) -> dict[str, float]:
        """Everything by its key in /diagnostics; percentiles are those of the newest `WINDOW` values."""
        with self._lock:
            values: dict[str, float] = {"masks": 0, "detections": 0, **self._counts}
            values |= {name: meter.rate(now_ns) for name, meter in self._rates.items()}
            windows = {name: np.array(window) for name, window in self._windows.items()}
        for name, window in windows.items():
            if name == "skew_ms":
                values |= {
                    "skew_ms.p50": float(np.percentile(window, 50)),
                    "skew_ms.max": float(window.max()),
                }
            elif name == "latency_ms":
                values |= {f"latency_ms.p{q}": float(np.percentile(window, q)) for q in (50, 95, 99)}
            else:
                values[f"{name}.p50"] = float(np.percentile(window, 50))
        return values


@dataclass
class Health:
    """Judges an active node from two successive reports of its values.

    Attributes:
        rgb_topic, thermal_topic: the resolved names, for the messages.
        lossless: any loss is an error.
    """

    rgb_topic: str
    thermal_topic: str
    lossless: bool
    _last: Mapping[str, float] = field(default_factory=dict)
    _last_growth_ns: dict[str, int] = field(default_factory=dict)
    _assessed_ns: int = 0

    def assess(self, values: Mapping[str, float], now_ns: int) -> tuple[int, str]:
        """Level and one sentence.

        Args:
            values: `Statistics.values` with the pairer's counts, and ``newest_skew_ms``: the time between the newest
                thermal and the newest RGB stamp, if both streams have come.
            now_ns: the node's clock.
        """
        grown = {key: value - self._last.get(key, 0) for key, value in values.items()}
        self._last = dict(values)
        if not 0 <= now_ns - self._assessed_ns <= CLOCK_JUMP_NS:
            self._last_growth_ns.clear()
        self._assessed_ns = now_ns
        silent = {
            key: self._silence(key, grown, now_ns) for key in ("rgb_in", "thermal_in", "pairs", "masks")
        }
        verdicts = (self._losses(values, grown), self._cameras(silent), self._pairs(values, silent))
        for verdict in verdicts:
            if verdict is not None:
                return verdict
        if grown.get("dropped.stale", 0) > 0:
            return WARN, f"{grown['dropped.stale']:.0f} pairs were older than max_age when their turn came"
        if values["masks"] == 0:
            return WARN, "no mask yet"
        return OK, f"{values['mask_hz']:.1f} masks/s, latency p95 {values.get('latency_ms.p95', 0):.0f} ms"

    def _silence(self, key: str, grown: Mapping[str, float], now_ns: int) -> float:
        """Seconds since a counter last grew, 0 if that is less than `SILENCE_NS` ago."""
        last = self._last_growth_ns.get(key)
        if last is None or grown.get(key, 0) > 0:
            self._last_growth_ns[key] = last = now_ns
        return (now_ns - last) / 1e9 if now_ns - last > SILENCE_NS else 0.0

    def _losses(self, values: Mapping[str, float], grown: Mapping[str, float]) -> tuple[int, str] | None:
        lost = values.get("dropped.lost", 0) + values.get("dropped.overflow", 0)
        if self.lossless and lost > 0:
            return ERROR, f"lossless mode lost {lost:.0f} images or pairs: play the recording more slowly"
        if grown.get("dropped.failed", 0) > 0:
            return (
                ERROR,
                f"inference failed on {grown['dropped.failed']:.0f} pairs in the last second, see the log",
            )
        if grown.get("dropped.undecodable", 0) > 0:
            return ERROR, f"{grown['dropped.undecodable']:.0f} pairs had an undecodable image, see the log"
        return None

    def _cameras(self, silent: Mapping[str, float]) -> tuple[int, str] | None:
        if silent["rgb_in"] and silent["thermal_in"]:
            return (
                WARN,
                f"no images on {self.rgb_topic} and {self.thermal_topic} for {silent['rgb_in']:.0f} s",
            )
        for key, topic in (("rgb_in", self.rgb_topic), ("thermal_in", self.thermal_topic)):
            if silent[key]:
                return ERROR, f"no images on {topic} for {silent[key]:.0f} s"
        return None

    def _pairs(self, values: Mapping[str, float], silent: Mapping[str, float]) -> tuple[int, str] | None:
        if silent["pairs"]:
            apart = values.get("newest_skew_ms", 0.0) / 1e3
            return ERROR, (
                f"no pair for {silent['pairs']:.0f} s although both cameras send: the newest thermal stamp is "
                f"{apart:+.3f} s from the newest RGB stamp, see sync.max_dt and sync.thermal_time_offset"
            )
        if silent["masks"]:
            return WARN, f"no mask for {silent['masks']:.0f} s although pairs arrive"
        return None
