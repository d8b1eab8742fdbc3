"""What an offline run leaves in its folder: the files of `rgbt_seg_ros.runs.folder`, without a video, and

segmentation/     a rosbag2 (mcap) with the node's output topics
metrics.json      the numbers
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from rgbt_seg_ros.bags.reader import RecordedImage
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.base.diagnostics import OK
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import UNFINISHED, naming_folder, remove_folder, unfinished_path
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.overlay import draw_overlay, thermal_picture
from rgbt_seg_ros.pipeline.answer import Answer
from rgbt_seg_ros.runs.folder import BAG, METRICS, Box
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.writer import FOLDERS, LINES, RunWriter

NAMESPACE = "/rgbt_segmenter"


@contextmanager
def open_outputs(folder: Path, class_names: Sequence[str]) -> Iterator["OfflineOutputs"]:
    """Make the folder, without what an earlier run left in it, and write to it until the context ends.

    Raises:
        UserError: the folder holds other things, or cannot be written.
    """
    with naming_folder(folder):
        _empty(folder)
    with closing(RunWriter(folder)) as run, BagWriter(folder / BAG) as bag:
        run.add_classes(class_names)
        yield OfflineOutputs(folder, class_names, run, bag)


class OfflineOutputs:
    """Writes the folder of one run, see `open_outputs`.

    Attributes:
        mask_hash: `MaskHash` of all masks so far.
    """

    def __init__(self, folder: Path, class_names: Sequence[str], run: RunWriter, bag: BagWriter) -> None:
        self._folder = folder
        self._class_names = class_names
        self._palette = palette_for(class_names)
        self._run = run
        self._bag = bag
        self._label_frame: str | None = None

    @property
    def mask_hash(self) -> str:
        """See the class."""
        return self._run.mask_hash.hexdigest

    def add(self, source: RecordedImage, answer: Answer, skew_ms: float | None) -> None:
        """Add the result for one pair, under the header of its RGB image, or for an image alone, under its own.

        Args:
            source: the recorded image whose header that is.
            answer: to the pair or image.
            skew_ms: time of the thermal image minus that of the RGB image; None without one of them.
        """
        self._add_to_run(source.stamp_ns, answer, skew_ms)
        mask, detections = answer.segmentation.mask, answer.detections
        overlay = draw_overlay(answer.picture, mask, self._palette, detections)
        header, build = self._bag.header(source.stamp_ns, source.frame_id), self._bag.messages
        if source.frame_id != self._label_frame:
            label_info = build.label_info(header, self._class_names)
            self._bag.write(f"{NAMESPACE}/label_info", label_info, source.received_ns, latched=True)
            self._label_frame = source.frame_id
        messages = {
            "mask": build.image(header, mask),
            "overlay": build.image(header, overlay),
            "detections": build.detections(header, detections),
        }
        for name, message in messages.items():
            self._bag.write(f"{NAMESPACE}/{name}", message, source.received_ns)

    def add_counts(self, stamp_ns: int, values: Mapping[str, object]) -> None:
        """Note how far the run is, by keys of docs/diagnostics.md, at an image's stamp."""
        self._run.add_diagnostics(stamp_ns, OK, "", {str(key): str(value) for key, value in values.items()})

    def write_metrics(self, metrics: Summary) -> Path:
        """Write metrics.json and return its path."""
        path = self._folder / METRICS
        metrics.write(path)
        return path

    def _add_to_run(self, stamp_ns: int, answer: Answer, skew_ms: float | None) -> None:
        segmentation, run = answer.segmentation, self._run
        latency_ms = round(sum(answer.stage_ms.values()), 3)
        run.add_mask(stamp_ns, segmentation.mask, time.monotonic(), latency_ms, skew_ms, answer.stage_ms)
        run.add_confidence(stamp_ns, np.round(segmentation.confidence * 255.0).astype(np.uint8))
        run.add_detections(stamp_ns, [Box.of(found) for found in answer.detections])
        if answer.images.rgb is not None:
            run.add_picture(stamp_ns, "rgb", answer.images.rgb)
        if answer.images.thermal is not None:
            run.add_picture(stamp_ns, "thermal", thermal_picture(answer.images.thermal))


def _empty(folder: Path) -> None:
    """Remove an earlier run's outputs, and refuse a folder that holds anything else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: choose a folder for --output")
    files = ("classes.json", METRICS, "report.html", "comparison.html")
    own = {*FOLDERS, *(f"{name}.jsonl" for name in LINES), *files, BAG}
    others = sorted(path.name for path in folder.iterdir() if path.name.removesuffix(UNFINISHED) not in own)
    if others:
        raise UserError(
            f"{folder} holds other things ({others[0]}): choose an empty or new folder for --output"
        )
    for name in (*FOLDERS, BAG):
        remove_folder(folder / name)
    for name in (METRICS, *files):
        unfinished_path(folder / name).unlink(missing_ok=True)
    (folder / METRICS).unlink(missing_ok=True)
