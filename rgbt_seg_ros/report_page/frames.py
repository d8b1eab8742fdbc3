"""The frames of a report: which of a run's are in it, with their pictures and what is known of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rgbt_seg_ros.report_page.format import number, percent, plural, words
from rgbt_seg_ros.report_page.pictures import PageBox, boxes_for_page, camera_pictures, mask_pictures
from rgbt_seg_ros.runs.folder import Box, MaskRecord, RunFolder
from rgbt_seg_ros.runs.summary import Summary

MAX_FRAMES = 120
MAX_PICTURE_BYTES = 4_800_000
"""Of all pictures of a page together; base64 makes them a third larger, and a page has 7 MB at most."""

RANKED_FRAMES = 4
TOLD_CLASSES = 8
"""Classes whose detections are told of a frame one by one."""

APART_S = 0.5
"""Ranked frames closer than this show the same; only the first of them is listed [s]."""


@dataclass(frozen=True)
class Panel:
    """One picture beside others, the same for all frames.

    Attributes:
        title: what it shows.
        base: kinds of picture, the first that a frame has is shown.
        layer: kind of the transparent picture over it; empty: none.
        boxes: kind of the detections over it; empty: none.
    """

    title: str
    base: str
    layer: str = ""
    boxes: str = ""


RGB, THERMAL, CONFIDENCE = (
    Panel("RGB", "rgb"),
    Panel("thermal", "thermal"),
    Panel("confidence", "confidence"),
)
MASK = Panel("classes", "rgb thermal", "mask", "boxes")
TRUTH, ERRORS = Panel("label", "rgb thermal", "truth"), Panel("errors", "rgb thermal", "errors")


class RankedFrame(NamedTuple):
    """A frame's stamp [ns], its value for people, and its time or name."""

    stamp: int
    text: str
    title: str


@dataclass(frozen=True)
class Ranking:
    """The worst or the best frames in one respect, these first."""

    title: str
    frames: tuple[RankedFrame, ...]


class Fact(NamedTuple):
    """Something known of a frame, in words."""

    what: str
    value: str


class ComparedFact(NamedTuple):
    """The same of a frame of two runs."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Frame:
    """A frame as the page's script takes it.

    Attributes:
        stamp: nanoseconds; as a text, as JavaScript's numbers are too short for it.
        title: its time or name.
        position: on the axis of the charts.
        size: width and height of its mask [pixels].
        facts: what is told of it.
        boxes: detections by the `boxes` of their `Panel`.
        pictures: data addresses by kind.
    """

    stamp: str
    title: str
    position: float
    size: tuple[int, int]
    facts: Sequence[Fact] | Sequence[ComparedFact]
    boxes: Mapping[str, Sequence[PageBox]]
    pictures: Mapping[str, str]

    @property
    def picture_bytes(self) -> int:
        """Of all its pictures; base64 makes them a third larger."""
        return sum(len(address) * 3 // 4 for address in self.pictures.values())


class Timeline:
    """Where a run's frames are on the axis of its charts: seconds since the first mask, or places in a data set.

    Without any mask they are seconds since the first report of the node.
    """

    def __init__(self, run: RunFolder) -> None:
        reports = [status.stamp_ns for status in run.diagnostics if status.stamp_ns is not None]
        self._first_ns = run.masks[0].stamp_ns if run.masks else min(reports, default=0)
        self._names = {mask.stamp_ns: mask.name for mask in run.masks if mask.name is not None}

    @property
    def is_recording(self) -> bool:
        """Whether the frames have times; a data set's have names."""
        return not self._names

    def position(self, stamp_ns: int) -> float:
        """On the axis."""
        return round((stamp_ns - self._first_ns) / 1e9, 4) if self.is_recording else stamp_ns + 1.0

    def title(self, stamp_ns: int) -> str:
        """A frame's time, or its name."""
        if self.is_recording:
            return f"{self.position(stamp_ns):.2f} s"
        return self._names.get(stamp_ns, str(stamp_ns))


def frames_of(run: RunFolder, summary: Summary, rankings: Sequence[Ranking]) -> list[Frame]:
    """The frames of a page: evenly chosen and ranked ones, as many as `MAX_FRAMES` and `MAX_PICTURE_BYTES` let.

    Args:
        run: where the pictures are.
        summary: of the run.
        rankings: see `ranked_frames`.
    """
    masks = {mask.stamp_ns: mask for mask in run.masks}
    stamps = [stamp for stamp in run.pictured_stamps() if stamp in masks]
    ranked = {frame.stamp for ranking in rankings for frame in ranking.frames}
    timeline = Timeline(run)

    def frame(stamp: int) -> Frame:
        boxes = boxes_for_page(run.detections.get(stamp, ()), run.class_names)
        pictures = {**camera_pictures(run, stamp), **mask_pictures(run, stamp)}
        return make_frame(
            run, timeline, stamp, facts_of(run, summary, masks[stamp]), {MASK.boxes: boxes}, pictures
        )

    return within_bounds(stamps, ranked, frame)


def make_frame(
    run: RunFolder,
    timeline: Timeline,
    stamp: int,
    facts: Sequence[Fact] | Sequence[ComparedFact],
    boxes: Mapping[str, Sequence[PageBox]],
    pictures: Mapping[str, str],
) -> Frame:
    """A frame at its place on the axis and of the size of its mask; the other arguments as in `Frame`."""
    height, width = run.mask_image(stamp).shape
    title, position = timeline.title(stamp), timeline.position(stamp)
    return Frame(str(stamp), title, position, (width, height), facts, boxes, pictures)


