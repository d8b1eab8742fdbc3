"""Images of a camera pair become pairs, and these jobs for the inference thread; no rclpy."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rgbt_seg_ros.base.diagnostics import Drop, Key, Stage
from rgbt_seg_ros.pairing.nearest_pairer import Pair
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.pairing.stamp_gaps import StampGaps
from rgbt_seg_ros.pairing.stream_clock import StreamClock
from rgbt_seg_ros.pipeline.answer import Answer
from rgbt_seg_ros.pipeline.inference_thread import InferenceThread
from rgbt_seg_ros.pipeline.missing_camera import Camera, CameraState
from rgbt_seg_ros.pipeline.rate_limit import RateLimit
from rgbt_seg_ros.pipeline.responder import Job, ReceivedImage, Responder
from rgbt_seg_ros.pipeline.statistics import Statistics
from rgbt_seg_ros.settings import Settings

QUIET_NS = 2_000_000_000
"""In lossless mode, frames are only decided without their successors after this silence of both streams [ns]."""

_PAIRING_MS = Key.STAGE_MS.of(Stage.PAIRING)
_TRANSPORT_MS = Key.STAGE_MS.of(Stage.TRANSPORT)
_RATE_KEYS = {"rgb": Key.RGB_HZ, "thermal": Key.THERMAL_HZ}
_LOST_KEYS = {"rgb": Key.RGB_LOST, "thermal": Key.THERMAL_LOST}
_MISSING_KEYS = {"rgb": Key.RGB_MISSING_ESTIMATED, "thermal": Key.THERMAL_MISSING_ESTIMATED}


@dataclass(frozen=True)
class Arrival:
    """How an image came.

    Attributes:
        clock_ns, monotonic_ns: when, by the node's clock and by the monotonic one.
        lost: images of its camera just before it that have not come to the pipeline and are counted besides
            (`Pipeline.add_lost`, `refuse`).
        queued_ms: how long it had waited in the middleware's queue; None if that is not known.
        transport_ms: from its publisher's call to the node's; None if that is not known.
    """

    clock_ns: int
    monotonic_ns: int
    lost: int = 0
    queued_ms: float | None = None
    transport_ms: float | None = None


class Pipeline:
    """Pairs images and leaves the pairs for the inference thread; watches the cameras, counts what is not used.

    Each image is in a pair, answered alone, counted as dropped by its cause, or waiting. One that is the nearest of
    two is in both their pairs and counted as reused. Every method may be called from any thread.

    Args:
        settings: may be replaced by assigning to `settings`; live parameters take effect on the next pair.
        pairer: decides which images belong together; of its own.
        inference: answers the jobs by `responder.answer_jobs`.
        deliver, report, clock_ns: see `Responder`; `report` is called in any thread. Rates, overdue images and
            missing cameras are judged by the node's clock, latency by the monotonic clock.

    Attributes:
        responder: what the inference thread knows of this camera pair.
        paused: whether pairs are counted and not answered; may be changed at any time.
    """

    def __init__(
        self,
        settings: Settings,
        pairer: Pairer[ReceivedImage, ReceivedImage],
        inference: InferenceThread[Job],
        deliver: Callable[[Answer], None],
        report: Callable[[str, str], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._lossless = settings.is_lossless
        self._clock_ns = clock_ns
        self._statistics = Statistics()
        self.responder = Responder(settings, self._statistics, deliver, report, clock_ns)
        self.paused = False
        self._rate_limit = RateLimit()
        self._pairer = pairer
        rgb_alone_after = settings.thermal.stale_after if settings.thermal.on_missing == "rgb_only" else None
        thermal_alone_after = settings.rgb.stale_after if settings.rgb.on_missing == "thermal_only" else None
        self._rgb = Camera("rgb", settings.rgb.stale_after, rgb_alone_after)
        self._thermal = Camera("thermal", settings.thermal.stale_after, thermal_alone_after)
        self._stream_clock = StreamClock()
        self._last_arrival_ns = time.monotonic_ns()
        self._gaps = {"rgb": StampGaps(), "thermal": StampGaps()}
        self._lost: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._flushed = True
        self._depth = settings.lossless.depth if self._lossless else 1
        self._mailbox = inference.mailbox(self._depth, supersede=not self._lossless)

    @property
    def settings(self) -> Settings:
        """The values in use."""
        return self.responder.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.responder.settings = settings

    def add(self, camera: str, stamp_ns: int, message: Any, arrival: Arrival | None = None) -> None:
        """Take an image message of camera ``rgb`` or ``thermal``, which has come now if `arrival` does not say when."""
        with self._lock:
            started = time.perf_counter()
            arrival = arrival or Arrival(self._clock_ns(), time.monotonic_ns())
            is_rgb = camera == "rgb"
            own, other = (self._rgb, self._thermal) if is_rgb else (self._thermal, self._rgb)
            frame = self._arrive(own, other, stamp_ns, message, arrival)
            # All by the time at which it came: asking the node's clock costs as much as pairing.
            now_ns = arrival.clock_ns
            if self._is_frozen(own, now_ns):
                return
            if self._goes_alone(own, other, now_ns):
                self._put(Job(self.responder, frame, None) if is_rgb else Job(self.responder, None, frame))
            else:
                add = self._pairer.add_rgb if is_rgb else self._pairer.add_thermal
                self._put_pairs(add(stamp_ns, frame), now_ns)
                self._check_room()
            self._statistics.record(_PAIRING_MS, 1e3 * (time.perf_counter() - started))

    def add_lost(self, number: int, camera: str = "rgb") -> None:
        """Take note of images of a camera that were published and did not come."""
        self._statistics.count(Drop.LOST, number)
        with self._lock:
            self._lost[camera] += number
        if self._lossless:
            sentence = f"the middleware lost {number} {camera} images: play the recording more slowly"
            self.responder.report(Drop.LOST.cause, sentence)

    def refuse(self, camera: str) -> None:
        """Take note of an image that has come, and for which there was no room to wait."""
        with self._lock:
            self._refused[camera] += 1
        self.responder.lose(Drop.OVERFLOW, f"the {camera} images wait already: the machine is too slow")

    def poll(self) -> None:
        """Decide the frames whose next possible partner is overdue."""
        with self._lock:
            if not self._lossless:
                now_ns = self._clock_ns()
                present_ns = self._stream_clock.now(now_ns)
                if present_ns is not None:
                    self._put_pairs(self._pairer.poll(present_ns), now_ns)
            elif time.monotonic_ns() - self._last_arrival_ns > QUIET_NS:
                # A recording has ended: what is known is all there will be. Before that, only successors decide, so
                # that the pairs do not depend on how fast the recording is played.
                self._put_pairs(self._pairer.flush(), self._clock_ns())
                self._flushed = True

    @property
    def idle(self) -> bool:
        """Whether `poll` decides nothing more until an image comes."""
        with self._lock:
            if self._lossless:
                return self._flushed
            return not self._stream_clock.started or self._pairer.idle

    def values(self) -> dict[str, float]:
        """Statistics together with the pairer's counts, by their keys in /diagnostics."""
        # Not while a pair is made, which would be counted and not wait yet.
        with self._lock:
            # Read first: a pair that is answered meanwhile must not seem lost.
            unfinished = self._mailbox.unfinished
            values: dict[str, float] = {
                Key.ALONE: 0,
                Key.REUSED: 0,
                Drop.LOST: 0,
                **self._statistics.values(self._clock_ns()),
            }
            values.update(self._pairer.counts.items())
            # The cameras' own counts: the pairer does not see images that are answered alone.
            values[Key.RGB_IN] = self._rgb.received + self._refused["rgb"]
            values[Key.THERMAL_IN] = self._thermal.received + self._refused["thermal"]
            values[Key.UNPAIRED] = self._pairer.rgb_waiting + self._pairer.thermal_waiting
            values |= {key: self._lost[camera] for camera, key in _LOST_KEYS.items()}
            values |= {key: self._gaps[camera].missing for camera, key in _MISSING_KEYS.items()}
        values[Drop.MISSING_ESTIMATED] = sum(values[key] for key in _MISSING_KEYS.values())
        values[Key.WAITING] = unfinished
        if self._rgb.newest_stamp_ns is not None and self._thermal.newest_stamp_ns is not None:
            skew_ns = self._thermal.newest_stamp_ns - self._rgb.newest_stamp_ns
            values[Key.NEWEST_SKEW_MS] = skew_ns / 1e6 + self.settings.sync.thermal_time_offset * 1e3
        return values

    def cameras(self) -> dict[str, CameraState]:
        """State of the cameras ``rgb`` and ``thermal``."""
        now_ns = self._clock_ns()
        with self._lock:
            return {camera.name: camera.state(now_ns) for camera in (self._rgb, self._thermal)}

    def stop(self) -> None:
        """Count the pairs that still wait as dropped and take no more; idempotent."""
        left = self._mailbox.close()
        if left:
            self._statistics.count(Drop.DEACTIVATED, len(left))

    def _arrive(
        self, camera: Camera, other: Camera, stamp_ns: int, message: Any, arrival: Arrival
    ) -> ReceivedImage:
        now_ns = arrival.clock_ns
        camera.saw(stamp_ns, self._picture(camera, message), now_ns)
        other.expect(now_ns)
        self._statistics.tick(_RATE_KEYS[camera.name], now_ns)
        self._stream_clock.add(stamp_ns, now_ns)
        self._gaps[camera.name].add(stamp_ns, arrival.lost)
        if arrival.queued_ms is not None:
            self._statistics.record(Key.QUEUE_MS, arrival.queued_ms)
        if arrival.transport_ms is not None:
            self._statistics.record(_TRANSPORT_MS, arrival.transport_ms)
        self._last_arrival_ns = arrival.monotonic_ns
        self._flushed = False
        return ReceivedImage(message, stamp_ns, self._last_arrival_ns)

    def _picture(self, camera: Camera, message: Any) -> Any:
        """The bytes of an image that change while its camera works."""
        if camera is self._thermal and self.settings.thermal_transport == "raw":
            # Telemetry counts images while the picture stands still.
            return self.settings.thermal.rows_kept(message)
        return message.data

    def _is_frozen(self, camera: Camera, now_ns: int) -> bool:
        """Whether the image that has just come is none to go by, and counted; a recording is taken as it is."""
        if self._lossless or camera.state(now_ns) != CameraState.FROZEN:
            return False
        self._statistics.count(Drop.FROZEN)
        return True

    def _goes_alone(self, camera: Camera, other: Camera, now_ns: int) -> bool:
        """Whether the image that has just come is answered without the other camera's, and counted."""
        if not camera.goes_alone(other, now_ns):
            return False
        self._statistics.count(Key.ALONE)
        return True

    def _put_pairs(self, pairs: list[Pair[ReceivedImage, ReceivedImage]], now_ns: int) -> None:
        for pair in pairs:
            self._statistics.tick(Key.PAIR_HZ, now_ns)
            self._statistics.record(Key.SKEW_MS, abs(pair.skew_ns) / 1e6)
            reused = self._rgb.is_reused(pair.rgb) + self._thermal.is_reused(pair.thermal)
            self._statistics.count(Key.REUSED, reused)
            self._put(Job(self.responder, pair.rgb, pair.thermal))

    def _check_room(self) -> None:
        """In lossless mode, say that images have waited in vain: the pairer has had to decide one without the other."""
        if not self._lossless:
            return
        for name, waiting in (("rgb", self._pairer.rgb_waiting), ("thermal", self._pairer.thermal_waiting)):
            if waiting > self._depth:
                sentence = f"{waiting} {name} images wait for the other camera's: play more slowly"
                self.responder.lose(Drop.OVERFLOW, sentence)

    def _put(self, job: Job) -> None:
        if self.paused:
            self._statistics.count(Drop.PAUSED)
            return
        if not self._rate_limit.passes(job.arrived_ns, self.settings.max_rate):
            self._statistics.count(Drop.OVER_MAX_RATE)
            return
        if self._mailbox.put(job) is None:
            return
        if self._lossless:
            self.responder.lose(Drop.OVERFLOW, f"{self._depth} pairs wait already: play more slowly")
        else:
            self._statistics.count(Drop.SUPERSEDED)
