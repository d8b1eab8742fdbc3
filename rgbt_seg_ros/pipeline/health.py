"""The verdict on a running camera pair: level and one sentence, from two successive reports of its values; no ROS."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from rgbt_seg_ros.base.diagnostics import ERROR, OK, WARN, Drop, Key
from rgbt_seg_ros.pairing.nearest_neighbour import RATE_INTERVALS
from rgbt_seg_ros.pipeline.missing_camera import CameraState
from rgbt_seg_ros.settings import Settings

SILENCE_NS = 2_000_000_000
"""A stream is called silent after this time without an image, whatever its camera's state [ns]."""

SILENT_PERIODS = 2.5
"""A stream slower than that is called silent after this number of its own periods."""

UNKNOWN_PERIOD_NS = 60_000_000_000
"""How long a stream that is not judged by `stale_after` may be silent before its period is known [ns]."""

_GAPS = 5

CLOCK_JUMP_NS = 60_000_000_000
"""A clock that moves on by more between two reports has been set, as when /clock starts [ns]."""

FAR_APART_MS = 500.0
"""Newest stamps of two cameras farther apart than this, and a period, are not those of one moment."""

IMAGES_BEFORE_PAIRS = RATE_INTERVALS + 2
"""Of each camera; as many decide the first pair after a start or a jump of time: fewer without a pair are no fault."""

Verdict = tuple[int, str]