def within_bounds(stamps: Sequence[int], wanted: set[int], frame: Callable[[int], Frame]) -> list[Frame]:
    """Frames of all stamps, or of fewer, evenly chosen, until number and size of a page are kept; `wanted` go last.

    Args:
        stamps: in order.
        wanted: those of them that are worth more than the others.
        frame: makes one.
    """
    made: dict[int, Frame] = {}
    most = MAX_FRAMES
    chosen = sorted(wanted.union(evenly(stamps, most)))
    while True:
        made |= {stamp: frame(stamp) for stamp in chosen if stamp not in made}
        size = sum(made[stamp].picture_bytes for stamp in chosen)
        if size <= MAX_PICTURE_BYTES or len(chosen) <= 1:
            return [made[stamp] for stamp in chosen]
        if most > 1:
            most = max(min(most - 1, int(0.95 * most * MAX_PICTURE_BYTES / size)), 1)
            chosen = sorted(wanted.union(evenly(stamps, most)))
        else:
            chosen = evenly(chosen, max(min(len(chosen) - 1, int(len(chosen) * MAX_PICTURE_BYTES / size)), 1))


def evenly(stamps: Sequence[int], most: int) -> list[int]:
    """At most so many of them, the first and the last among them."""
    if len(stamps) <= most:
        return list(stamps)
    return [stamps[round(place)] for place in np.linspace(0, len(stamps) - 1, most)]


def ranked_frames(run: RunFolder, summary: Summary) -> list[Ranking]:
    """The worst and the best frames by IoU, where there are labels, by confidence and by latency.

    Of frames with pictures and a mask; what is not known of any frame has no ranking, and the best are none of the
    worst.
    """
    # Pictures and confidence also come of frames whose mask was lost on its way.
    pictured = set(run.pictured_stamps()).intersection(mask.stamp_ns for mask in run.masks)
    timeline = Timeline(run)
    frame_miou = summary.labelled.frame_miou if summary.labelled else {}
    latencies = {mask.stamp_ns: mask.latency_ms for mask in run.masks}

    def known(values: Mapping[int, float | None]) -> dict[int, float]:
        return {stamp: value for stamp, value in values.items() if value is not None and stamp in pictured}

    measures = (
        ("Lowest IoU", "Highest IoU", known(frame_miou), lambda value: f"mIoU {number(value, 2)}", False),
        (
            "Least confident",
            "Most confident",
            known({**run.confidence}),
            lambda value: f"{percent(value)} on average",
            False,
        ),
        ("Slowest", "Fastest", known(latencies), lambda value: f"{number(value, 0)} ms", True),
    )
    rankings = []
    for worst_title, best_title, values, text, largest in measures:
        worst = rank(worst_title, values, text, timeline, largest)
        shown = {frame.stamp for frame in worst.frames}
        left = {stamp: value for stamp, value in values.items() if stamp not in shown}
        rankings += [worst, rank(best_title, left, text, timeline, not largest)]
    return [ranking for ranking in rankings if ranking.frames]


def rank(
    title: str,
    values: Mapping[int, float],
    text: Callable[[float], str],
    timeline: Timeline,
    largest: bool = True,
) -> Ranking:
    """The frames of the `RANKED_FRAMES` largest or smallest values by stamp, of those close together only one."""
    chosen: list[RankedFrame] = []
    for stamp in sorted(values, key=lambda stamp: (-values[stamp] if largest else values[stamp], stamp)):
        place = timeline.position(stamp)
        if all(abs(place - timeline.position(other.stamp)) >= APART_S for other in chosen):
            chosen.append(RankedFrame(stamp, text(values[stamp]), timeline.title(stamp)))
        if len(chosen) == RANKED_FRAMES:
            break
    return Ranking(title, tuple(chosen))


def facts_of(run: RunFolder, summary: Summary, mask: MaskRecord) -> list[Fact]:
    """What is known of one frame, for people."""
    stamp = mask.stamp_ns
    confidence = run.confidence.get(stamp)
    frame_miou = summary.labelled.frame_miou if summary.labelled else {}
    facts = {
        "latency": None if mask.latency_ms is None else f"{number(mask.latency_ms, 0)} ms",
        "thermal − RGB": None if mask.skew_ms is None else f"{number(mask.skew_ms)} ms",
        "confidence": None if confidence is None else percent(confidence),
        "mIoU": number(frame_miou[stamp], 2) if stamp in frame_miou else None,
        "detections": detections_text(run.detections.get(stamp, ())),
    }
    return [Fact(what, value) for what, value in facts.items() if value is not None]


def detections_text(boxes: Iterable[Box]) -> str:
    """``2 cars, 1 person``, or ``none``; of many classes those that have most, and how many objects the others have."""
    counts = Counter(box.class_name for box in boxes)
    told = counts.items() if len(counts) <= TOLD_CLASSES else counts.most_common(TOLD_CLASSES)
    texts = [plural(count, words(name)) for name, count in told]
    left = counts.total() - sum(count for _, count in told)
    if left:
        texts.append(f"{left} of other classes")
    return ", ".join(texts) or "none"
