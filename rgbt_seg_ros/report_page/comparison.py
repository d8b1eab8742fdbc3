"""Two runs of the same images beside each other: their numbers with the differences, and their frames."""

from collections.abc import Mapping

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.report_page.chart_kinds import PointsChart
from rgbt_seg_ros.report_page.charts import latency_chart, latency_histogram
from rgbt_seg_ros.report_page.differences import (
    class_differences,
    headline,
    number_differences,
    recordings_differ,
    stage_differences,
)
from rgbt_seg_ros.report_page.format import number, percent
from rgbt_seg_ros.report_page.frames import (
    RGB,
    THERMAL,
    TRUTH,
    ComparedFact,
    Frame,
    Panel,
    Ranking,
    Timeline,
    evenly,
    facts_of,
    make_frame,
    rank,
    within_bounds,
)
from rgbt_seg_ros.report_page.page import LegendEntry, axis, render, shown_panels
from rgbt_seg_ros.report_page.pictures import (
    BLACK,
    ERROR_COLOR,
    boxes_for_page,
    camera_pictures,
    colors_of,
    layer,
    mask_pictures,
)
from rgbt_seg_ros.runs.folder import MaskRecord, RunFolder
from rgbt_seg_ros.runs.summary import Summary

MOST_COMPARED = 400
"""Frames whose masks are compared; of more, evenly chosen ones."""

Run = tuple[RunFolder, Summary]
PANELS = [
    RGB,
    THERMAL,
    Panel("A: classes", "rgb thermal", "a_mask", "a_boxes"),
    Panel("B: classes", "rgb thermal", "b_mask", "b_boxes"),
    Panel("A: confidence", "a_confidence"),
    Panel("B: confidence", "b_confidence"),
    Panel("where they differ", "rgb thermal", "difference"),
    TRUTH,
]


def render_comparison(a: Run, b: Run) -> str:
    """The page as text.

    Raises:
        UserError: the runs have no frame in common.
    """
    (run_a, summary_a), (run_b, summary_b) = a, b
    shared = shared_frames(run_a, run_b)
    pictured = pictured_frames(run_a, run_b, shared)
    compared = evenly(sorted(pictured), MOST_COMPARED)
    agreement = {stamp: agreement_of(run_a, run_b, stamp, shared[stamp]) for stamp in compared}
    known = [share for share in agreement.values() if share is not None]
    same = float(np.mean(known)) if known else None
    rankings = _rankings(a, b, pictured, agreement)
    frames = _frames(a, b, pictured, rankings)
    runs = {"A": run_a, "B": run_b}
    names = [run.path.resolve().name for run in runs.values()]
    if names[0] == names[1]:
        names = [str(run.path) for run in runs.values()]
    colors = {**colors_of(run_b.class_names), **colors_of(run_a.class_names)}
    charts = _latency_chart(run_a, run_b, shared), latency_histogram(runs)
    return render(
        "comparison.html",
        names=names,
        summaries=[summary_a, summary_b],
        sentences=[*headline(summary_a, summary_b, same), *_what_is_missing(runs)],
        shared=len(shared),
        one_recording=not recordings_differ(summary_a, summary_b),
        compared=len(known),
        numbers=number_differences(summary_a, summary_b),
        stages=stage_differences(summary_a, summary_b),
        classes=class_differences(summary_a, summary_b, run_a.class_names),
        has_iou=summary_a.scores is not None and summary_b.scores is not None,
        panels=shown_panels(PANELS, frames),
        legend=[LegendEntry(name, color) for name, color in colors.items() if color != BLACK],
        frames=frames,
        rankings=rankings,
        layer_classes={
            "a_mask": run_a.class_names,
            "b_mask": run_b.class_names,
            TRUTH.layer: run_a.class_names,
        },
        timeline=axis(run_a, summary_a, ()),
        charts=[chart for chart in charts if chart is not None],
    )


def _what_is_missing(runs: Mapping[str, RunFolder]) -> list[str]:
    """A sentence for each note on the runs, by letter."""
    return [f"{letter}: {note}." for letter, run in runs.items() for note in run.notes]


def shared_frames(run_a: RunFolder, run_b: RunFolder) -> dict[int, int]:
    """Stamps in the second run by the stamps in the first of the frames that both have, by stamp or by name.

    Raises:
        UserError: there is none.
    """
    stamps_b = {_identity(mask): mask.stamp_ns for mask in run_b.masks}
    pairs = [(mask.stamp_ns, stamps_b.get(_identity(mask))) for mask in run_a.masks]
    shared = {stamp_a: stamp_b for stamp_a, stamp_b in pairs if stamp_b is not None}
    if not shared:
        raise UserError(
            f"{run_a.path} and {run_b.path} share no stamp: compare two runs of the same recording or data set"
        )
    return shared


def pictured_frames(run_a: RunFolder, run_b: RunFolder, shared: Mapping[int, int]) -> dict[int, int]:
    """Those of the shared frames that one of the runs has pictures of, and both have the masks of."""
    pictured_a, pictured_b = set(run_a.pictured_stamps()), set(run_b.pictured_stamps())
    return {
        a: b
        for a, b in shared.items()
        if (a in pictured_a or b in pictured_b) and a not in run_a.lost and b not in run_b.lost
    }


def _identity(mask: MaskRecord) -> int | str:
    return mask.stamp_ns if mask.name is None else mask.name


