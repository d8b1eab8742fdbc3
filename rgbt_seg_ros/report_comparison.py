"""Two runs of the same images beside each other: their numbers with the differences, and their frames."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.report_charts import latency_chart, latency_histogram
from rgbt_seg_ros.report_format import number, percent, words
from rgbt_seg_ros.report_frames import (
    ERROR_COLOR,
    RGB,
    THERMAL,
    TRUTH,
    WORST_FRAMES,
    FrameFacts,
    Panel,
    Ranking,
    Timeline,
    boxes_for_page,
    camera_pictures,
    colors_of,
    evenly,
    layer,
    mask_pictures,
    within_bounds,
)
from rgbt_seg_ros.report_page import axis, chart_dicts, render
from rgbt_seg_ros.run_folder import MaskRecord, RunFolder

MOST_COMPARED = 400
"""Frames whose masks are compared; of more, evenly chosen ones."""

Run = tuple[RunFolder, Mapping[str, Any]]
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


@dataclass(frozen=True)
class Row:
    """One number of both runs: texts, their difference, and whether that is `better`, `worse` or neither."""

    title: str
    a: str
    b: str
    difference: str
    judgement: str = ""


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
    kinds = {kind for frame in frames for kind in frame["pictures"]}
    runs = {"A": run_a, "B": run_b}
    names = [run.path.resolve().name for run in runs.values()]
    if names[0] == names[1]:
        names = [str(run.path) for run in runs.values()]
    colors = colors_of(run_a.class_names)
    return render(
        "comparison.html",
        names=names,
        summaries=[summary_a, summary_b],
        sentences=headline(summary_a, summary_b, same),
        shared=len(shared),
        compared=len(known),
        rows=number_rows(summary_a, summary_b),
        stages=stage_rows(summary_a, summary_b),
        classes=[(colors.get(name, "#000000"), row) for name, row in class_rows(summary_a, summary_b)],
        has_iou="iou" in summary_a and "iou" in summary_b,
        panels=[panel for panel in PANELS if kinds.intersection((panel.layer or panel.base).split())],
        legend=[{"name": name, "color": color} for name, color in colors.items() if color != "#000000"],
        frames=frames,
        rankings=rankings,
        timeline=axis(run_a, summary_a),
        charts=chart_dicts(latency_chart(runs), latency_histogram(runs)),
    )


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
    """Those of the shared frames that one of the runs has pictures of."""
    pictured_a, pictured_b = set(run_a.pictured_stamps()), set(run_b.pictured_stamps())
    return {a: b for a, b in shared.items() if a in pictured_a or b in pictured_b}


def _identity(mask: MaskRecord) -> int | str:
    return mask.stamp_ns if mask.name is None else mask.name


def agreement_of(run_a: RunFolder, run_b: RunFolder, stamp_a: int, stamp_b: int) -> float | None:
    """Share of a frame's pixels that have the same class in both runs; None if sizes or classes differ."""
    mask_a, mask_b = run_a.mask_image(stamp_a), run_b.mask_image(stamp_b)
    if mask_a.shape != mask_b.shape or run_a.class_names != run_b.class_names:
        return None
    return float((mask_a == mask_b).mean())


def headline(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any], same: float | None) -> list[str]:
    """The result in a few short sentences, the first of them the most important."""
    sentences = []
    miou_a, miou_b = summary_a.get("miou"), summary_b.get("miou")
    if miou_a is not None and miou_b is not None:
        texts = number(miou_a, 3), number(miou_b, 3)
        change = "better than" if miou_b > miou_a else "worse than"
        sentences.append(
            f"Both have mIoU {texts[0]}."
            if texts[0] == texts[1]
            else f"B's mIoU of {texts[1]} is {change} A's {texts[0]}."
        )
    p50_a, p50_b = summary_a["latency_ms"]["p50"], summary_b["latency_ms"]["p50"]
    if p50_a and p50_b:
        speed = "faster" if p50_b < p50_a else "slower"
        change = abs(p50_b - p50_a) / p50_a
        sentences.append(
            f"B takes {number(p50_b, 0)} ms for a frame and A {number(p50_a, 0)} ms: {percent(change, 0)} {speed}."
            if change >= 0.01
            else f"Both take {number(p50_b, 0)} ms for a frame."
        )
    if same is not None:
        sentences.append(f"{percent(same)} of the pixels have the same class.")
    return sentences or ["Neither times nor classes can be compared."]


def number_rows(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]) -> list[Row]:
    """The numbers of both runs that say how well and how fast."""

    def value(*keys: str) -> tuple[Any, Any]:
        found = []
        for summary in (summary_a, summary_b):
            entry: Any = summary
            for key in keys:
                entry = entry.get(key) if isinstance(entry, Mapping) else None
            found.append(entry)
        return found[0], found[1]

    losses = [
        sum(count for cause, count in summary["dropped"].items() if cause != "surplus")
        for summary in (summary_a, summary_b)
    ]
    rows = [
        _row("mean IoU", *value("miou"), 3, better=1),
        _row("mean accuracy", *value("macc"), 3, better=1),
        *(
            _row(f"mean IoU, {part}", *value("subsets", part, "miou"), 3, better=1)
            for part in ("day", "night")
        ),
        _row("masks", *value("masks"), 0),
        _row("dropped", losses[0], losses[1], 0, better=-1),
        _row("masks a second", *value("masks_hz"), 2, better=1),
        *(_row(f"latency {p}, ms", *value("latency_ms", p), 1, better=-1) for p in ("p50", "p95", "p99")),
        _row("skew p50, ms", *value("skew_ms", "p50"), 1),
        _row("detections", *value("detections"), 0),
        _row("confidence", *value("confidence"), 3),
    ]
    return [row for row in rows if row is not None]


