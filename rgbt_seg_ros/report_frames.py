"""The frames of a report: which of a run's are in it, and their pictures and facts as the page's script takes them."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from rgbt_seg_ros.classes import UNLABELED, palette_for
from rgbt_seg_ros.report_format import number, percent, plural, words
from rgbt_seg_ros.run_folder import PICTURE_KINDS, Box, MaskRecord, RunFolder, picture_path
from rgbt_seg_ros.run_writer import PICTURE_WIDTH

MAX_FRAMES = 120
MAX_PICTURE_BYTES = 5_000_000
"""Of all pictures of a page together; base64 makes them a third larger."""

WORST_FRAMES = 4
APART_S = 0.5
"""Worst frames closer than this show the same; only the worst of them is listed [s]."""

ERROR_COLOR = (255, 48, 48)


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


@dataclass(frozen=True)
class Ranking:
    """The worst frames in one respect: stamps, worst first, each with its value for people."""

    title: str
    frames: tuple[tuple[int, str], ...]


class Timeline:
    """Where a run's frames are on the axis of its charts: seconds since the first mask, or places in a data set."""

    def __init__(self, masks: Sequence[MaskRecord]) -> None:
        self._first_ns = masks[0].stamp_ns if masks else 0
        self._names = {mask.stamp_ns: mask.name for mask in masks if mask.name is not None}

    @property
    def is_recording(self) -> bool:
        """Whether the frames have times; a data set's have names."""
        return not self._names

    def position(self, stamp_ns: int) -> float:
        """On the axis."""
        return round((stamp_ns - self._first_ns) / 1e9, 4) if self.is_recording else stamp_ns + 1.0

    def title(self, stamp_ns: int) -> str:
        """A frame's time, or its name."""
        return f"{self.position(stamp_ns):.2f} s" if self.is_recording else str(self._names[stamp_ns])


def frames_of(
    run: RunFolder, summary: Mapping[str, Any], rankings: Sequence[Ranking]
) -> list[dict[str, Any]]:
    """The frames of a page: evenly chosen ones and the worst, as many as `MAX_FRAMES` and `MAX_PICTURE_BYTES` let.

    Args:
        run: where the pictures are.
        summary: as `rgbt_seg_ros.summary.summarize` makes it.
        rankings: see `worst_frames`.
    """
    masks = {mask.stamp_ns: mask for mask in run.masks}
    stamps = [stamp for stamp in run.pictured_stamps() if stamp in masks]
    worst = {stamp for ranking in rankings for stamp, _ in ranking.frames}
    timeline = Timeline(run.masks)
    facts = FrameFacts(run, summary)

    def frame(stamp: int) -> dict[str, Any]:
        height, width = run.mask_image(stamp).shape
        return {
            "stamp": str(stamp),
            "title": timeline.title(stamp),
            "position": timeline.position(stamp),
            "size": [width, height],
            "facts": facts.of(masks[stamp]),
            "boxes": {"boxes": boxes_for_page(run.detections.get(stamp, ()), run.class_names)},
            "pictures": {**camera_pictures(run, stamp), **mask_pictures(run, stamp)},
        }

    return within_bounds(stamps, worst, frame)


