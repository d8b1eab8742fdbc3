"""The charts of a report as data: the page's script draws them and tells their values under the pointer."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rgbt_seg_ros.base.diagnostics import Key
from rgbt_seg_ros.report_page.format import number, plural, words
from rgbt_seg_ros.report_page.frames import Timeline
from rgbt_seg_ros.report_page.pictures import colors_of
from rgbt_seg_ros.runs.folder import Diagnostics, RunFolder
from rgbt_seg_ros.runs.summary import Percentiles, Summary

MAX_POINTS = 1500
MAX_BARS = 120
BINS = 40

Points = list[tuple[float, float]]
LEVEL_COLORS = {"ok": "ok", "waiting": "idle", "warn": "warn", "frozen": "warn", "missing": "error"}
LEVEL_NAMES = {
    "ok": "ok",
    "idle": "waiting",
    "warn": "warning or frozen",
    "error": "error or missing",
    "stale": "stale",
}


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        kind: `points` or `bars` over the run's axis, `strip` of states over it, `histogram`.
        title: what it shows.
        text: the same and the result in a sentence, for those who do not see it and for its caption.
        unit: of the values, shown behind the title; of the axis below a histogram.
        data: `series` {name: ...} with `lines` {name: y} (points: [[x, y], ...]), `spans` [[start, end], ...] and
            `colors` (bars: a value for each span) or `edges` (histogram: counts); strip: `rows`
            [[name, [[start, end, level, sentence], ...]], ...] and `levels` {level: name} for its key.
    """

    kind: str
    title: str
    text: str
    unit: str
    data: dict[str, Any] = field(default_factory=dict)


def time_charts(run: RunFolder, summary: Summary) -> list[Chart]:
    """Charts over the run's axis; those without any value are left out."""
    timeline = Timeline(run.masks)
    reports = timed_reports(run, summary)
    latencies = {mask.stamp_ns: mask.latency_ms for mask in run.masks}
    charts = [
        _strip(reports, timeline),
        latency_chart(timeline, {"latency": latencies}, "Latency of every mask", summary.latency_ms),
        _skew(run, timeline),
        _drops(reports, timeline, summary),
        _detections(run, timeline),
    ]
    return [chart for chart in charts if chart is not None]


def timed_reports(run: RunFolder, summary: Summary) -> list[tuple[int, Diagnostics]]:
    """The reports that came while the recording ran, each with its stamp; in lossless mode its end is no silence."""
    timed = [(report.stamp_ns, report) for report in run.diagnostics if report.stamp_ns is not None]
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
) -> Chart | None:
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
    return Chart(
        "points", "Latency", f"{text}: {_spread(results)}.", "ms", {"series": series, "lines": lines}
    )


