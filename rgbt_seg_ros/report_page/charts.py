"""The charts of a report: state, latency, skew, dropped and detections over time, and the histogram of latencies."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from rgbt_seg_ros.base.diagnostics import Key
from rgbt_seg_ros.report_page.chart_kinds import (
    BarsChart,
    Chart,
    Histogram,
    Point,
    PointsChart,
    Segment,
    Span,
    StripChart,
    StripRow,
)
from rgbt_seg_ros.report_page.format import number, plural, words
from rgbt_seg_ros.report_page.frames import Timeline
from rgbt_seg_ros.report_page.pictures import colors_of
from rgbt_seg_ros.runs.folder import Diagnostics, RunFolder
from rgbt_seg_ros.runs.summary import Percentiles, Summary

MAX_POINTS = 1500
MAX_BARS = 120
BINS = 40

TimedDiagnostics = list[tuple[int, Diagnostics]]
"""With the stamp [ns] on the recording's time at which each came."""

LEVEL_OF_STATE = {"ok": "ok", "waiting": "idle", "warn": "warn", "frozen": "warn", "missing": "error"}
LEVEL_NAMES = {
    "ok": "ok",
    "idle": "waiting",
    "warn": "warning or frozen",
    "error": "error or missing",
    "stale": "stale",
}


def time_charts(run: RunFolder, summary: Summary) -> list[Chart]:
    """Charts over the run's axis; those without any value are left out."""
    timeline = Timeline(run)
    diagnostics = timed_diagnostics(run, summary)
    latencies = {mask.stamp_ns: mask.latency_ms for mask in run.masks}
    charts = [
        _state_chart(diagnostics, timeline),
        latency_chart(timeline, {"latency": latencies}, "Latency of every mask", summary.latency_ms),
        _skew_chart(run, timeline),
        _dropped_chart(diagnostics, timeline, summary),
        _detections_chart(run, timeline),
    ]
    return [chart for chart in charts if chart is not None]


def timed_diagnostics(run: RunFolder, summary: Summary) -> TimedDiagnostics:
    """Those that came while the recording ran; in lossless mode its end is no silence."""
    timed = [(status.stamp_ns, status) for status in run.diagnostics if status.stamp_ns is not None]
    if (summary.settings or {}).get("mode") != "lossless" or not run.masks:
        return timed
    end = run.masks[-1].stamp_ns
    # The first one after the end counts what happened until then.
    after = [entry for entry in timed if entry[0] >= end]
    return [*(entry for entry in timed if entry[0] < end), *after[:1]]


def latency_chart(
    timeline: Timeline,
    latencies: Mapping[str, Mapping[int, float | None]],
    text: str,
    percentiles: Percentiles | None = None,
) -> PointsChart | None:
    """Latencies by stamp, one series a run; None where none is known.

    Args:
        timeline: of all of them.
        latencies: milliseconds.
        text: what they are of.
        percentiles: those of them that are to be seen as lines, without p99.
    """
    series = {name: _points(timeline, values) for name, values in latencies.items()}
    if not any(series.values()):
        return None
    lines = {
        name: value
        for name, value in asdict(percentiles or Percentiles()).items()
        if value is not None and name != "p99"
    }
    results = {
        name: [value for value in values.values() if value is not None] for name, values in latencies.items()
    }
    return PointsChart("Latency", f"{text}: {_spread(results)}.", "ms", series, lines)


def latency_histogram(runs: Mapping[str, RunFolder]) -> Histogram | None:
    """How many masks took how long; one series a run, all with the same bins."""
    values = {
        name: [m.latency_ms for m in run.masks if m.latency_ms is not None] for name, run in runs.items()
    }
    if not all(values.values()):
        return None
    edges = bin_edges([value for series in values.values() for value in series])
    return Histogram(
        "Masks by latency",
        f"Number of all masks by latency: {_spread(values)}.",
        "ms",
        edges,
        {name: count_in_bins(series, edges) for name, series in values.items()},
    )


def _spread(latencies: Mapping[str, Sequence[float]]) -> str:
    """Median, 95th percentile and maximum in words [ms], by name where there are several."""
    texts = {
        name: f"median {np.median(values):.0f} ms, p95 {np.percentile(values, 95):.0f} ms, "
        f"at most {max(values):.0f} ms"
        for name, values in latencies.items()
        if values
    }
    return "; ".join(f"{name} {text}" if len(latencies) > 1 else text for name, text in texts.items())


def bin_edges(values: Sequence[float]) -> list[float]:
    """Edges of `BINS` equal bins over almost all values; the few above the 99.5th percentile go to the last one."""
    low, high = min(values), float(np.percentile(values, 99.5))
    margin = max(high - low, 1e-3 * max(high, 1.0)) / BINS
    return [round(float(edge), 4) for edge in np.linspace(max(low - margin, 0.0), high + margin, BINS + 1)]


