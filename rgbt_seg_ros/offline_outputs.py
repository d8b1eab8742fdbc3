"""What an offline run leaves in its folder.

masks/STAMP.png   class ids of each pair, named by the RGB image's stamp in nanoseconds
segmentation/     a rosbag2 (mcap) with the node's output topics
metrics.json      the numbers
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.bag_writer import BagWriter
from rgbt_seg_ros.classes import palette_for
from rgbt_seg_ros.detections import Detection
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.mask_hash import MaskHash
from rgbt_seg_ros.overlay import draw_overlay
from rgbt_seg_ros.recording import RecordedImage

MASKS, BAG, METRICS = "masks", "segmentation", "metrics.json"
NAMESPACE = "/rgbt_segmenter"


class OfflineOutputs:
    """Writes the folder of one run; used as a context manager.

    Attributes:
        mask_hash: `MaskHash` of all masks so far.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        """Make the folder, without what an earlier run left in it.

        Raises:
            UserError: the folder holds other things, or cannot be written.
        """
        self._folder = folder
        self._class_names = class_names
        self._palette = palette_for(class_names)
        self._mask_hash = MaskHash()
        try:
            _empty(folder)
            (folder / MASKS).mkdir(parents=True)
        except OSError as error:
            raise UserError(
                f"cannot write to {folder} ({error.strerror}): choose another --output"
            ) from error
        self._bag = BagWriter(folder / BAG)
        self._label_frame: str | None = None

    @property
    def mask_hash(self) -> str:
        """See the class."""
        return self._mask_hash.hexdigest

    def __enter__(self) -> "OfflineOutputs":
        self._bag.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bag.__exit__(kind, error, traceback)

    def add(
        self, source: RecordedImage, rgb: np.ndarray, mask: np.ndarray, detections: Sequence[Detection]
    ) -> None:
        """Add the result for one pair, under the header of its RGB image.

        Args:
            source: the recorded RGB image.
            rgb: it as an array, uint8 [H, W, 3].
            mask: class ids, uint8 [H, W].
            detections: objects in the mask.
        """
        self._mask_hash.add(mask)
        cv2.imwrite(str(self._folder / MASKS / f"{source.stamp_ns}.png"), mask)
        overlay = draw_overlay(rgb, mask, self._palette, detections)
        messages = {
            "mask": self._bag.image(mask, source.stamp_ns, source.frame_id),
            "overlay": self._bag.image(overlay, source.stamp_ns, source.frame_id),
            "detections": self._detections_message(source, detections),
        }
        if source.frame_id != self._label_frame:
            label_info = self._label_info_message(source)
            self._bag.write(f"{NAMESPACE}/label_info", label_info, source.received_ns, latched=True)
            self._label_frame = source.frame_id
        for name, message in messages.items():
            self._bag.write(f"{NAMESPACE}/{name}", message, source.received_ns)

    def write_metrics(self, metrics: Mapping[str, Any]) -> Path:
        """Write metrics.json and return its path."""
        path = self._folder / METRICS
        path.write_text(json.dumps(metrics, indent=2) + "\n")
        return path

    def _detections_message(self, source: RecordedImage, detections: Sequence[Detection]) -> Any:
        """A vision_msgs/Detection2DArray; pixels of the RGB image, pixel centres at integers, class_id = class name."""
        types = self._bag.types
        header = self._bag.header(source.stamp_ns, source.frame_id)
        return types["vision_msgs/msg/Detection2DArray"](
            header,
            [
                types["vision_msgs/msg/Detection2D"](
                    header=header, results=[self._hypothesis(found)], bbox=self._box(found), id=""
                )
                for found in detections
            ],
        )

    def _hypothesis(self, found: Detection) -> Any:
        types = self._bag.types
        point = types["geometry_msgs/msg/Point"](0.0, 0.0, 0.0)
        rotation = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
        pose = types["geometry_msgs/msg/Pose"](point, rotation)
        return types["vision_msgs/msg/ObjectHypothesisWithPose"](
            types["vision_msgs/msg/ObjectHypothesis"](found.class_name, found.score),
            types["geometry_msgs/msg/PoseWithCovariance"](pose, np.zeros(36)),
        )

    def _box(self, found: Detection) -> Any:
        types = self._bag.types
        position = types["vision_msgs/msg/Point2D"](found.center_x, found.center_y)
        center = types["vision_msgs/msg/Pose2D"](position, 0.0)
        return types["vision_msgs/msg/BoundingBox2D"](center, found.size_x, found.size_y)

    def _label_info_message(self, source: RecordedImage) -> Any:
        """A vision_msgs/LabelInfo with the names of the ids."""
        entry = self._bag.types["vision_msgs/msg/VisionClass"]
        classes = [entry(class_id, name) for class_id, name in enumerate(self._class_names)]
        header = self._bag.header(source.stamp_ns, source.frame_id)
        return self._bag.types["vision_msgs/msg/LabelInfo"](header, classes, 0.0)


def _empty(folder: Path) -> None:
    """Remove an earlier run's outputs, and refuse a folder that holds anything else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: choose a folder for --output")
    others = sorted(path.name for path in folder.iterdir() if path.name not in (MASKS, BAG, METRICS))
    if others:
        raise UserError(
            f"{folder} holds other things ({others[0]}): choose an empty or new folder for --output"
        )
    for name in (MASKS, BAG):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    (folder / METRICS).unlink(missing_ok=True)
