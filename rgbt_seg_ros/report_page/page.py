"""The pages themselves: a run's or a comparison's data put into the templates of resource/report; no ROS."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jinja2

from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.report_page.chart_kinds import BarsChart, Chart
from rgbt_seg_ros.report_page.charts import time_charts, timed_diagnostics
from rgbt_seg_ros.report_page.format import number, percent, plural, words
from rgbt_seg_ros.report_page.frames import (
    CONFIDENCE,
    ERRORS,
    MASK,
    RGB,
    THERMAL,
    TRUTH,
    Frame,
    Panel,
    Timeline,
    frames_of,
    ranked_frames,
)
from rgbt_seg_ros.report_page.pictures import BLACK, colors_of
from rgbt_seg_ros.report_page.stages import stage_rows
from rgbt_seg_ros.runs.evaluation import SubsetScores
from rgbt_seg_ros.runs.folder import RunFolder
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration, quality
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.verdict import verdict


@dataclass(frozen=True)
class Axis:
    """What all charts over a run share: both ends, and whether its frames have times [s] or names."""

    recording: bool
    start: float
    end: float


@dataclass(frozen=True)
class Tile:
    """A number that matters first, and more about it."""

    title: str
    value: str
    unit: str
    more: str


@dataclass(frozen=True)
class ClassRow:
    """A line of the table of classes.

    Attributes:
        color: of the overlay, as CSS.
        pixel_share: 0 to 1 of all mask pixels.
        iou, acc: where there are labels.
        subset_iou: by day and night, where these are known.
    """

    name: str
    color: str
    pixel_share: float
    detections: int
    iou: float | None
    acc: float | None
    subset_iou: Sequence[float | None]


@dataclass(frozen=True)
class LegendEntry:
    """A class and its colour over the images, as CSS."""

    name: str
    color: str


def render_report(run: RunFolder, summary: Summary) -> str:
    """The page of one run as text.

    Args:
        run: what recorder, offline runner or evaluation left.
        summary: what of it is known is shown.
    """
    level, sentence = verdict(summary)
    rankings = ranked_frames(run, summary)
    frames = frames_of(run, summary, rankings)
    has_truth = any(TRUTH.layer in frame.pictures for frame in frames)
    panels = (
        [RGB, THERMAL, CONFIDENCE, MASK, TRUTH, ERRORS] if has_truth else [RGB, THERMAL, MASK, CONFIDENCE]
    )
    classes = class_rows(run, summary)
    evaluation = summary.evaluation
    charts = time_charts(run, summary)
    return render(
        "report.html",
        summary=summary,
        level="" if evaluation else level,
        verdict=sentence,
        quality=quality(summary),
        demonstration=DEMONSTRATION if is_demonstration(summary.model) else "",
        tiles=tiles(summary),
        panels=shown_panels(panels, frames),
        legend=[
            LegendEntry(row.name, row.color)
            for row in classes
            if (row.pixel_share or (has_truth and row.iou is not None)) and row.color != BLACK
        ],
        layer_classes={MASK.layer: run.class_names, TRUTH.layer: run.class_names},
        frames=frames,
        total=evaluation.scores.images if evaluation else summary.masks,
        rankings=rankings,
        timeline=axis(run, summary, charts),
        charts=charts,
        stages=stage_rows(run, summary),
        classes=classes,
        subsets=[*_subsets(summary)],
        video=(run.path / "overlay.mp4").is_file(),
    )


def render(template: str, **values: Any) -> str:
    """A template of resource/report with its values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(share_path("resource/report")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_function"] = encode_json
    environment.policies["json.dumps_kwargs"] = {"default": _for_script}
    environment.filters |= {"number": number, "percent": percent, "words": words}
    return environment.get_template(template).render(**values)


def _for_script(value: Any) -> dict[str, Any]:
    """A dataclass as the page's script takes it."""
    return value.to_json() if isinstance(value, Chart) else asdict(value)


def shown_panels(panels: Sequence[Panel], frames: Sequence[Frame]) -> list[Panel]:
    """Those of which at least one frame has the picture."""
    kinds = {kind for frame in frames for kind in frame.pictures}
    return [panel for panel in panels if kinds.intersection((panel.layer or panel.base).split())]


def axis(run: RunFolder, summary: Summary, charts: Sequence[Chart]) -> Axis:
    """From the run's first mask to its last one, its last diagnostics, or the end of the last bar."""
    timeline = Timeline(run)
    if not timeline.is_recording:
        return Axis(recording=False, start=0.5, end=run.masks[-1].stamp_ns + 1.5)
    stamps = [mask.stamp_ns for mask in run.masks[-1:]]
    stamps += [stamp for stamp, _ in timed_diagnostics(run, summary)]
    ends = [timeline.position(stamp) for stamp in stamps]
    ends += [chart.spans[-1].end for chart in charts if isinstance(chart, BarsChart) and chart.spans]
    end = max(ends, default=0.0)
    return Axis(recording=True, start=0.0, end=math.ceil(10 * end) / 10 or 0.1)


def tiles(summary: Summary) -> list[Tile]:
    """The numbers that matter first."""
    latency = summary.latency_ms
    median, p95 = number(latency.p50, 0), f"p95 {number(latency.p95, 0)} ms"
    if summary.evaluation:
        timed = f"{p95}, {plural(summary.masks, 'image')}"
        return [*_score_tiles(summary), Tile("latency, median", median, "ms", timed)]
    surplus, lost = summary.dropped.surplus, summary.dropped.lost
    if any(lost.values()):
        more = f"mostly {words(max(lost, key=lambda cause: lost[cause]))}"
    else:
        more = f"besides {surplus} surplus" if surplus else "nothing was lost"
    possible = summary.possible_hz
    rate = "as received" if possible is None else f"{number(possible)} Hz if always busy"
    found = sum(1 for counts in summary.classes.values() if counts.detections)
    return [
        Tile("masks", number(summary.masks), "", f"of {number(summary.pairs)} pairs"),
        Tile("masks a second", number(summary.masks_hz), "Hz", rate),
        Tile("latency, median", median, "ms", p95),
        Tile("dropped", number(sum(lost.values())), "", more),
        Tile("detections", number(summary.detections), "", f"of {plural(found, 'class')}" if found else ""),
        *_score_tiles(summary),
    ]


def _score_tiles(summary: Summary) -> list[Tile]:
    labelled = summary.labelled
    if labelled is None:
        return []
    whole = Tile("mean IoU", number(labelled.scores.miou, 3), "", f"on {plural(labelled.count, 'label')}")
    parts = [
        Tile(f"mean IoU, {subset}", number(part.miou, 3), "", f"on {plural(part.images, 'image')}")
        for subset, part in _subsets(summary).items()
    ]
    return [whole, *parts]


def class_rows(run: RunFolder, summary: Summary) -> list[ClassRow]:
    """Rows of the table of classes."""
    colors = colors_of(run.class_names)
    iou, acc = (summary.scores.iou, summary.scores.acc) if summary.scores else ({}, {})
    return [
        ClassRow(
            name,
            colors.get(name, BLACK),
            counts.pixel_share,
            counts.detections,
            iou.get(name),
            acc.get(name),
            [part.iou.get(name) for part in _subsets(summary).values()],
        )
        for name, counts in summary.classes.items()
    ]


def _subsets(summary: Summary) -> Mapping[str, SubsetScores]:
    """Of a data set the scores by day and night, where there are such images."""
    subsets = summary.evaluation.scores.subsets if summary.evaluation else {}
    return {name: part for name, part in subsets.items() if part is not None}