def within_bounds(
    stamps: Sequence[int], wanted: set[int], frame: Callable[[int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Frames of all stamps, or of fewer, evenly chosen, until number and size of a page are kept; `wanted` in any case.

    Args:
        stamps: in order.
        wanted: those of them that must be there.
        frame: makes one, with `pictures`.
    """
    made: dict[int, dict[str, Any]] = {}
    most = MAX_FRAMES
    while True:
        chosen = sorted(wanted.union(evenly(stamps, most)))
        made |= {stamp: frame(stamp) for stamp in chosen if stamp not in made}
        size = sum(_size(made[stamp]["pictures"]) for stamp in chosen)
        if size <= MAX_PICTURE_BYTES or most <= 1:
            return [made[stamp] for stamp in chosen]
        most = min(most - 1, int(0.95 * most * MAX_PICTURE_BYTES / size))


def evenly(stamps: Sequence[int], most: int) -> list[int]:
    """At most so many of them, the first and the last among them."""
    if len(stamps) <= most:
        return list(stamps)
    return [stamps[round(place)] for place in np.linspace(0, len(stamps) - 1, most)]


def worst_frames(run: RunFolder, summary: Mapping[str, Any]) -> list[Ranking]:
    """The slowest frames, the least confident ones, and those of the lowest IoU where there are labels.

    Of frames with pictures; what is not known of any frame has no ranking.
    """
    pictured = set(run.pictured_stamps())
    timeline = Timeline(run.masks)
    scores = {int(stamp): score for stamp, score in summary.get("frame_miou", {}).items()}
    latencies = {mask.stamp_ns: mask.latency_ms for mask in run.masks}

    def ranking(
        title: str, values: Mapping[int, float | None], text: Callable[[float], str], largest: bool = False
    ) -> Ranking:
        known = [(value, stamp) for stamp, value in values.items() if value is not None and stamp in pictured]
        known.sort(key=lambda entry: (-entry[0] if largest else entry[0], entry[1]))
        chosen: list[tuple[int, str]] = []
        for value, stamp in known:
            place = timeline.position(stamp)
            far = all(abs(place - timeline.position(other)) >= APART_S for other, _ in chosen)
            if far and len(chosen) < WORST_FRAMES:
                chosen.append((stamp, text(value)))
        return Ranking(title, tuple(chosen))

    rankings = [
        ranking("Lowest IoU", scores, lambda value: f"mIoU {number(value, 2)}"),
        ranking("Least confident", run.confidence, lambda value: f"{percent(value)} on average"),
        ranking("Slowest", latencies, lambda value: f"{number(value, 0)} ms", largest=True),
    ]
    return [entry for entry in rankings if entry.frames]


class FrameFacts:
    """What is known of single frames, for people."""

    def __init__(self, run: RunFolder, summary: Mapping[str, Any]) -> None:
        self._run = run
        self._scores = summary.get("frame_miou", {})

    def of(self, mask: MaskRecord) -> list[list[str]]:
        """[[what, value], ...] of one frame."""
        stamp = mask.stamp_ns
        confidence = self._run.confidence.get(stamp)
        facts = {
            "latency": None if mask.latency_ms is None else f"{number(mask.latency_ms, 0)} ms",
            "thermal − RGB": None if mask.skew_ms is None else f"{number(mask.skew_ms)} ms",
            "confidence": None if confidence is None else percent(confidence),
            "mIoU": number(self._scores[str(stamp)], 2) if str(stamp) in self._scores else None,
            "detections": detections_text(self._run.detections.get(stamp, ())),
        }
        return [[what, value] for what, value in facts.items() if value is not None]


def detections_text(boxes: Iterable[Box]) -> str:
    """``2 cars, 1 person``, or ``none``."""
    counts = Counter(box.class_name for box in boxes)
    return ", ".join(plural(count, words(name)) for name, count in counts.items()) or "none"


def boxes_for_page(boxes: Iterable[Box], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Left, top, width, height in the mask's pixels, and text and colour."""
    colors = colors_of(class_names)
    return [
        {
            "rectangle": [
                round(value, 1)
                for value in (box.center_x - box.size_x / 2 + 0.5, box.center_y - box.size_y / 2 + 0.5)
            ]
            + [round(box.size_x, 1), round(box.size_y, 1)],
            "text": f"{words(box.class_name)} {box.score:.2f}",
            "color": colors.get(box.class_name, "#ffffff"),
        }
        for box in boxes
    ]


def page_palette(class_names: Sequence[str]) -> np.ndarray:
    """The classes' colours, brightened, uint8 [256, 3]: data sets' own ones are too dark for images of the night."""
    return np.round(255.0 * (palette_for(class_names) / 255.0) ** 0.6).astype(np.uint8)


def colors_of(class_names: Sequence[str]) -> dict[str, str]:
    """Each class's colour on the page, as CSS."""
    palette = page_palette(class_names)
    return {
        name: "#{:02x}{:02x}{:02x}".format(*palette[min(i, UNLABELED)]) for i, name in enumerate(class_names)
    }


def camera_pictures(run: RunFolder, stamp_ns: int) -> dict[str, str]:
    """What was kept of a frame's images, as data addresses by kind."""
    paths = {kind: picture_path(run.path, stamp_ns, kind) for kind in PICTURE_KINDS}
    return {kind: _address(path.read_bytes(), "jpeg") for kind, path in paths.items() if path.is_file()}


def mask_pictures(run: RunFolder, stamp_ns: int) -> dict[str, str]:
    """A frame's mask, and with a label that and the errors: transparent pictures as data addresses by kind."""
    palette = page_palette(run.class_names)
    mask = run.mask_image(stamp_ns)
    pictures = {"mask": layer(mask, palette)}
    truth = run.truth_image(stamp_ns)
    if truth is not None:
        wrong = ((truth != mask) & (truth != UNLABELED)).astype(np.uint8)
        pictures |= {
            "truth": layer(truth, palette),
            "errors": layer(wrong, np.array([(0, 0, 0), ERROR_COLOR])),
        }
    return pictures


def layer(ids: np.ndarray, palette: np.ndarray) -> str:
    """Ids [H, W] in a palette's colours as a PNG's data address; black ones are transparent, as in overlays."""
    height, width = ids.shape
    if width > PICTURE_WIDTH:
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        ids = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
    image = Image.fromarray(ids.astype(np.uint8), "P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(
        file, "PNG", optimize=True, transparency=bytes(255 * (palette.max(axis=1) > 0).astype(np.uint8))
    )
    return _address(file.getvalue(), "png")


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _size(pictures: Mapping[str, str]) -> int:
    return sum(len(address) * 3 // 4 for address in pictures.values())
