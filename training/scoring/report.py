"""The page report.html of an evaluation: frames of a data set with their labels, beside the scores of all of it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import track

from rgbt_seg_ros.base.host import describe_host
from rgbt_seg_ros.images.pair import resize_image
from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.report_page.frames import MAX_FRAMES, RANKED_FRAMES, evenly
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.evaluation import Evaluation, ImageScore
from rgbt_seg_ros.runs.folder import Box, read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import LabelledMasks
from rgbt_seg_ros.runs.writer import RunWriter
from rgbt_seg_ros.segmenter import Segmentation, Segmenter

from ..data.sample import Sample, SampleSource, picture_of_thermal
from .protocols import Protocol, segment_sample


def write_score_report(
    folder: Path,
    segmenter: Segmenter,
    source: SampleSource,
    protocol: Protocol,
    modality: str,
    evaluation: Evaluation,
) -> Path:
    """Write a run's folder (see `rgbt_seg_ros.runs.folder`) and its page.

    Evenly chosen images of the source and those of the lowest and highest mIoU are segmented again for it.

    Args:
        folder: made if need be; what an earlier run left in it is replaced.
        segmenter, source, protocol, modality: what was scored, and how.
        evaluation: what came of it.

    Returns:
        the page's path.

    Raises:
        UserError: the folder cannot be written.
    """
    writer = RunWriter(folder)
    writer.add_classes(segmenter.class_names)
    chosen = chosen_images(evaluation.per_image)
    for index in track(sorted(chosen), "reporting"):
        sample = source[index]
        segmentation = segment_sample(segmenter, sample, protocol, modality, evaluation.tta)
        _add(writer, index, sample, protocol, segmentation)
    writer.close()
    frame_miou = {image.index: image.miou for image in evaluation.per_image if image.index in chosen}
    summary = replace(
        summarize(read_run(folder)),
        model=evaluation.model,
        model_hash=evaluation.model_hash,
        device=str(segmenter.device),
        labelled=LabelledMasks(len(evaluation.per_image), evaluation.scores, frame_miou),
        evaluation=evaluation,
        recording=f"{evaluation.data} {evaluation.split}",
        settings={
            "protocol": evaluation.protocol,
            "modality": evaluation.modality,
            "thermal": evaluation.thermal,
            "tta": str(evaluation.tta),
        },
        host=describe_host(segmenter.device) | {"precision": segmenter.precision},
    )
    summary.write(folder / "summary.json")
    return write_report(folder)


def chosen_images(images: Sequence[ImageScore]) -> set[int]:
    """Indices of the images on the page: evenly chosen ones, and those of the lowest and the highest mIoU."""
    ranked = sorted((image.miou, image.index) for image in images if image.miou is not None)
    return {
        *evenly([image.index for image in images], MAX_FRAMES),
        *(index for _, index in ranked[:RANKED_FRAMES] + ranked[-RANKED_FRAMES:]),
    }


def _add(
    writer: RunWriter, index: int, sample: Sample, protocol: Protocol, segmentation: Segmentation
) -> None:
    """Add one image, at its label's size; its place in the source stands for its stamp."""
    mask, confidence = segmentation.mask, segmentation.confidence
    classes = segmentation.classes
    size = (mask.shape[0], mask.shape[1])
    latency_ms = round(sum(segmentation.stage_ms.values()), 3)
    writer.add_mask(index, mask, time.monotonic(), latency_ms, None, segmentation.stage_ms, sample.name)
    writer.add_truth(index, protocol.label(sample))
    writer.add_confidence(index, np.round(confidence * 255.0).astype(np.uint8))
    found = find_detections(mask, confidence, classes.names, classes.thing_classes)
    writer.add_detections(index, [Box.of(detection) for detection in found])
    writer.add_picture(index, "rgb", resize_image(sample.rgb, size))
    writer.add_picture(index, "thermal", resize_image(picture_of_thermal(sample), size))
