"""The numbers of two runs beside each other: what differs, and whether that is better or worse."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rgbt_seg_ros.report_page.format import number, percent, plural, words


@dataclass(frozen=True)
class Row:
    """One number of both runs: texts, their difference, and whether that is `better`, `worse` or neither."""

    title: str
    a: str
    b: str
    difference: str
    judgement: str = ""


def headline(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any], same: float | None) -> list[str]:
    """The result in a few short sentences, the first of them the most important."""
    sentences = [
        *_mask_sentences(summary_a, summary_b),
        *_score_sentences(summary_a, summary_b),
        *_latency_sentences(summary_a, summary_b),
    ]
    if same is not None:
        # Never rounded up to all of them.
        share = "All" if same == 1.0 else f"{percent(min(same, 0.999))} of the"
        sentences.append(f"{share} pixels have the same class.")
    if recordings_differ(summary_a, summary_b):
        names = f"{summary_a['recording']} and {summary_b['recording']}"
        sentences.append(f"The recordings have different names, {names}: do these frames show the same?")
    return sentences or ["Neither times nor classes can be compared."]


def recordings_differ(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]) -> bool:
    """Whether the runs name two recordings; frames of the same stamps need not be the same images then."""
    names = summary_a.get("recording"), summary_b.get("recording")
    return None not in names and names[0] != names[1]


def _mask_sentences(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]) -> list[str]:
    masks_a, masks_b = summary_a["masks"], summary_b["masks"]
    # Of a data set the masks are those on the page.
    if masks_a == masks_b or "split" in summary_a or "split" in summary_b:
        return []
    return [f"B made {plural(masks_b, 'mask')}, A {masks_a}."]


def _score_sentences(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]) -> list[str]:
    miou_a, miou_b = summary_a.get("miou"), summary_b.get("miou")
    if miou_a is None or miou_b is None:
        return []
    texts = number(miou_a, 3), number(miou_b, 3)
    if texts[0] == texts[1]:
        return [f"Both have mIoU {texts[0]}."]
    return [f"B's mIoU of {texts[1]} is {'better' if miou_b > miou_a else 'worse'} than A's {texts[0]}."]


def _latency_sentences(summary_a: Mapping[str, Any], summary_b: Mapping[str, Any]) -> list[str]:
    p50_a, p50_b = summary_a["latency_ms"]["p50"], summary_b["latency_ms"]["p50"]
    if not p50_a or not p50_b:
        return []
    texts = number(p50_a, 0), number(p50_b, 0)
    rate_a, rate_b = summary_a.get("playback_rate"), summary_b.get("playback_rate")
    if rate_a != rate_b and rate_a is not None and rate_b is not None:
        # A pair waits longer for the image that decides it where the recording is played more slowly.
        return [
            f"B's median latency is {texts[1]} ms and A's {texts[0]} ms, which cannot be compared: "
            f"B was played at {rate_b:g} times the speed and A at {rate_a:g}."
        ]
    change = (p50_b - p50_a) / p50_a
    if abs(change) < 0.01:
        return [f"Both have a median latency of {texts[1]} ms."]
    sign = "+" if change > 0 else ""
    return [f"B's median latency is {texts[1]} ms, A's {texts[0]} ms ({sign}{percent(change, 0)})."]


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
        _row("masks a second, if always busy", *value("possible_hz"), 2, better=1),
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