def stage_rows(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]) -> list[Row]:
    """Medians of the stages that both runs have measured."""
    stages_a, stages_b = summary_a["stages_ms"], summary_b["stages_ms"]
    rows = [
        _row(words(stage), times.get("p50"), stages_b[stage].get("p50"), 1, better=-1)
        for stage, times in stages_a.items()
        if stage in stages_b
    ]
    return [row for row in rows if row is not None]


def class_rows(
    summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]
) -> list[tuple[str, dict[str, Row | None]]]:
    """(class, {iou, pixels, detections}) of the classes that both runs know."""
    classes_a, classes_b = summary_a["classes"], summary_b["classes"]
    iou_a, iou_b = summary_a.get("iou", {}), summary_b.get("iou", {})
    return [
        (
            name,
            {
                "iou": _row(words(name), iou_a.get(name), iou_b.get(name), 3, better=1),
                "pixels": _row(
                    words(name), 100 * counts["pixel_share"], 100 * classes_b[name]["pixel_share"], 2
                ),
                "detections": _row(words(name), counts["detections"], classes_b[name]["detections"], 0),
            },
        )
        for name, counts in classes_a.items()
        if name in classes_b
    ]


def _row(title: str, a: float | None, b: float | None, digits: int, better: int = 0) -> Row | None:
    """A row; `better` tells whether more (1) or less (-1) is, or neither (0). None where neither run has it."""
    if a is None and b is None:
        return None
    texts = number(a, digits), number(b, digits)
    if a is None or b is None:
        return Row(title, *texts, "–")
    if texts[0] == texts[1]:
        return Row(title, *texts, "0")
    change = round(b - a, digits) if digits else b - a
    judgement = ("better" if change * better > 0 else "worse") if better else ""
    return Row(title, *texts, ("+" if change > 0 else "") + number(change, digits), judgement)


def _rankings(
    a: Run, b: Run, shared: Mapping[int, int], agreement: Mapping[int, float | None]
) -> list[Ranking]:
    """The frames in which the runs differ most: in pixels, in IoU where there are labels, in latency."""
    (run_a, summary_a), (run_b, summary_b) = a, b
    latency_a = {mask.stamp_ns: mask.latency_ms for mask in run_a.masks}
    latency_b = {mask.stamp_ns: mask.latency_ms for mask in run_b.masks}
    score_a, score_b = summary_a.get("frame_miou", {}), summary_b.get("frame_miou", {})
    differing = {stamp: None if share is None else 1.0 - share for stamp, share in agreement.items()}
    lost = {
        stamp: _minus(score_a.get(str(stamp)), score_b.get(str(other))) for stamp, other in shared.items()
    }
    slower = {stamp: _minus(latency_b[other], latency_a[stamp]) for stamp, other in shared.items()}
    rankings = [
        _ranking("Most different", differing, lambda value: f"{percent(value)} of the pixels"),
        _ranking("B loses most", lost, lambda value: f"mIoU {number(-value, 2)}"),
        _ranking("B gains most", _negated(lost), lambda value: f"mIoU +{number(value, 2)}"),
        _ranking("B is slower", slower, lambda value: f"+{number(value, 0)} ms"),
    ]
    return [ranking for ranking in rankings if ranking.frames]


def _ranking(title: str, values: Mapping[int, float | None], text: Callable[[float], str]) -> Ranking:
    """The frames of the largest values above 0."""
    known = sorted(((value, stamp) for stamp, value in values.items() if value), reverse=True)
    return Ranking(title, tuple((stamp, text(value)) for value, stamp in known[:WORST_FRAMES] if value > 0))


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _negated(values: Mapping[int, float | None]) -> dict[int, float | None]:
    return {stamp: None if value is None else -value for stamp, value in values.items()}


def _frames(a: Run, b: Run, shared: Mapping[int, int], rankings: list[Ranking]) -> list[dict[str, Any]]:
    """The frames of both runs: evenly chosen ones and those in which they differ most."""
    (run_a, summary_a), (run_b, summary_b) = a, b
    masks_a = {mask.stamp_ns: mask for mask in run_a.masks}
    masks_b = {mask.stamp_ns: mask for mask in run_b.masks}
    facts_a, facts_b = FrameFacts(run_a, summary_a), FrameFacts(run_b, summary_b)
    timeline = Timeline(run_a.masks)

    def frame(stamp: int) -> dict[str, Any]:
        other = shared[stamp]
        first, second = dict(facts_a.of(masks_a[stamp])), dict(facts_b.of(masks_b[other]))
        height, width = run_a.mask_image(stamp).shape
        return {
            "stamp": str(stamp),
            "title": timeline.title(stamp),
            "position": timeline.position(stamp),
            "size": [width, height],
            "facts": [[what, first.get(what, "–"), second.get(what, "–")] for what in {**first, **second}],
            "boxes": {
                "a_boxes": boxes_for_page(run_a.detections.get(stamp, ()), run_a.class_names),
                "b_boxes": boxes_for_page(run_b.detections.get(other, ()), run_b.class_names),
            },
            "pictures": _pictures(run_a, run_b, stamp, other),
        }

    worst = {stamp for ranking in rankings for stamp, _ in ranking.frames}
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
