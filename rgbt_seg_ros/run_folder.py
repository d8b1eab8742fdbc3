"""What the recorder leaves on disk, as plain files that any program can read.

    classes.json        names of the classes, in the order of their ids
    masks.jsonl         one line a mask: stamp_ns, received_s, latency_ms, skew_ms, pixels {id: n}
    detections.jsonl    one line a message: stamp_ns, detections [{class_name, score, center_x, ..., size_y}]
    diagnostics.jsonl   one line a message of the node: level, message, values {key: text}
    masks/STAMP.png     every mask
    pictures/STAMP_rgb.jpg, STAMP_thermal.jpg, STAMP_overlay.jpg    some frames, spread over the recording
    overlay.mp4         every overlay

STAMP is the RGB image's stamp in nanoseconds. Lines are written as they come, so that a run can be watched while it
goes on and survives a crash.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.mask_hash import MaskHash
from rgbt_seg_ros.video import VideoWriter

JPEG_QUALITY = 85
DIAGNOSTIC_LEVELS = ("ok", "warn", "error", "stale")


@dataclass(frozen=True)
class MaskRecord:
    """One received mask.

    Attributes:
        stamp_ns: the RGB image's stamp.
        received_s: when it came, in seconds on the recorder's monotonic clock.
        latency_ms: from receiving the RGB image to receiving the mask; None if the image was not received.
        skew_ms: stamp of the nearest thermal image received minus `stamp_ns`; None without thermal.
        pixels: number of pixels by class id.
    """

    stamp_ns: int
    received_s: float
    latency_ms: float | None
    skew_ms: float | None
    pixels: dict[int, int]


@dataclass(frozen=True)
class Box:
    """One detection as it came over the wire: pixels, pixel centres at integers."""

    class_name: str
    score: float
    center_x: float
    center_y: float
    size_x: float
    size_y: float


@dataclass(frozen=True)
class Diagnostics:
    """One diagnostic message of the node."""

    level: str
    message: str
    values: dict[str, str]

    def number(self, key: str) -> float | None:
        """The value of a key as a number; None if it is missing or not a number."""
        try:
            return float(self.values[key])
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True)
class RunFolder:
    """The recorder's files, read back. Masks are sorted by stamp."""

    path: Path
    class_names: tuple[str, ...] = ()
    masks: tuple[MaskRecord, ...] = ()
    detections: dict[int, tuple[Box, ...]] = field(default_factory=dict)
    diagnostics: tuple[Diagnostics, ...] = ()

    def mask_image(self, stamp_ns: int) -> np.ndarray:
        """Class ids [H, W] of one mask, uint8 or uint16."""
        return _read_image(mask_path(self.path, stamp_ns))

    def pictured_stamps(self) -> list[int]:
        """Stamps of the frames that there are pictures of, in order."""
        names = [path.name.removesuffix("_overlay.jpg") for path in self.path.glob("pictures/*_overlay.jpg")]
        return sorted(int(name) for name in names)


def mask_path(folder: Path, stamp_ns: int) -> Path:
    return folder / "masks" / f"{stamp_ns}.png"


def picture_path(folder: Path, stamp_ns: int, kind: str) -> Path:
    """Path of a picture; kind is rgb, thermal or overlay."""
    return folder / "pictures" / f"{stamp_ns}_{kind}.jpg"


