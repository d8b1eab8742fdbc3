"""What a run leaves on disk, as plain files that any program can read; the page `report.html` is made from them alone.

    classes.json        names of the classes, in the order of their ids
    masks.jsonl         one line a mask: stamp_ns, received_s, latency_ms, skew_ms, pixels {id: n}, stage_ms, name
    confidence.jsonl    one line a mask: stamp_ns, mean
    detections.jsonl    one line a message: stamp_ns, detections [{class_name, score, center_x, ..., size_y}]
    diagnostics.jsonl   one line a report of counts: level, message, values {key: text}, stamp_ns
    masks/STAMP.png     every mask
    truth/STAMP.png     labels: what the masks should be, where that is known
    pictures/STAMP_rgb.jpg, STAMP_thermal.jpg, STAMP_confidence.jpg    frames, spread evenly if there are very many
    overlay.mp4         every overlay, of a node
    summary.json        the numbers, see `rgbt_seg_ros.runs.summary`

STAMP is the RGB image's stamp in nanoseconds, or the image's place in a data set. The recorder of a running node, the
offline runner and the evaluation on a data set write them (`rgbt_seg_ros.runs.writer`), line by line as results come,
so that a run can be watched while it goes on and survives a crash.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_JSON_BYTES, MAX_LINES_BYTES
from rgbt_seg_ros.base.json_files import Count, Nanoseconds, Share, decode_line, read_json
from rgbt_seg_ros.images.checked_files import read_stored
from rgbt_seg_ros.masks.classes import UNLABELED, UNLABELED_16, current_names
from rgbt_seg_ros.masks.detections import Detection

T = TypeVar("T")

Level = Literal["ok", "warn", "error", "stale"]
DIAGNOSTIC_LEVELS: tuple[Level, ...] = ("ok", "warn", "error", "stale")
PICTURE_KINDS = ("rgb", "thermal", "confidence")

Milliseconds = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
ClassId = Annotated[int, msgspec.Meta(ge=0, le=UNLABELED_16)]
ClassNames = Annotated[tuple[str, ...], msgspec.Meta(max_length=UNLABELED_16)]

_REMEDY = "record the run again"
_PICTURE = re.compile(r"(-?[0-9]{1,19})_(?:rgb|thermal)")


@dataclass(frozen=True, slots=True)
class MaskRecord:
    """One mask.

    Attributes:
        stamp_ns: the RGB image's stamp; an image's place in a data set.
        received_s: when it came, in seconds on a monotonic clock of the process that writes.
        latency_ms: from receiving the RGB image to receiving the mask; None if the image was not received. Where
            nothing is received, the sum of `stage_ms`.
        skew_ms: stamp of the thermal image minus `stamp_ns`; None without thermal.
        pixels: number of pixels by class id.
        stage_ms: milliseconds by stage, where they are known of this very mask.
        name: of the image in a data set; None in a recording.
    """

    stamp_ns: Nanoseconds
    received_s: Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
    latency_ms: Milliseconds | None
    skew_ms: Milliseconds | None
    pixels: dict[ClassId, Count]
    stage_ms: dict[str, Milliseconds] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One detection as it came over the wire: pixels, pixel centres at integers; None for no finite number."""

    class_name: str
    score: float | None
    center_x: float | None
    center_y: float | None
    size_x: float | None
    size_y: float | None

    @classmethod
    def of(cls, found: Detection) -> "Box":
        """What of a detection goes over the wire."""
        return cls(found.class_name, found.score, found.center_x, found.center_y, found.size_x, found.size_y)


@dataclass(frozen=True)
class Diagnostics:
    """One report of counts: the node's, or the offline runner's.

    Attributes:
        level: one of `DIAGNOSTIC_LEVELS`.
        message: the node's sentence; empty without a node.
        values: by the keys of docs/diagnostics.md.
        stamp_ns: where in the recording it came, on the time of the images' stamps; None before the first image.
    """

    level: Level
    message: str
    values: dict[str, str]
    stamp_ns: Nanoseconds | None = None

    def number(self, key: str) -> float | None:
        """The value of a key as a number; None if it is missing, no number, or none that anything here can have."""
        try:
            number = float(self.values[key])
        except (KeyError, ValueError):
            return None
        return number if abs(number) < 1e15 else None


@dataclass(frozen=True, slots=True)
class _ConfidenceLine:
    stamp_ns: Nanoseconds
    mean: Share | None


