"""What the live view says: a node's last report, its detections and classes, and how its pictures come; no ROS.

Times are seconds of one steady clock.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rgbt_seg_ros.base.diagnostics import pair_of_status
from rgbt_seg_ros.masks.classes import palette_for

LEVELS = ("ok", "warn", "error")
"""By the value of diagnostic_msgs/DiagnosticStatus."""

REPORT_TIMEOUT_S = 3.5
"""Reports come once a second; after so long without one the node is taken to be gone."""

PICTURE_TIMEOUT_S = 2.0
RATE_WINDOW_S = 5.0


@dataclass
class PictureState:
    """How the pictures of one topic come.

    Attributes:
        topic: the resolved name.
        published: whether anybody publishes it.
        problem: why the newest picture cannot be shown, in one sentence; empty if it can.
    """

    topic: str
    published: bool = False
    problem: str = ""
    _size: tuple[int, int] | None = None
    _came_s: float = 0.0
    _times_s: deque[float] = field(default_factory=lambda: deque(maxlen=1024))

    def show(self, now_s: float, height: int, width: int) -> None:
        """Note a picture that is shown."""
        self.problem = ""
        self._size = width, height
        self._came_s = now_s
        self._times_s.append(now_s)

    def forget(self) -> None:
        """Nobody looks any more."""
        self.published, self.problem, self._size = False, "", None
        self._times_s.clear()

    def describe(self, now_s: float) -> dict[str, Any]:
        """For the page; `waiting` says in one sentence why there is no picture, or no new one."""
        while self._times_s and self._times_s[0] < now_s - RATE_WINDOW_S:
            self._times_s.popleft()
        times_s = self._times_s
        hz = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else 0.0
        return {"topic": self.topic, "size": self._size, "hz": round(hz, 2), "waiting": self._waiting(now_s)}

    def _waiting(self, now_s: float) -> str:
        age_s = now_s - self._came_s
        if self.published and self.problem:
            return self.problem
        if self._size is not None and age_s <= PICTURE_TIMEOUT_S:
            return ""
        if not self.published:
            return f"waiting for {self.topic}: nobody publishes it"
        if self._size is None:
            return f"waiting for the first picture on {self.topic}"
        return f"no picture on {self.topic} for {age_s:.0f} s"


@dataclass
class NodeState:
    """What a node says of itself.

    Attributes:
        node: the full name.
        pair: the camera pair that is looked at; empty for a node without `camera_pairs`.
        classes: names in id order; empty before they are known.
        detections: class name of each object in the newest image; None where there is no image yet.
    """

    node: str
    pair: str = ""
    classes: tuple[str, ...] = ()
    detections: Sequence[str] | None = None
    _report: tuple[float, str, str, Mapping[str, str]] | None = None
    _other_pairs: Sequence[str] = ()
    _detected_s: float = 0.0

    def report(self, now_s: float, statuses: Mapping[str, tuple[int, str, Mapping[str, str]]]) -> None:
        """Take a report of the node: level, sentence and values by the name of the status."""
        by_pair = {pair_of_status(name): status for name, status in statuses.items()}
        # Before a node with camera pairs is configured, it speaks for all of them.
        status = by_pair.get(self.pair) or by_pair.get("")
        self._other_pairs = [pair for pair in by_pair if pair]
        if status is None:
            self._report = None
        else:
            level, sentence, values = status
            self._report = now_s, LEVELS[min(level, len(LEVELS) - 1)], sentence, values

    def detect(self, now_s: float, detections: Sequence[str]) -> None:
        """Take the objects of the newest image."""
        self.detections, self._detected_s = detections, now_s

    def forget(self) -> None:
        """Nobody looks any more."""
        self.detections, self._report, self._other_pairs = None, None, ()

    def describe(self, now_s: float) -> dict[str, Any]:
        """For the page: level (ok, warn, error or waiting), sentence, values as reported, detections, classes."""
        level, sentence, values = self._verdict(now_s)
        recent = now_s - self._detected_s <= PICTURE_TIMEOUT_S
        return {
            "node": self.node,
            "pair": self.pair,
            "level": level,
            "sentence": sentence,
            "values": values,
            "detections": self.detections if recent else None,
            "classes": _with_colors(self.classes),
        }

    def _verdict(self, now_s: float) -> tuple[str, str, Mapping[str, str]]:
        if self._report is None:
            if not self._other_pairs:
                return "waiting", f"waiting for {self.node}: no report of it on /diagnostics yet", {}
            pairs = " and ".join(self._other_pairs)
            if self.pair:
                return (
                    "waiting",
                    f"{self.node} has no camera pair {self.pair}: start watch with --pair for {pairs}",
                    {},
                )
            return (
                "waiting",
                f"{self.node} has the camera pairs {pairs}: start watch with --pair for one of them",
                {},
            )
        came_s, level, sentence, values = self._report
        if now_s - came_s > REPORT_TIMEOUT_S:
            return "waiting", f"waiting for {self.node}: no report of it for {now_s - came_s:.0f} s", {}
        return level, sentence, values


def _with_colors(names: Sequence[str]) -> list[dict[str, str]]:
    if not names:
        return []
    palette = palette_for(names)
    return [
        {"name": name, "color": "#" + bytes(palette[i % len(palette)]).hex()} for i, name in enumerate(names)
    ]
