"""What must hold of a soak run, and its figures: from counts, and from what the node's process held."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from rgbt_seg_ros.base.diagnostics import Drop, Key

SIZE = 480, 640
MEMORY_GROWTH_MB = 8.0
P99, P99_TREND = "p99 of the masks' age", "p99 of the masks' age, last third by first"
P99_LIMIT_MS, P99_TIMES, TREND_LIMIT = 1000.0, 3.0, 2.0
"""A pair older than `max_age` (1 s) is dropped at its turn. The rest of a mask's age is its inference, which may take
three times the median age. In the last third of a run it may be twice that of the first."""

IMAGE_DROPS = (
    *(Drop.NO_PARTNER, Drop.OVER_MAX_DT, Drop.SURPLUS, Drop.LATE, Drop.DUPLICATE, Drop.OUT_OF_ORDER),
    *(Drop.FROZEN, Drop.OVERFLOW),
)
PAIR_DROPS = (
    *(Drop.SUPERSEDED, Drop.STALE, Drop.UNDECODABLE, Drop.FAILED, Drop.UNREGISTERED, Drop.SHUTTER),
    Drop.DEACTIVATED,
)


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        seconds: how long the cameras send.
        hz: their rate; None finds the highest that the machine holds.
        size: height and width of the RGB images; thermal ones are half as large.
        busy: number of processes that do nothing but load the processor.
        parameters: of the node.
        environment: of the node.
    """

    seconds: float
    hz: float | None = None
    size: tuple[int, int] = SIZE
    busy: int = 0
    parameters: dict[str, object] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing that must hold; without a limit it is a figure only."""

    name: str
    value: float
    limit: float | None = None
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"  limit {self.limit:g}  {'ok' if self.holds else 'BROKEN'}"
        return f"{self.name:<52}{self.value:>12.6g} {self.unit:<8}{limit}"


@dataclass(frozen=True)
class Held:
    """What the node's process holds at a time [s]."""

    time: float
    memory_mb: float
    threads: int
    files: int
    shared_memory: int

    @classmethod
    def by(cls, pid: int) -> "Held":
        process = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        maps = (process / "maps").read_text().splitlines()
        segments = {line.split(maxsplit=5)[5] for line in maps if "/dev/shm/" in line}
        return cls(
            time.monotonic(),
            int(status["VmRSS"].split()[0]) / 1e3,
            int(status["Threads"]),
            len(os.listdir(process / "fd")),
            len(segments),
        )


def numbers(values: dict[str, str]) -> dict[str, float]:
    found = {}
    for key, value in values.items():
        try:
            found[key] = float(value)
        except ValueError:
            continue
    return found


def growth(before: dict[str, float], after: dict[str, float]) -> Callable[[Key | Drop], float]:
    """How much counts have grown, by their keys."""
    return lambda key: after.get(key, 0.0) - before.get(key, 0.0)


def slope(samples: list[tuple[float, float]]) -> float:
    """The median of the slopes between any two of at most 200 samples (Theil and Sen)."""
    thinned = samples[:: len(samples) // 200 + 1]
    slopes = [(y - x) / (end - start) for (start, x), (end, y) in combinations(thinned, 2) if end > start]
    return median(slopes) if slopes else 0.0


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))] if values else float("nan")


