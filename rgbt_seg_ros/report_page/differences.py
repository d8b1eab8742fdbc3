"""The numbers of two runs beside each other: what differs, and whether that is better or worse."""

from collections.abc import Sequence
from dataclasses import dataclass

from rgbt_seg_ros.base.diagnostics import PERCENTILES
from rgbt_seg_ros.masks.scores import Scores
from rgbt_seg_ros.report_page.format import number, percent, plural, words
from rgbt_seg_ros.report_page.pictures import BLACK, colors_of
from rgbt_seg_ros.runs.evaluation import SUBSETS, SplitScores, SubsetScores
from rgbt_seg_ros.runs.summary import Summary


@dataclass(frozen=True)
class Difference:
    """One number of both runs in words, its change from A to B, and whether that is `better`, `worse` or neither."""

    title: str
    a: str
    b: str
    change: str
    judgement: str = ""


@dataclass(frozen=True)
class ClassDifferences:
    """What differs in a class, with the overlay's colour as CSS; IoU only where a run has one."""

    color: str
    iou: Difference | None
    pixels: Difference
    detections: Difference


def headline(summary_a: Summary, summary_b: Summary, same: float | None) -> list[str]:
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
        names = f"{summary_a.recording} and {summary_b.recording}"
        sentences.append(f"The recordings have different names, {names}: do these frames show the same?")
    return sentences or ["Neither times nor classes can be compared."]


def recordings_differ(summary_a: Summary, summary_b: Summary) -> bool:
    """Whether the runs name two recordings; frames of the same stamps need not be the same images then."""
    names = summary_a.recording, summary_b.recording
    return None not in names and names[0] != names[1]


def _mask_sentences(summary_a: Summary, summary_b: Summary) -> list[str]:
    masks_a, masks_b = summary_a.masks, summary_b.masks
    # Of a data set the masks are those on the page.
    if masks_a == masks_b or summary_a.evaluation or summary_b.evaluation:
        return []
    return [f"B made {plural(masks_b, 'mask')}, A {masks_a}."]


def _score_sentences(summary_a: Summary, summary_b: Summary) -> list[str]:
    miou_a, miou_b = _miou(summary_a.scores), _miou(summary_b.scores)
    if miou_a is None or miou_b is None:
        return []
    texts = number(miou_a, 3), number(miou_b, 3)
    if texts[0] == texts[1]:
        return [f"Both have mIoU {texts[0]}."]
    return [f"B's mIoU of {texts[1]} is {'better' if miou_b > miou_a else 'worse'} than A's {texts[0]}."]


def _latency_sentences(summary_a: Summary, summary_b: Summary) -> list[str]:
    p50_a, p50_b = summary_a.latency_ms.p50, summary_b.latency_ms.p50
    if not p50_a or not p50_b:
        return []
    texts = number(p50_a, 0), number(p50_b, 0)
    rate_a, rate_b = summary_a.playback_rate, summary_b.playback_rate
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


def number_differences(summary_a: Summary, summary_b: Summary) -> list[Difference]:
    """The numbers of both runs that say how well and how fast."""
    a, b = summary_a, summary_b
    split_a, split_b = _split_scores(a), _split_scores(b)
    subsets = {name: (_subset(split_a, name), _subset(split_b, name)) for name in SUBSETS}
    latencies = {name: (getattr(a.latency_ms, name), getattr(b.latency_ms, name)) for name in PERCENTILES}
    lost_a, lost_b = sum(a.dropped.lost.values()), sum(b.dropped.lost.values())
    found = [
        _difference("mean IoU", _miou(a.scores), _miou(b.scores), 3, better=1),
        _difference("mean accuracy", _macc(split_a), _macc(split_b), 3, better=1),
        *(
            _difference(f"mean IoU, {name}", _miou(part_a), _miou(part_b), 3, better=1)
            for name, (part_a, part_b) in subsets.items()
        ),
        _difference("masks", a.masks, b.masks, 0),
        _difference("dropped", lost_a, lost_b, 0, better=-1),
        _difference("masks a second", a.masks_hz, b.masks_hz, 2, better=1),
        _difference("masks a second, if always busy", a.possible_hz, b.possible_hz, 2, better=1),
        *(_difference(f"latency {name}, ms", *values, 1, better=-1) for name, values in latencies.items()),
        _difference("skew p50, ms", a.skew_ms.p50, b.skew_ms.p50, 1),
        _difference("detections", a.detections, b.detections, 0),
        _difference("confidence", a.confidence, b.confidence, 3),
    ]
    return [difference for difference in found if difference is not None]


def _split_scores(summary: Summary) -> SplitScores | None:
    return summary.evaluation.scores if summary.evaluation else None


def _subset(scores: SplitScores | None, name: str) -> SubsetScores | None:
    return scores.subsets.get(name) if scores else None


def _miou(scores: Scores | None) -> float | None:
    return scores.miou if scores else None


def _macc(scores: Scores | None) -> float | None:
    return scores.macc if scores else None


def stage_differences(summary_a: Summary, summary_b: Summary) -> list[Difference]:
    """Medians of the stages that both runs have measured."""
    stages_a, stages_b = summary_a.stages_ms, summary_b.stages_ms
    found = [
        _difference(words(stage.value), times.p50, stages_b[stage].p50, 1, better=-1)
        for stage, times in stages_a.items()
        if stage in stages_b
    ]
    return [difference for difference in found if difference is not None]


def class_differences(
    summary_a: Summary, summary_b: Summary, class_names: Sequence[str]
) -> list[ClassDifferences]:
    """Of the classes that both runs know; `class_names` are the first run's in the order of their ids."""
    colors = colors_of(class_names)
    iou_a, iou_b = (summary.scores.iou if summary.scores else {} for summary in (summary_a, summary_b))
    found = []
    for name, a in summary_a.classes.items():
        b = summary_b.classes.get(name)
        if b is None:
            continue
        title = words(name)
        iou = _difference(title, iou_a.get(name), iou_b.get(name), 3, better=1)
        pixels = _known_difference(title, 100 * a.pixel_share, 100 * b.pixel_share, 2)
        detections = _known_difference(title, a.detections, b.detections, 0)
        found.append(ClassDifferences(colors.get(name, BLACK), iou, pixels, detections))
    return found


def _difference(
    title: str, a: float | None, b: float | None, digits: int, better: int = 0
) -> Difference | None:
    """As `_known_difference`; None where neither run has the number."""
    return None if a is None and b is None else _known_difference(title, a, b, digits, better)


def _known_difference(
    title: str, a: float | None, b: float | None, digits: int, better: int = 0
) -> Difference:
    """`better` tells whether more (1) or less (-1) is, or neither (0)."""
    texts = number(a, digits), number(b, digits)
    if a is None or b is None:
        return Difference(title, *texts, "–")
    if texts[0] == texts[1]:
        return Difference(title, *texts, "0")
    change = round(b - a, digits) if digits else b - a
    judgement = ("better" if change * better > 0 else "worse") if better else ""
    return Difference(title, *texts, ("+" if change > 0 else "") + number(change, digits), judgement)