def agreement_of(run_a: RunFolder, run_b: RunFolder, stamp_a: int, stamp_b: int) -> float | None:
    """Share of a frame's pixels that have the same class in both runs; None if sizes or classes differ."""
    mask_a, mask_b = run_a.mask_image(stamp_a), run_b.mask_image(stamp_b)
    if mask_a.shape != mask_b.shape or run_a.class_names != run_b.class_names:
        return None
    return float((mask_a == mask_b).mean())


def _latency_chart(run_a: RunFolder, run_b: RunFolder, shared: Mapping[int, int]) -> PointsChart | None:
    """Latencies of the shared frames, both at the first run's places: the axis is its."""
    latency_a = {mask.stamp_ns: mask.latency_ms for mask in run_a.masks}
    latency_b = {mask.stamp_ns: mask.latency_ms for mask in run_b.masks}
    latencies = {
        "A": {stamp: latency_a[stamp] for stamp in shared},
        "B": {stamp: latency_b[other] for stamp, other in shared.items()},
    }
    return latency_chart(Timeline(run_a), latencies, f"Latency of the {len(shared)} common frames")


def _rankings(
    a: Run, b: Run, shared: Mapping[int, int], agreement: Mapping[int, float | None]
) -> list[Ranking]:
    """The frames in which the runs differ most: in pixels, in IoU where there are labels, in latency."""
    (run_a, summary_a), (run_b, summary_b) = a, b
    latency_a = {mask.stamp_ns: mask.latency_ms for mask in run_a.masks}
    latency_b = {mask.stamp_ns: mask.latency_ms for mask in run_b.masks}
    miou_a, miou_b = (
        summary.labelled.frame_miou if summary.labelled else {} for summary in (summary_a, summary_b)
    )
    gains = {stamp: _minus(miou_b.get(b), miou_a.get(stamp)) for stamp, b in shared.items()}
    delays = {stamp: _minus(latency_b[b], latency_a[stamp]) for stamp, b in shared.items()}
    timeline = Timeline(run_a)
    known = [delay for delay in delays.values() if delay is not None]
    rankings = [
        rank(
            "Most different",
            {stamp: 1.0 - share for stamp, share in agreement.items() if share is not None and share < 1.0},
            lambda value: f"{percent(value)} of the pixels",
            timeline,
        ),
        rank(
            "B loses most", _below(gains), lambda value: f"mIoU {number(value, 2)}", timeline, largest=False
        ),
        rank("B gains most", _above(gains), lambda value: f"mIoU +{number(value, 2)}", timeline),
        rank("B is faster", _below(delays), lambda value: f"{number(value, 0)} ms", timeline, largest=False)
        if known and np.median(known) < 0
        else rank("B is slower", _above(delays), lambda value: f"+{number(value, 0)} ms", timeline),
    ]
    return [ranking for ranking in rankings if ranking.frames]


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _above(values: Mapping[int, float | None]) -> dict[int, float]:
    return {stamp: value for stamp, value in values.items() if value is not None and value > 0}


def _below(values: Mapping[int, float | None]) -> dict[int, float]:
    return {stamp: value for stamp, value in values.items() if value is not None and value < 0}


def _frames(a: Run, b: Run, shared: Mapping[int, int], rankings: list[Ranking]) -> list[Frame]:
    """The frames of both runs: evenly chosen ones and those in which they differ most."""
    (run_a, summary_a), (run_b, summary_b) = a, b
    masks_a = {mask.stamp_ns: mask for mask in run_a.masks}
    masks_b = {mask.stamp_ns: mask for mask in run_b.masks}
    timeline = Timeline(run_a)

    def frame(stamp: int) -> Frame:
        other = shared[stamp]
        a = dict(facts_of(run_a, summary_a, masks_a[stamp]))
        b = dict(facts_of(run_b, summary_b, masks_b[other]))
        facts = [ComparedFact(what, a.get(what, "–"), b.get(what, "–")) for what in {**a, **b}]
        boxes = {
            "a_boxes": boxes_for_page(run_a.detections.get(stamp, ()), run_a.class_names),
            "b_boxes": boxes_for_page(run_b.detections.get(other, ()), run_b.class_names),
        }
        return make_frame(run_a, timeline, stamp, facts, boxes, _pictures(run_a, run_b, stamp, other))

    worst = {ranked.stamp for ranking in rankings for ranked in ranking.frames}
    return within_bounds(sorted(shared), worst, frame)


def _pictures(run_a: RunFolder, run_b: RunFolder, stamp_a: int, stamp_b: int) -> dict[str, str]:
    a = {**camera_pictures(run_a, stamp_a), **mask_pictures(run_a, stamp_a)}
    b = {**camera_pictures(run_b, stamp_b), **mask_pictures(run_b, stamp_b)}
    pictures: dict[str, str] = {
        kind: {**b, **a}[kind] for kind in ("rgb", "thermal", "truth") if kind in a or kind in b
    }
    for letter, own in (("a", a), ("b", b)):
        pictures |= {f"{letter}_{kind}": own[kind] for kind in ("mask", "confidence") if kind in own}
    mask_a, mask_b = run_a.mask_image(stamp_a), run_b.mask_image(stamp_b)
    if mask_a.shape == mask_b.shape and run_a.class_names == run_b.class_names:
        different = (mask_a != mask_b).astype(np.uint8)
        pictures["difference"] = layer(different, np.array([(0, 0, 0), ERROR_COLOR]))
    return pictures