@dataclass(frozen=True, slots=True)
class _DetectionsLine:
    stamp_ns: Nanoseconds
    detections: tuple[Box, ...]


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, read back: all that a report is made from, whoever wrote them. Masks are sorted by stamp.

    Attributes:
        class_names: spelled as in `rgbt_seg_ros.masks.classes`, also where the run has others.
        confidence: mean probability of the chosen class over a mask's pixels, 0 to 1, by stamp.
        notes: what is missing of a run that did not come to its end, a clause each.
        lost: stamps whose masks are known to be unreadable, and which have no frame therefore.
        damaged: files that are known to be unreadable and left out.
    """

    path: Path
    class_names: tuple[str, ...] = ()
    masks: tuple[MaskRecord, ...] = ()
    confidence: dict[int, float] = field(default_factory=dict)
    detections: dict[int, tuple[Box, ...]] = field(default_factory=dict)
    diagnostics: tuple[Diagnostics, ...] = ()
    notes: tuple[str, ...] = ()
    lost: frozenset[int] = frozenset()
    damaged: frozenset[Path] = frozenset()

    def mask_image(self, stamp_ns: int) -> np.ndarray:
        """Class ids [H, W] of one mask, uint8 or uint16.

        Raises:
            UserError: it is missing, damaged, or no such image.
        """
        return _read_ids(mask_path(self.path, stamp_ns))

    def truth_image(self, stamp_ns: int) -> np.ndarray | None:
        """What one mask should be: class ids uint8 [H, W], 255 = ignored; None if it is not known.

        Raises:
            UserError: it is damaged, or no such image.
        """
        path = truth_path(self.path, stamp_ns)
        return _read_ids(path) if path.is_file() and path not in self.damaged else None

    def pictured_stamps(self) -> list[int]:
        """Stamps of the frames that there are pictures of, in order; without those whose masks are lost."""
        found = [_PICTURE.fullmatch(path.stem) for path in self.path.glob("pictures/*.jpg")]
        return sorted({int(match[1]) for match in found if match} - self.lost)


def mask_path(folder: Path, stamp_ns: int) -> Path:
    return folder / "masks" / f"{stamp_ns}.png"


def truth_path(folder: Path, stamp_ns: int) -> Path:
    return folder / "truth" / f"{stamp_ns}.png"


def picture_path(folder: Path, stamp_ns: int, kind: str) -> Path:
    """Path of a picture; kind is one of `PICTURE_KINDS`."""
    return folder / "pictures" / f"{stamp_ns}_{kind}.jpg"


def read_run(folder: Path) -> RunFolder:
    """Read a run's folder, also one that is still being written, or that a run which was killed has left.

    Raises:
        UserError: it is not such a folder, or a file in it is damaged.
    """
    if not (folder / "masks.jsonl").is_file():
        raise UserError(
            f"{folder} has no masks.jsonl: it is no folder that record, offline or evaluate --report has written"
        )
    notes: list[str] = []
    masks = [_interned(record) for record in _each_line(folder / "masks.jsonl", MaskRecord, notes)]
    confidence = _each_line(folder / "confidence.jsonl", _ConfidenceLine, notes)
    written = _class_names(folder / "classes.json", masks, notes)
    names = current_names(written)
    renamed = dict(zip(written, names, strict=True))
    return RunFolder(
        path=folder,
        class_names=names,
        masks=tuple(sorted(masks, key=lambda mask: mask.stamp_ns)),
        confidence={line.stamp_ns: line.mean for line in confidence if line.mean is not None},
        detections={
            line.stamp_ns: tuple(
                replace(box, class_name=sys.intern(renamed.get(box.class_name, box.class_name)))
                for box in line.detections
            )
            for line in _each_line(folder / "detections.jsonl", _DetectionsLine, notes)
        },
        diagnostics=tuple(_each_line(folder / "diagnostics.jsonl", Diagnostics, notes)),
        # Filled by the lines before.
        notes=tuple(notes),
    )


def _class_names(path: Path, masks: Sequence[MaskRecord], notes: list[str]) -> tuple[str, ...]:
    """Names of the classes; where they are lost, numbers for those that are in the masks."""
    if path.is_file() and path.stat().st_size:
        return read_json(path, ClassNames, _REMEDY)
    if not masks:
        return ()
    known = [
        class_id for mask in masks for class_id in mask.pixels if class_id not in (UNLABELED, UNLABELED_16)
    ]
    notes.append(f"{path.name} is {'empty' if path.is_file() else 'missing'}: classes have numbers for names")
    return tuple(f"class {class_id}" for class_id in range(max(known, default=-1) + 1))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line that is still being written is left out.

    Raises:
        UserError: a line is no JSON object.
    """
    return list(_each_line(path, dict[str, Any]))


def _each_line(path: Path, kind: type[T], notes: list[str] | None = None) -> Iterator[T]:
    """As `read_lines`, one by one: a run of hours has files that are best not in memory as a whole."""
    if not path.is_file():
        return
    if path.stat().st_size > MAX_LINES_BYTES:
        raise UserError(f"{path} is larger than {MAX_LINES_BYTES:,} bytes: record in parts")
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_JSON_BYTES + 2):
            number += 1
            # One that has no end yet is left out; one that is too long is refused.
            if not line.endswith(b"\n") and len(line) <= MAX_JSON_BYTES:
                if notes is not None:
                    notes.append(f"{path.name} ends in half a line: it is left out")
                return
            yield decode_line(path, number, line, kind, _REMEDY)


def _interned(record: MaskRecord) -> MaskRecord:
    # Each line brings names of its own; a run has very many lines.
    return replace(record, stage_ms={sys.intern(stage): time for stage, time in record.stage_ms.items()})


def _read_ids(path: Path) -> np.ndarray:
    image = read_stored(path) if path.is_file() else None
    if image is None:
        raise UserError(f"{path} is missing or no readable image: {_REMEDY}")
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path} is not an image of 8 or 16 bits with one channel of class ids: {_REMEDY}")
    return image


BAG, METRICS = "segmentation", "metrics.json"