def latency_histogram(runs: Mapping[str, RunFolder]) -> Chart | None:
    """How many masks took how long; one series a run, all with the same bins."""
    values = {
        name: [m.latency_ms for m in run.masks if m.latency_ms is not None] for name, run in runs.items()
    }
    if not all(values.values()):
        return None
    edges = bin_edges([value for series in values.values() for value in series])
    return Chart(
        "histogram",
        "Masks by latency",
        f"Number of all masks by latency: {_spread(values)}.",
        "ms",
        {"edges": edges, "series": {name: histogram(series, edges) for name, series in values.items()}},
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


def histogram(values: Sequence[float], edges: Sequence[float] | np.ndarray) -> list[int]:
    """How many values are in each bin; those outside are in the first and the last."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return [int(count) for count in counts]


def _points(timeline: Timeline, values: Mapping[int, float | None]) -> Points:
    """At most `MAX_POINTS`; of more, the largest of each group."""
    points = [
        (timeline.position(stamp), round(value, 3)) for stamp, value in values.items() if value is not None
    ]
    group = math.ceil(len(points) / MAX_POINTS)
    if group > 1:
        groups = [points[start : start + group] for start in range(0, len(points), group)]
        points = [max(members, key=lambda point: abs(point[1])) for members in groups]
    return points


def _skew(run: RunFolder, timeline: Timeline) -> Chart | None:
    points = _points(timeline, {mask.stamp_ns: mask.skew_ms for mask in run.masks})
    if not points:
        return None
    skews = [value for _, value in points]
    text = (
        "Stamp of a pair's thermal image minus that of its RGB image: "
        f"from {number(min(skews))} to {number(max(skews))} ms."
    )
    return Chart("points", "Skew", text, "ms", {"series": {"skew": points}, "lines": {}})


def _drops(reports: Sequence[tuple[int, Diagnostics]], timeline: Timeline, summary: Summary) -> Chart | None:
    """Images and pairs that were not used, by cause and by the time of the report that counts them."""
    drops = [drop for drop, count in summary.dropped.by_cause.items() if count]
    if not reports:
        return None
    # The counts only grow: what is left out between two reports is in the second one's.
    reports = reports[:: -math.ceil(len(reports) / MAX_BARS)][::-1]
    counts = {drop.cause: [report.number(drop) or 0.0 for _, report in reports] for drop in drops}
    # A node that was activated anew counts from 0 again.
    grown = {
        cause: [int(max(b - a, 0)) for a, b in zip([0.0, *values], values, strict=False)]
        for cause, values in counts.items()
    }
    spans = _spans(reports, timeline)
    result = ", ".join(f"{sum(values)} {words(cause)}" for cause, values in grown.items())
    text = (
        f"Images and pairs not used, by cause, since the report before: {result}."
        if drops
        else "Nothing was dropped."
    )
    series = {words(cause): values for cause, values in grown.items()}
    return Chart("bars", "Dropped", text, "", {"spans": spans, "series": series, "colors": {}})


def _detections(run: RunFolder, timeline: Timeline) -> Chart | None:
    stamps = [mask.stamp_ns for mask in run.masks if mask.stamp_ns in run.detections]
    if not stamps:
        return None
    counted = [Counter(box.class_name for box in run.detections[stamp]) for stamp in stamps]
    names = [name for name in run.class_names if any(counts[name] for counts in counted)]
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
        [round(start - shift, 4), round(end - shift, 4)] for start, end in zip(places, ends, strict=True)
    ]
    colors = {words(name): color for name, color in colors_of(run.class_names).items()}
    result = ", ".join(plural(sum(counts[name] for counts in counted), words(name)) for name in names)
    mean = f", mean of {group}" if group > 1 else ""
    text = f"Detections in a frame{mean}; in all {result}." if names else "No detection."
    return Chart("bars", "Detections", text, "", {"spans": spans, "series": series, "colors": colors})


def _strip(reports: Sequence[tuple[int, Diagnostics]], timeline: Timeline) -> Chart | None:
    """The node's level and the states of its cameras from report to report."""
    if not any(Key.RGB_CAMERA in report.values for _, report in reports):
        return None
    spans = _spans(reports, timeline)
    rows: dict[str, list[tuple[str, str]]] = {
        "node": [(report.level, report.message) for _, report in reports],
        "RGB": [(report.values.get(Key.RGB_CAMERA, "ok"),) * 2 for _, report in reports],
        "thermal": [(report.values.get(Key.THERMAL_CAMERA, "ok"),) * 2 for _, report in reports],
    }
    segments = {name: _segments(spans, states) for name, states in rows.items()}
    seconds = Counter[tuple[str, str]]()
    for name, states in segments.items():
        for start, end, level, _ in states:
            seconds[name, level] += end - start
    faults = [
        f"{name} {LEVEL_NAMES[level]} for {number(float(time))} s"
        for (name, level), time in seconds.items()
        if level != "ok" and time > 0
    ]
    present = {level for _, level in seconds}
    data = {
        "rows": [[name, states] for name, states in segments.items()],
        "levels": {level: name for level, name in LEVEL_NAMES.items() if level in present},
    }
    text = f"What the node says of itself and of its cameras: {'; '.join(faults) or 'ok all the time'}."
    return Chart("strip", "State", text, "", data)


def _segments(spans: Sequence[list[float]], states: Sequence[tuple[str, str]]) -> list[list[Any]]:
    """[start, end, level, sentence] of each state; successive ones are one if all is well or they say the same."""
    segments: list[list[Any]] = []
    for (start, end), (level, text) in zip(spans, states, strict=True):
        color = LEVEL_COLORS.get(level, level)
        if segments and segments[-1][2] == color and (color == "ok" or segments[-1][3] == text):
            segments[-1][1], segments[-1][3] = end, text
        else:
            segments.append([start, end, color, text])
    return segments


def _spans(reports: Sequence[tuple[int, Diagnostics]], timeline: Timeline) -> list[list[float]]:
    """[start, end] of the time that each report is about, from the one before on; a recording's loop goes nowhere."""
    ends = np.maximum.accumulate([max(timeline.position(stamp), 0.0) for stamp, _ in reports])
    return [[float(start), float(end)] for start, end in zip([0.0, *ends], ends, strict=False)]