def read_run(folder: Path) -> RunFolder:
    """Read a recorder's folder, also one that is still being written.

    Raises:
        UserError: it is not such a folder, or a file in it is damaged.
    """
    if not (folder / "masks.jsonl").is_file():
        raise UserError(f"{folder} has no masks.jsonl: it was not written by the recorder")
    names = _read_json(folder / "classes.json") if (folder / "classes.json").is_file() else []
    masks = [
        MaskRecord(**{**line, "pixels": {int(class_id): count for class_id, count in line["pixels"].items()}})
        for line in read_lines(folder / "masks.jsonl")
    ]
    return RunFolder(
        path=folder,
        class_names=tuple(names),
        masks=tuple(sorted(masks, key=lambda mask: mask.stamp_ns)),
        detections={
            line["stamp_ns"]: tuple(Box(**box) for box in line["detections"])
            for line in read_lines(folder / "detections.jsonl")
        },
        diagnostics=tuple(Diagnostics(**line) for line in read_lines(folder / "diagnostics.jsonl")),
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line that is still being written is left out.

    Raises:
        UserError: a line is not JSON.
    """
    if not path.is_file():
        return []
    lines = path.read_text().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is damaged: {error}") from None


class RunWriter:
    """Writes a run folder from what is received; not thread-safe.

    Attributes:
        mask_hash: of all masks so far, in the order in which they were added.
    """

    def __init__(self, folder: Path, max_pictures: int = 48) -> None:
        """Start a folder, without what an earlier run left in it.

        Args:
            folder: made if need be; files of other names are left alone.
            max_pictures: frames that pictures are kept of, whatever the length of the recording.

        Raises:
            UserError: the folder cannot be written, or there is no ffmpeg.
        """
        self.folder = folder
        self.max_pictures = max_pictures
        self.mask_hash = MaskHash()
        self.video = VideoWriter(folder / "overlay.mp4")
        try:
            self._clear()
            self._masks = _open_lines(folder / "masks.jsonl")
            self._detections = _open_lines(folder / "detections.jsonl")
            self._diagnostics = _open_lines(folder / "diagnostics.jsonl")
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None
        self._overlays = 0
        self._stride = 1
        self._pictured: list[int] = []

    def add_classes(self, names: Sequence[str]) -> None:
        (self.folder / "classes.json").write_text(json.dumps(list(names)) + "\n")

    def add_mask(
        self,
        stamp_ns: int,
        mask: np.ndarray,
        received_s: float,
        latency_ms: float | None,
        skew_ms: float | None,
    ) -> None:
        """Add one mask, class ids [H, W], uint8 or uint16; the other arguments as in `MaskRecord`."""
        self.mask_hash.add(mask)
        cv2.imwrite(str(mask_path(self.folder, stamp_ns)), mask)
        ids, counts = np.unique(mask, return_counts=True)
        pixels = {int(class_id): int(count) for class_id, count in zip(ids, counts, strict=True)}
        record = MaskRecord(stamp_ns, received_s, latency_ms, skew_ms, pixels)
        _write_line(self._masks, asdict(record))

    def add_detections(self, stamp_ns: int, boxes: Sequence[Box]) -> None:
        _write_line(self._detections, {"stamp_ns": stamp_ns, "detections": [asdict(box) for box in boxes]})

    def add_diagnostics(self, level: int, message: str, values: Mapping[str, str]) -> None:
        """Add a status; level as in diagnostic_msgs/DiagnosticStatus, 0 to 3."""
        record = Diagnostics(level=DIAGNOSTIC_LEVELS[level], message=message, values=dict(values))
        _write_line(self._diagnostics, asdict(record))

    def add_overlay(
        self, stamp_ns: int, overlay: np.ndarray, rgb: np.ndarray | None, thermal: np.ndarray | None
    ) -> None:
        """Add one overlay to the video and, for some, pictures: uint8 [H, W, 3], RGB; sizes may differ.

        Raises:
            UserError: the video cannot be written.
            ValueError: the overlay has another size than those before.
        """
        self.video.add(stamp_ns, overlay)
        if self._overlays % self._stride == 0:
            if len(self._pictured) == self.max_pictures:
                self._drop_every_other_picture()
            for kind, picture in (("rgb", rgb), ("thermal", thermal), ("overlay", overlay)):
                if picture is not None:
                    _write_jpeg(picture_path(self.folder, stamp_ns, kind), picture)
            self._pictured.append(stamp_ns)
        self._overlays += 1

    def close(self) -> None:
        """End all files.

        Raises:
            UserError: the video could not be written.
        """
        for file in (self._masks, self._detections, self._diagnostics):
            file.close()
        self.video.close()

    def _clear(self) -> None:
        for name in ("masks", "pictures"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        old = [*self.folder.glob("masks/*.png"), *self.folder.glob("pictures/*.jpg")]
        old += [self.folder / "classes.json", self.folder / "overlay.mp4"]
        for path in old:
            path.unlink(missing_ok=True)

    def _drop_every_other_picture(self) -> None:
        for stamp_ns in self._pictured[1::2]:
            for kind in ("rgb", "thermal", "overlay"):
                picture_path(self.folder, stamp_ns, kind).unlink(missing_ok=True)
        self._pictured = self._pictured[::2]
        self._stride *= 2


def _open_lines(path: Path) -> TextIO:
    # Line-buffered: whoever watches sees whole lines at once.
    return open(path, "w", buffering=1)


def _write_line(file: TextIO, record: Mapping[str, Any]) -> None:
    file.write(json.dumps(record) + "\n")


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


def _write_jpeg(path: Path, rgb: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