@dataclass
class Health:
    """Judges an active camera pair.

    Attributes:
        topics: the resolved names of the topics ``rgb`` and ``thermal``, for the sentences.
        settings: the node's.
    """

    topics: Mapping[str, str]
    settings: Settings
    _last: Mapping[str, float] = field(default_factory=dict)
    _last_growth_ns: dict[str, int] = field(default_factory=dict)
    _gaps_ns: dict[str, deque[int]] = field(default_factory=dict)
    _images_at_pair: tuple[float, float] = (0, 0)
    _frozen_since_ns: dict[str, int] = field(default_factory=dict)
    _assessed_ns: int = 0
    _skewed_reports: int = 0

    def assess(
        self,
        values: Mapping[str, float],
        cameras: Mapping[str, CameraState],
        now_ns: int,
        unregistered: str = "",
        paused: bool = False,
    ) -> Verdict:
        """Level and one sentence.

        Args:
            values: `Pipeline.values`.
            cameras: `Pipeline.cameras`.
            now_ns: the node's clock.
            unregistered: why pairs cannot be registered yet.
            paused: whether pairs are left unanswered on purpose.
        """
        grown = {key: value - self._last.get(key, 0) for key, value in values.items()}
        self._last = dict(values)
        elapsed_ns = now_ns - self._assessed_ns
        if not 0 <= elapsed_ns <= CLOCK_JUMP_NS:
            self._last_growth_ns.clear()
            self._gaps_ns.clear()
            self._frozen_since_ns.clear()
        self._assessed_ns = now_ns
        for key in (Key.RGB_IN, Key.THERMAL_IN, Key.PAIRS, Key.MASKS):
            if grown[key] > 0 and values[key] > grown[key] and key in self._last_growth_ns:
                gaps = self._gaps_ns.setdefault(key, deque(maxlen=_GAPS))
                gaps.append(now_ns - self._last_growth_ns[key])
            if grown[key] > 0 or key not in self._last_growth_ns:
                self._last_growth_ns[key] = now_ns
        if paused:
            self._last_growth_ns[Key.MASKS] = now_ns
        if grown[Key.PAIRS] != 0:
            self._images_at_pair = values[Key.RGB_IN], values[Key.THERMAL_IN]
        verdict = (
            self._losses(values, grown)
            or self._cameras(values, cameras)
            or ((ERROR, unregistered) if unregistered else None)
            or self._pairs(values, grown)
            or self._clocks(
                values, stands_still=elapsed_ns == 0 and grown[Key.RGB_IN] + grown[Key.THERMAL_IN] > 0
            )
        )
        if verdict is not None:
            return verdict
        if grown.get(Drop.LOST, 0) > 0:
            return (
                WARN,
                f"{grown[Drop.LOST]:.0f} images were lost on their way from the cameras, see dropped.lost",
            )
        if grown.get(Drop.STALE, 0) > 0:
            return WARN, f"{grown[Drop.STALE]:.0f} pairs were older than max_age when their turn came"
        if grown.get(Key.SIZE_CHANGES, 0) > 0:
            return WARN, "the size of the images has changed, see the log"
        if paused:
            return OK, "paused: inference is switched off by ~/enable"
        if values[Key.MASKS] == 0:
            return WARN, "no mask yet"
        latency_ms = values.get(Key.LATENCY_MS.of("p95"), 0.0)
        return OK, f"{values[Key.MASK_HZ]:.1f} masks/s, latency p95 {latency_ms:.0f} ms"

    def _losses(self, values: Mapping[str, float], grown: Mapping[str, float]) -> Verdict | None:
        lost = values.get(Drop.LOST, 0) + values.get(Drop.OVERFLOW, 0)
        if self.settings.is_lossless and lost > 0:
            return ERROR, f"lossless mode lost {lost:.0f} images or pairs: play the recording more slowly"
        failed, undecodable = grown.get(Drop.FAILED, 0), grown.get(Drop.UNDECODABLE, 0)
        if failed > 0:
            return ERROR, f"inference failed on {failed:.0f} pairs in the last second, see the log"
        if undecodable > 0:
            return ERROR, f"{undecodable:.0f} pairs had an undecodable image, see the log"
        return None

    def _cameras(self, values: Mapping[str, float], cameras: Mapping[str, CameraState]) -> Verdict | None:
        faults = {name: self._fault(name, state, values[f"{name}_in"] > 0) for name, state in cameras.items()}
        faulty = [name for name, fault in faults.items() if fault]
        if not faulty:
            return None
        # Once the camera is back, the time without pairs is not held against them.
        self._last_growth_ns[Key.PAIRS] = self._assessed_ns
        if len(faulty) == 1 and self._goes_alone_without(faulty[0], cameras):
            return self._alone(faulty[0], faults[faulty[0]])
        self._last_growth_ns[Key.MASKS] = self._assessed_ns
        if len(faulty) == 2:
            never = values[Key.RGB_IN] == values[Key.THERMAL_IN] == 0
            # A recording ends, and a node may be there before its cameras.
            level = WARN if never or self.settings.is_lossless else ERROR
            return level, f"{faults['rgb']} and {faults['thermal']}"
        (name,) = faulty
        if self.settings.is_lossless and cameras[name] == CameraState.FROZEN:
            return WARN, faults[name]
        # One that is not judged may be slow to begin.
        awaited = values[f"{name}_in"] == 0 and self._stale_after_s(name) == 0
        level = WARN if awaited and self._silent_s(name) * 1e9 <= UNKNOWN_PERIOD_NS else ERROR
        return level, f"{faults[name]}: no masks, see {name}.on_missing"

    def _goes_alone_without(self, name: str, cameras: Mapping[str, CameraState]) -> bool:
        on_missing = {"rgb": self.settings.rgb.on_missing, "thermal": self.settings.thermal.on_missing}[name]
        return on_missing != "drop" and cameras[name] in (CameraState.FROZEN, CameraState.MISSING)

    def _alone(self, name: str, fault: str) -> Verdict:
        living = "rgb" if name == "thermal" else "thermal"
        maskless_s = self._seconds_since_growth(Key.MASKS)
        if maskless_s * 1e9 > max(SILENCE_NS, SILENT_PERIODS * self._period_ns(living)):
            return ERROR, f"{fault}, and no mask from {self.topics[living]} alone for {maskless_s:.0f} s"
        return WARN, f"{fault}: masks come from {self.topics[living]} alone"

    def _fault(self, name: str, state: CameraState, has_sent: bool) -> str:
        """What is wrong with a camera; empty if nothing is."""
        if state != CameraState.FROZEN:
            self._frozen_since_ns.pop(name, None)
            silent_s, period_s = self._silent_s(name), self._period_ns(name) / 1e9
            if state != CameraState.MISSING and silent_s * 1e9 <= self._silence_ns(name, has_sent):
                return ""
            usual = ""
            if state == CameraState.MISSING and period_s > max(2 * self._stale_after_s(name), 1.5):
                usual = f" (they come every {period_s:.0f} s, see {name}.stale_after)"
            return f"no images on {self.topics[name]} for {max(silent_s, 1):.0f} s{usual}"
        since_ns = self._frozen_since_ns.setdefault(name, self._assessed_ns)
        frozen_s = (self._assessed_ns - since_ns) / 1e9
        return f"the same image again and again on {self.topics[name]} for {max(frozen_s, 1):.0f} s"

    def _pairs(self, values: Mapping[str, float], grown: Mapping[str, float]) -> Verdict | None:
        pairless_s = self._seconds_since_growth(Key.PAIRS)
        if pairless_s * 1e9 > SILENCE_NS and grown.get(Drop.DUPLICATE, 0) > 0:
            return ERROR, f"no pair for {pairless_s:.0f} s: the stamps of a camera stand still"
        images = min(
            values[Key.RGB_IN] - self._images_at_pair[0], values[Key.THERMAL_IN] - self._images_at_pair[1]
        )
        if pairless_s * 1e9 > SILENCE_NS and images < IMAGES_BEFORE_PAIRS:
            self._last_growth_ns[Key.MASKS] = self._assessed_ns
        elif pairless_s * 1e9 > SILENCE_NS:
            apart_s = values.get(Key.NEWEST_SKEW_MS, 0.0) / 1e3
            too_far = abs(apart_s) > self.settings.sync.max_dt or grown.get(Drop.OVER_MAX_DT, 0) > 0
            remedy = "see sync.max_dt and sync.thermal_time_offset" if too_far else "see dropped.*"
            return ERROR, (
                f"no pair for {pairless_s:.0f} s although both cameras send: the newest thermal stamp is "
                f"{apart_s:+.3f} s from the newest RGB stamp, {remedy}"
            )
        maskless_s = self._seconds_since_growth(Key.MASKS)
        if maskless_s * 1e9 > SILENCE_NS:
            return WARN, f"no mask for {maskless_s:.0f} s although pairs arrive"
        return None

    def _clocks(self, values: Mapping[str, float], stands_still: bool) -> Verdict | None:
        if stands_still:
            return WARN, "the node's clock stands still: use_sim_time is set, but nobody publishes /clock"
        skew_ms = values.get(Key.NEWEST_SKEW_MS, 0.0)
        rates = {"rgb": values.get(Key.RGB_HZ, 0.0), "thermal": values.get(Key.THERMAL_HZ, 0.0)}
        periods_ms = [1e3 / hz if hz > 0 else self._period_ns(name) / 1e6 for name, hz in rates.items()]
        # Between two images of a slow camera its newest stamp is old; how slow it is, the second one tells.
        is_known = min(values[Key.RGB_IN], values[Key.THERMAL_IN]) > 1
        far_ms = FAR_APART_MS + max(periods_ms) if is_known else math.inf
        # A recording that is played in a loop jumps back camera by camera.
        self._skewed_reports = self._skewed_reports + 1 if abs(skew_ms) > far_ms else 0
        if self._skewed_reports >= 3 and not self.settings.is_lossless:
            return WARN, (
                f"the newest thermal stamp is {skew_ms / 1e3:+.3f} s from the newest RGB stamp: the cameras' clocks "
                "differ, or the images of one come late"
            )
        return None

    def _period_ns(self, camera: str) -> float:
        """Usual time between two reports with new images of a camera [ns]; 0: not known."""
        gaps = self._gaps_ns.get(f"{camera}_in")
        return median(gaps) if gaps else 0

    def _silence_ns(self, camera: str, has_sent: bool) -> float:
        """How long a camera may be silent [ns]."""
        stale_after_s = self._stale_after_s(camera)
        if has_sent and not self._gaps_ns.get(f"{camera}_in"):
            return max(SILENCE_NS, stale_after_s * 1e9) if stale_after_s > 0 else UNKNOWN_PERIOD_NS
        return max(SILENCE_NS, SILENT_PERIODS * self._period_ns(camera))

    def _stale_after_s(self, camera: str) -> float:
        return (self.settings.rgb if camera == "rgb" else self.settings.thermal).stale_after

    def _silent_s(self, camera: str) -> float:
        return self._seconds_since_growth(f"{camera}_in")

    def _seconds_since_growth(self, key: str) -> float:
        return (self._assessed_ns - self._last_growth_ns[key]) / 1e9
