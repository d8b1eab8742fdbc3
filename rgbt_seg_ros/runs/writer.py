"""Writes the folder of a run, see `rgbt_seg_ros.runs.folder`; no ROS."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.base.image_bytes import jpeg, png
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import (
    UNFINISHED,
    LinesFile,
    naming_folder,
    refuse_links,
    write_file,
)
from rgbt_seg_ros.masks.hash import MaskHash
from rgbt_seg_ros.runs.folder import (
    DIAGNOSTIC_LEVELS,
    Box,
    Diagnostics,
    MaskRecord,
    mask_path,
    picture_path,
    truth_path,
)
from rgbt_seg_ros.runs.video import VideoWriter

MAX_PICTURES = 960
PICTURE_WIDTH = 480
JPEG_QUALITY = 80
_RECENT_FRAMES = 1000
FOLDERS = ("masks", "truth", "pictures")
LINES = ("masks", "confidence", "detections", "diagnostics")


class RunWriter:
    """Writes a run folder from what comes; not thread-safe.

    Attributes:
        mask_hash: of all masks so far, in the order in which they were added.
    """

    def __init__(self, folder: Path, max_pictures: int = MAX_PICTURES) -> None:
        """Start a folder, without what an earlier run left in it.

        Args:
            folder: made if need be; files of other names are left alone.
            max_pictures: frames that pictures are kept of, whatever the length of the recording.

        Raises:
            UserError: the folder cannot be written, or a folder in it is a link to elsewhere.
        """
        self.folder = folder
        self.max_pictures = max_pictures
        self.mask_hash = MaskHash()
        self._video: VideoWriter | None = None
        with naming_folder(folder):
            self._clear()
        self._lines = {name: LinesFile(folder / f"{name}.jsonl") for name in LINES}
        self._frames: dict[int | None, int] = {}
        self._frame_count = 0
        self._stride = 1

    def add_classes(self, names: Sequence[str]) -> None:
        write_file(self.folder / "classes.json", encode_json(list(names)) + "\n")

    def add_mask(
        self,
        stamp_ns: int,
        mask: np.ndarray,
        received_s: float,
        latency_ms: float | None,
        skew_ms: float | None,
        stage_ms: Mapping[str, float] | None = None,
        name: str | None = None,
    ) -> None:
        """Add one mask, class ids [H, W], uint8 or uint16; the other arguments as in `MaskRecord`.

        Raises:
            UserError: it cannot be written; so all that adds.
        """
        write_file(mask_path(self.folder, stamp_ns), png(mask), self.folder)
        self.mask_hash.add(mask)
        ids, counts = np.unique(mask, return_counts=True)
        pixels = {int(class_id): int(count) for class_id, count in zip(ids, counts, strict=True)}
        times = {stage: round(value, 3) for stage, value in (stage_ms or {}).items()}
        record = MaskRecord(stamp_ns, received_s, latency_ms, skew_ms, pixels, times, name)
        self._write("masks", asdict(record))

    def add_truth(self, stamp_ns: int, label: np.ndarray) -> None:
        """Add the label, what a mask should be: class ids uint8 [H, W], 255 = ignored."""
        write_file(truth_path(self.folder, stamp_ns), png(label), self.folder)

    def add_confidence(self, stamp_ns: int, confidence: np.ndarray) -> None:
        """Add the probability of the chosen class, uint8 [H, W], 255 = 1: its mean and, for some, a picture."""
        mean = round(float(confidence.mean()) / 255.0, 5)
        self._write("confidence", {"stamp_ns": stamp_ns, "mean": mean})
        self.add_picture(stamp_ns, "confidence", confidence)

    def add_detections(self, stamp_ns: int, boxes: Sequence[Box]) -> None:
        self._write("detections", {"stamp_ns": stamp_ns, "detections": [asdict(box) for box in boxes]})

    def add_diagnostics(
        self, stamp_ns: int | None, level: int, message: str, values: Mapping[str, str]
    ) -> None:
        """Add a report as in `Diagnostics`; level as in diagnostic_msgs/DiagnosticStatus, above 3 is 3."""
        record = Diagnostics(
            DIAGNOSTIC_LEVELS[min(level, len(DIAGNOSTIC_LEVELS) - 1)], message, dict(values), stamp_ns
        )
        self._write("diagnostics", asdict(record))

    def add_picture(self, stamp_ns: int, kind: str, picture: np.ndarray) -> None:
        """Add a picture if there is room: uint8 [H, W, 3], RGB, or [H, W], grey; kind is one of `PICTURE_KINDS`."""
        if self._is_pictured(stamp_ns):
            path = picture_path(self.folder, stamp_ns, kind)
            # Unsynced: three syncs more an image would be too slow for the memory cards of robots.
            write_file(path, _small_jpeg(picture), self.folder, synced=False)

    def add_overlay(self, stamp_ns: int, overlay: np.ndarray) -> None:
        """Add one overlay to the video: uint8 [H, W, 3], RGB.

        Raises:
            UserError: the video cannot be written, or there is no ffmpeg.
            ValueError: the overlay has another size than those before.
        """
        if self._video is None:
            self._video = VideoWriter(self.folder / "overlay.mp4")
        self._video.add(stamp_ns, overlay)

    def close(self) -> None:
        """End all files.

        Raises:
            UserError: one of them could not be written; the others are ended nevertheless.
        """
        with ExitStack() as stack:
            for file in self._lines.values():
                stack.callback(file.close)
            if self._video is not None:
                stack.callback(self._video.close)

    def _write(self, lines: str, record: Mapping[str, Any]) -> None:
        self._lines[lines].add(encode_json(record))

    def _clear(self) -> None:
        for name in FOLDERS:
            refuse_links(self.folder / name / "file", self.folder)
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        old = [path for name in FOLDERS for path in (self.folder / name).glob("[0-9]*.*")]
        for name in ("classes.json", "overlay.mp4", "summary.json", "report.html"):
            old += [self.folder / name, self.folder / (name + UNFINISHED)]
        for path in old:
            path.unlink(missing_ok=True)

    def _is_pictured(self, stamp_ns: int) -> bool:
        """Whether pictures are kept of a frame: of every n-th, and n is doubled whenever they become too many."""
        if stamp_ns not in self._frames:
            self._frames[stamp_ns] = self._frame_count
            self._frame_count += 1
            self._forget_frames()
        frame = self._frames[stamp_ns]
        while frame >= self.max_pictures * self._stride:
            self._stride *= 2
            for path in self.folder.glob("pictures/*.jpg"):
                # What is not of this run is left alone.
                if (frame_of := self._frames.get(_stamp_of(path))) is not None and frame_of % self._stride:
                    path.unlink()
        return frame % self._stride == 0

    def _forget_frames(self) -> None:
        """Keep the places of the frames with pictures, and of those that more pictures may come of."""
        if len(self._frames) > 2 * (self.max_pictures + _RECENT_FRAMES):
            oldest = self._frame_count - _RECENT_FRAMES
            self._frames = {
                stamp: frame
                for stamp, frame in self._frames.items()
                if frame % self._stride == 0 or frame >= oldest
            }


def _stamp_of(picture: Path) -> int | None:
    """The stamp in a picture's name; None if somebody else has named it."""
    stamp = picture.stem.partition("_")[0]
    return int(stamp) if re.fullmatch("-?[0-9]{1,19}", stamp) else None


def _small_jpeg(picture: np.ndarray) -> bytes:
    height, width = picture.shape[:2]
    if width > PICTURE_WIDTH:
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return jpeg(picture, JPEG_QUALITY)
