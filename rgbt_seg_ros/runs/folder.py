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

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.detections import Detection

DIAGNOSTIC_LEVELS = ("ok", "warn", "error", "stale")
PICTURE_KINDS = ("rgb", "thermal", "confidence")


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

    stamp_ns: int
    received_s: float
    latency_ms: float | None
    skew_ms: float | None
    pixels: dict[int, int]
    stage_ms: dict[str, float] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One detection as it came over the wire: pixels, pixel centres at integers."""

    class_name: str
    score: float
    center_x: float
    center_y: float
    size_x: float
    size_y: float

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

    level: str
    message: str
    values: dict[str, str]
    stamp_ns: int | None = None

    def number(self, key: str) -> float | None:
        """The value of a key as a number; None if it is missing or not a number."""
        try:
            return float(self.values[key])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, read back: all that a report is made from, whoever wrote them. Masks are sorted by stamp.

    Attributes:
        confidence: mean probability of the chosen class over a mask's pixels, 0 to 1, by stamp.
    """

    path: Path
    class_names: tuple[str, ...] = ()
    masks: tuple[MaskRecord, ...] = ()
    confidence: dict[int, float] = field(default_factory=dict)
    detections: dict[int, tuple[Box, ...]] = field(default_factory=dict)
    diagnostics: tuple[Diagnostics, ...] = ()

    def mask_image(self, stamp_ns: int) -> np.ndarray:
        """Class ids [H, W] of one mask, uint8 or uint16."""
        return _read_image(mask_path(self.path, stamp_ns))

    def truth_image(self, stamp_ns: int) -> np.ndarray | None:
        """What one mask should be: class ids uint8 [H, W], 255 = ignored; None if it is not known."""
        path = truth_path(self.path, stamp_ns)
        return _read_image(path) if path.is_file() else None

    def pictured_stamps(self) -> list[int]:
        """Stamps of the frames that there are pictures of, in order."""
        stems = [path.stem.partition("_") for path in self.path.glob("pictures/*.jpg")]
        return sorted({int(stamp) for stamp, _, kind in stems if kind in ("rgb", "thermal")})


def mask_path(folder: Path, stamp_ns: int) -> Path:
    return folder / "masks" / f"{stamp_ns}.png"


def truth_path(folder: Path, stamp_ns: int) -> Path:
    return folder / "truth" / f"{stamp_ns}.png"


def picture_path(folder: Path, stamp_ns: int, kind: str) -> Path:
    """Path of a picture; kind is one of `PICTURE_KINDS`."""
    return folder / "pictures" / f"{stamp_ns}_{kind}.jpg"


def read_run(folder: Path) -> RunFolder:
    """Read a run's folder, also one that is still being written.

    Raises:
        UserError: it is not such a folder, or a file in it is damaged.
    """
    if not (folder / "masks.jsonl").is_file():
        raise UserError(
            f"{folder} has no masks.jsonl: it is no folder that record, offline or evaluate --report has written"
        )
    names = _read_json(folder / "classes.json") if (folder / "classes.json").is_file() else []
    masks = [_mask_record(line) for line in _each_line(folder / "masks.jsonl")]
    return RunFolder(
        path=folder,
        class_names=tuple(names),
        masks=tuple(sorted(masks, key=lambda mask: mask.stamp_ns)),
        confidence={line["stamp_ns"]: line["mean"] for line in _each_line(folder / "confidence.jsonl")},
        detections={
            line["stamp_ns"]: tuple(_box(box) for box in line["detections"])
            for line in _each_line(folder / "detections.jsonl")
        },
        diagnostics=tuple(Diagnostics(**line) for line in _each_line(folder / "diagnostics.jsonl")),
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line that is still being written is left out.

    Raises:
        UserError: a line is not JSON.
    """
    return list(_each_line(path))


def _each_line(path: Path) -> Iterator[dict[str, Any]]:
    """As `read_lines`, one by one: a run of hours has files that are best not in memory as a whole."""
    if not path.is_file():
        return
    with path.open() as file:
        for line in file:
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path} is damaged: {error}") from None


def _box(values: dict[str, Any]) -> Box:
    return Box(**{**values, "class_name": sys.intern(values["class_name"])})


def _mask_record(line: dict[str, Any]) -> MaskRecord:
    pixels = {int(class_id): count for class_id, count in line["pixels"].items()}
    # Each line brings names of its own; a run has very many lines.
    stage_ms = {sys.intern(stage): time for stage, time in line.get("stage_ms", {}).items()}
    return MaskRecord(**{**line, "pixels": pixels, "stage_ms": stage_ms})


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def _read_image(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise UserError(f"{path} is missing or no readable image: record the run again")
    return image


BAG, METRICS = "segmentation", "metrics.json"