def count_in_bins(values: Sequence[float], edges: Sequence[float] | np.ndarray) -> list[int]:
    """How many values are in each bin; those outside are in the first and the last."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return [int(count) for count in counts]


def _points(timeline: Timeline, values: Mapping[int, float | None]) -> list[Point]:
    """At most `MAX_POINTS`; of more, the largest of each group."""
    points = [
        Point(timeline.position(stamp), round(value, 3))
        for stamp, value in values.items()
        if value is not None
    ]
    group = math.ceil(len(points) / MAX_POINTS)
    if group > 1:
        groups = [points[start : start + group] for start in range(0, len(points), group)]
        points = [max(members, key=lambda point: abs(point.value)) for members in groups]
    return points


def _skew_chart(run: RunFolder, timeline: Timeline) -> PointsChart | None:
    points = _points(timeline, {mask.stamp_ns: mask.skew_ms for mask in run.masks})
    if not points:
        return None
    skews = [point.value for point in points]
    text = (
        "Stamp of a pair's thermal image minus that of its RGB image: "
        f"from {number(min(skews))} to {number(max(skews))} ms."
    )
    return PointsChart("Skew", text, "ms", {"skew": points}, lines={})


def _dropped_chart(diagnostics: TimedDiagnostics, timeline: Timeline, summary: Summary) -> BarsChart | None:
    """Images and pairs that were not used, by cause and by the time of the diagnostics that count them."""
    drops = [drop for drop, count in summary.dropped.by_cause.items() if count]
    if not diagnostics:
        return None
    # The counts only grow: what is left out between two diagnostics is in the second one's.
    diagnostics = diagnostics[:: -math.ceil(len(diagnostics) / MAX_BARS)][::-1]
    counts = {words(drop.cause): [status.number(drop) or 0.0 for _, status in diagnostics] for drop in drops}
    # A node that was activated anew counts from 0 again.
    grown = {
        cause: [int(max(b - a, 0)) for a, b in zip([0.0, *values], values, strict=False)]
        for cause, values in counts.items()
    }
    result = ", ".join(f"{sum(values)} {cause}" for cause, values in grown.items())
    text = (
        f"Images and pairs not used, by cause, since the report before: {result}."
        if drops
        else "Nothing was dropped."
    )
    return BarsChart("Dropped", text, "", _spans(diagnostics, timeline), grown, colors={})


def _detections_chart(run: RunFolder, timeline: Timeline) -> BarsChart | None:
    stamps = [mask.stamp_ns for mask in run.masks if mask.stamp_ns in run.detections]
    if not stamps:
        return None
    counted = [Counter(box.class_name for box in run.detections[stamp]) for stamp in stamps]
    found = Counter[str]()
    for counts in counted:
        found.update(counts)
    # Also those whose names are no class's: the file of the names may be lost.
    names = [name for name in dict.fromkeys([*run.class_names, *found]) if found[name]]
    group = math.ceil(len(stamps) / MAX_BARS)
    starts = range(0, len(stamps), group)
    series = {
        words(name): [
            round(float(np.mean([counts[name] for counts in counted[start : start + group]])), 2)
            for start in starts
        ]
        for name in names
    }
    places = [timeline.position(stamps[start]) for start in starts]
    # Where no masks came, the last bar does not reach over the gap.
    width = float(np.median(np.diff(places))) if len(places) > 1 else 1.0
    ends = [
        min(start + width, following) for start, following in zip(places, [*places[1:], np.inf], strict=True)
    ]
    shift = 0.0 if timeline.is_recording else width / 2
    spans = [
        Span(round(start - shift, 4), round(end - shift, 4)) for start, end in zip(places, ends, strict=True)
    ]
    colors = {words(name): color for name, color in colors_of(run.class_names).items()}
    result = ", ".join(plural(found[name], words(name)) for name in names)
    mean = f", mean of {group}" if group > 1 else ""
    text = f"Detections in a frame{mean}; in all {result}." if names else "No detection."
    return BarsChart("Detections", text, "", spans, series, colors)


def _state_chart(diagnostics: TimedDiagnostics, timeline: Timeline) -> StripChart | None:
    """The node's level and the states of its cameras from one diagnostics to the next."""
    if not any(Key.RGB_CAMERA in status.values for _, status in diagnostics):
        return None
    spans = _spans(diagnostics, timeline)
    states: dict[str, list[tuple[str, str]]] = {
        "node": [(status.level, status.message) for _, status in diagnostics],
        "RGB": [(status.values.get(Key.RGB_CAMERA, "ok"),) * 2 for _, status in diagnostics],
        "thermal": [(status.values.get(Key.THERMAL_CAMERA, "ok"),) * 2 for _, status in diagnostics],
    }
    rows = [StripRow(name, _segments(spans, entries)) for name, entries in states.items()]
    seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        for segment in row.segments:
            seconds[row.name, segment.level] += segment.end - segment.start
    faults = [
        f"{name} {LEVEL_NAMES[level]} for {number(time)} s"
        for (name, level), time in seconds.items()
        if level != "ok" and time > 0
    ]
    present = {level for _, level in seconds}
    levels = {level: name for level, name in LEVEL_NAMES.items() if level in present}
    text = f"What the node says of itself and of its cameras: {'; '.join(faults) or 'ok all the time'}."
    return StripChart("State", text, "", rows, levels)


def _segments(spans: Sequence[Span], states: Sequence[tuple[str, str]]) -> list[Segment]:
    """Of each state (level or state, sentence); successive ones are one if all is well or they say the same."""
    segments: list[Segment] = []
    for span, (state, sentence) in zip(spans, states, strict=True):
        # A state that a later version knows is told in its own word.
        level = LEVEL_OF_STATE.get(state, state if state in LEVEL_NAMES else "warn")
        last = segments[-1] if segments else None
        if last and last.level == level and (level == "ok" or last.sentence == sentence):
            segments[-1] = last._replace(end=span.end, sentence=sentence)
        else:
            segments.append(Segment(span.start, span.end, level, sentence))
    return segments


def _spans(diagnostics: TimedDiagnostics, timeline: Timeline) -> list[Span]:
    """The time that each diagnostics is about, from the one before on; a recording's loop goes nowhere."""
    ends = np.maximum.accumulate([max(timeline.position(stamp), 0.0) for stamp, _ in diagnostics])
    return [Span(float(start), float(end)) for start, end in zip([0.0, *ends], ends, strict=False)]
