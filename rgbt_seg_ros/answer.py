"""One pair of image messages to mask and detections: the core that node and offline runner share; no rclpy."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgbt_seg_ros.detections import Detection, find_detections
from rgbt_seg_ros.image_codec import decode_rgb, decode_thermal
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.settings import Settings


@dataclass(frozen=True)
class Answer:
    """What became of a pair.

    Attributes:
        rgb_message: the message it answers, whose header its outputs carry.
        rgb: the RGB image, uint8 [H, W, 3].
        segmentation: classes of its pixels.
        detections: objects among them.
        stage_ms: milliseconds of decode, the segmenter's stages and detections, in this order.
    """

    rgb_message: Any
    rgb: np.ndarray
    segmentation: Segmentation
    detections: list[Detection]
    stage_ms: dict[str, float]


def answer_pair(segmenter: Segmenter, settings: Settings, rgb_message: Any, thermal_message: Any) -> Answer:
    """Decode, segment and find the objects of one pair.

    Raises:
        UndecodableImage: one of the messages holds no image that can be read.
        ValueError: the segmenter refuses the images, or its output is not finite.
    """
    started = time.perf_counter()
    rgb, thermal = decode_rgb(rgb_message), decode_thermal(thermal_message)
    decoded = time.perf_counter()
    segmentation = segmenter(rgb, thermal)
    segmented = time.perf_counter()
    detections = find_objects(segmenter, settings, segmentation)
    stage_ms = {
        "decode": 1e3 * (decoded - started),
        **segmentation.stage_ms,
        "detections": 1e3 * (time.perf_counter() - segmented),
    }
    return Answer(rgb_message, rgb, segmentation, detections, stage_ms)


def find_objects(segmenter: Segmenter, settings: Settings, segmentation: Segmentation) -> list[Detection]:
    """The detections in a segmentation, by the settings' least area and score."""
    return find_detections(
        segmentation.mask,
        segmentation.confidence,
        segmenter.class_names,
        segmenter.thing_classes,
        min_area=settings.detections_min_area,
        score_threshold=settings.detections_score_threshold,
    )
