"""From two streams of image messages to masks and detections: pairing, mailbox, inference; no rclpy.

The methods of `Pipeline` belong to one thread (the executor's). Decoding, inference and delivery happen in the
inference thread.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rgbt_seg_ros.answer import Answer, answer_pair
from rgbt_seg_ros.diagnostics import Statistics
from rgbt_seg_ros.image_codec import UndecodableImage
from rgbt_seg_ros.pairing import NearestPairer, Pair
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.serving import InferenceThread
from rgbt_seg_ros.settings import Settings
from rgbt_seg_ros.stream_clock import StreamClock

QUIET_NS = 2_000_000_000
"""In lossless mode, frames are only decided without their successors after this silence of both streams [ns]."""

STOP_TIMEOUT_S = 5.0
"""How long deactivation waits for the pair under way [s]; `ros2 launch` kills a process after 10 s."""

_PAIRER_KEYS = {
    "rgb_in": "rgb_in",
    "thermal_in": "thermal_in",
    "pairs": "pairs",
    # `dropped.stale` counts pairs that waited too long for inference.
    "stale": "dropped.late",
}


@dataclass(frozen=True)
class Frame:
    """An image message and when it came, by the monotonic clock [ns]."""

    message: Any
    arrived_ns: int


class Pipeline:
    """Pairs images and segments the pairs.

    Args:
        segmenter: used by the inference thread alone.
        settings: may be replaced by assigning to `settings`; live parameters take effect on the next pair.
        deliver: publishes an answer; called in the inference thread.
        report: told the cause and one sentence for every pair lost to an error; called in either thread.
        clock_ns: the node's clock [ns]; rates and overdue frames are judged by it, latency by the monotonic clock.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        settings: Settings,
        deliver: Callable[[Answer], None],
        report: Callable[[str, str], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self.settings = settings
        self._lossless = settings.lossless
        self._segmenter = segmenter
        self._statistics = Statistics()
        self._deliver = deliver
        self._report = report
        self._clock_ns = clock_ns
        self._pairer: NearestPairer[Frame, Frame] = NearestPairer(
            max_dt_ns=round(settings.sync_max_dt * 1e9),
            thermal_offset_ns=round(settings.sync_thermal_time_offset * 1e9),
        )
        self._stream_clock = StreamClock()
        self._newest_stamp_ns: dict[str, int] = {}
        self._last_arrival_ns = time.monotonic_ns()
        self._inference = InferenceThread(
            self._serve,
            capacity=settings.lossless_depth if self._lossless else 1,
            supersede=not self._lossless,
        )

    def add_rgb(self, stamp_ns: int, message: Any) -> None:
        """Take an RGB image message."""
        self._put(self._pairer.add_rgb(stamp_ns, self._arrive("rgb", stamp_ns, message)))

    def add_thermal(self, stamp_ns: int, message: Any) -> None:
        """Take a thermal image message."""
        self._put(self._pairer.add_thermal(stamp_ns, self._arrive("thermal", stamp_ns, message)))

    def add_lost(self, number: int) -> None:
        """Take note of images that the middleware says it lost."""
        self._statistics.count("dropped.lost", number)
        if self._lossless:
            self._report("lost", f"the middleware lost {number} images: play the recording more slowly")

    def poll(self) -> None:
        """Decide the frames whose next possible partner is overdue."""
        if not self._lossless:
            present_ns = self._stream_clock.now(self._clock_ns())
            if present_ns is not None:
                self._put(self._pairer.poll(present_ns))
        elif time.monotonic_ns() - self._last_arrival_ns > QUIET_NS:
            # A recording has ended: what is known is all there will be. Before that, only successors decide, so
            # that the pairs do not depend on how fast the recording is played.
            self._put(self._pairer.flush())

    def values(self) -> dict[str, float]:
        """Statistics together with the pairer's counts, by their keys in /diagnostics."""
        # Read first: a pair that is answered meanwhile must not seem lost.
        unfinished = self._inference.unfinished
        values = self._statistics.values(self._clock_ns())
        for name, number in self._pairer.counts.items():
            values[_PAIRER_KEYS.get(name, f"dropped.{name}")] = number
        values["unpaired"] = self._pairer.rgb_waiting + self._pairer.thermal_waiting
        values["waiting"] = unfinished
        if len(self._newest_stamp_ns) == 2:
            skew_ns = self._newest_stamp_ns["thermal"] - self._newest_stamp_ns["rgb"]
            values["newest_skew_ms"] = skew_ns / 1e6 + self.settings.sync_thermal_time_offset * 1e3
        return values

    def stop(self) -> None:
        """Finish the pair under way, drop and count those still waiting; again, it does nothing."""
        left = self._inference.stop(STOP_TIMEOUT_S)
        if left:
            self._statistics.count("dropped.deactivated", len(left))
        if self._inference.alive:
            self._report("failed", f"inference did not end within {STOP_TIMEOUT_S:.0f} s and is left behind")

    def _arrive(self, stream: str, stamp_ns: int, message: Any) -> Frame:
        now_ns = self._clock_ns()
        self._statistics.tick(f"{stream}_hz", now_ns)
        self._stream_clock.add(stamp_ns, now_ns)
        self._newest_stamp_ns[stream] = stamp_ns
        self._last_arrival_ns = time.monotonic_ns()
        return Frame(message, self._last_arrival_ns)

    def _put(self, pairs: list[Pair[Frame, Frame]]) -> None:
        for pair in pairs:
            self._statistics.tick("pair_hz", self._clock_ns())
            self._statistics.record("skew_ms", abs(pair.skew_ns) / 1e6)
            if self._inference.put(pair) is None:
                continue
            if self._lossless:
                self._lose("overflow", f"{self.settings.lossless_depth} pairs wait already: play more slowly")
            else:
                self._statistics.count("dropped.superseded")

    def _serve(self, pair: Pair[Frame, Frame]) -> None:
        """Answer one pair, in the inference thread; whatever goes wrong costs this pair only."""
        settings = self.settings
        arrived_ns = max(pair.rgb.arrived_ns, pair.thermal.arrived_ns)
        waited_s = (time.monotonic_ns() - arrived_ns) / 1e9
        if not self._lossless and 0 < settings.max_age < waited_s:
            self._statistics.count("dropped.stale")
            return
        try:
            self._answer(pair, settings)
        except UndecodableImage as error:
            self._lose("undecodable", str(error))
            return
        except Exception as error:
            self._lose("failed", f"{type(error).__name__}: {error}")
            return
        self._statistics.count("masks")
        self._statistics.tick("mask_hz", self._clock_ns())
        self._statistics.record("latency_ms", (time.monotonic_ns() - arrived_ns) / 1e6)

    def _answer(self, pair: Pair[Frame, Frame], settings: Settings) -> None:
        answer = answer_pair(self._segmenter, settings, pair.rgb.message, pair.thermal.message)
        answered = time.perf_counter()
        self._deliver(answer)
        stages = {**answer.stage_ms, "publish": 1e3 * (time.perf_counter() - answered)}
        for stage, milliseconds in stages.items():
            self._statistics.record(f"stage_ms.{stage}", milliseconds)
        self._statistics.count("detections", len(answer.detections))

    def _lose(self, cause: str, sentence: str) -> None:
        self._statistics.count(f"dropped.{cause}")
        self._report(cause, sentence)