def accounting(sent: dict[str, int], grown: Callable[[Key | Drop], float]) -> list[Check]:
    """Every image that was sent, received or counted; every image received, used or dropped; every pair."""
    received = {"RGB": Key.RGB_IN, "thermal": Key.THERMAL_IN}
    lost = {"RGB": Key.RGB_LOST, "thermal": Key.THERMAL_LOST}
    missing = {"RGB": Key.RGB_MISSING_ESTIMATED, "thermal": Key.THERMAL_MISSING_ESTIMATED}
    checks = []
    for camera in received:
        counted = grown(received[camera]) + grown(lost[camera]) + grown(missing[camera])
        checks += [
            Check(f"{camera} images sent", sent["sent"]),
            Check(f"{camera} images received", grown(received[camera])),
            Check(f"{camera} images counted as lost", grown(lost[camera])),
            Check(f"{camera} images counted as missing", grown(missing[camera])),
            Check(f"{camera} images sent and not accounted for", abs(sent["sent"] - counted), 0),
        ]
    used = 2 * grown(Key.PAIRS) - grown(Key.REUSED) + grown(Key.ALONE) + grown(Key.UNPAIRED)
    images = grown(Key.RGB_IN) + grown(Key.THERMAL_IN) - used - sum(map(grown, IMAGE_DROPS))
    pairs = grown(Key.PAIRS) + grown(Key.ALONE) - grown(Key.MASKS) - sum(map(grown, PAIR_DROPS))
    return [
        *checks,
        Check("images received and not accounted for", abs(images), 0),
        Check("pairs", grown(Key.PAIRS)),
        Check("pairs superseded", grown(Drop.SUPERSEDED)),
        Check("masks", grown(Key.MASKS)),
        Check("pairs not accounted for", abs(pairs - grown(Key.WAITING)), 0),
    ]


def growth_of(samples: list[Held]) -> list[Check]:
    """What grew after the warm-up."""
    assert len(samples) >= 9, "the run was too short to tell what grows"
    seconds = samples[-1].time - samples[0].time
    per_second = slope([(each.time, each.memory_mb) for each in samples])
    checks = [
        Check("memory", median(each.memory_mb for each in samples[-9:]), unit="MB"),
        Check("growth of memory, by its slope", per_second * seconds, MEMORY_GROWTH_MB, "MB"),
        Check("slope of memory", per_second * 3600, unit="MB/h"),
    ]
    third = len(samples) // 3
    for name in ("threads", "files", "shared_memory"):
        early, late = (
            median(getattr(each, name) for each in part) for part in (samples[:third], samples[-third:])
        )
        what = name.replace("_", " ")
        checks += [Check(f"{what}, median", late), Check(f"growth of {what}", late - early, 0)]
    return checks


def figures_of(
    hz: float,
    ages_ms: list[float],
    reports: list[tuple[int, str, dict[str, str]]],
) -> dict[str, Any]:
    told = [numbers(values) for _, _, values in reports]
    queue = [values[Key.QUEUE_MS.of("max")] for values in told if Key.QUEUE_MS.of("max") in values]
    # Before the cameras have begun and after their end the node rightly misses them.
    sending = [now[Key.RGB_IN] > before[Key.RGB_IN] for before, now in pairwise(told)]
    sentences = {
        f"{level} {sentence}"
        for (level, sentence, _), images_came in zip(reports[1:], sending, strict=True)
        if level > 0 and images_came
    }
    third = len(ages_ms) // 3
    return {
        "hz": hz,
        "mask_age_ms": {f"p{each}": round(percentile(ages_ms, each), 1) for each in (50, 95, 99, 100)},
        "mask_age_p99_ms_by_thirds": [
            round(percentile(part, 99), 1)
            for part in (ages_ms[:third], ages_ms[third : 2 * third], ages_ms[2 * third :])
        ],
        "longest_in_queue_ms": max(queue, default=float("nan")),
        "warnings_and_errors": sorted(sentences)[:20],
        "reports": len(reports),
    }


def page(plan: Plan, checks: list[Check], figures: dict[str, Any]) -> str:
    """The result on one page."""
    ages = ", ".join(f"{name} {value:g}" for name, value in figures["mask_age_ms"].items())
    broken = [check.name for check in checks if not check.holds]
    lines = [
        f"Soak run of {plan.seconds / 60:g} minutes: {'BROKEN: ' + ', '.join(broken) if broken else 'all limits held'}",
        "",
        f"cameras at {figures['hz']:g} Hz, RGB {plan.size[1]}x{plan.size[0]}; {plan.busy} busy processes beside",
        f"age of masks [ms]: {ages}",
        f"its p99 in each third of the run [ms]: {figures['mask_age_p99_ms_by_thirds']}",
        f"longest time in the middleware's queue: {figures['longest_in_queue_ms']:g} ms",
        "",
        *map(str, checks),
        "",
        "what the node warned of:",
        *(figures["warnings_and_errors"] or ["nothing"]),
    ]
    return "\n".join(lines) + "\n"
