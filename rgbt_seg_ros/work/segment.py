"""What `rgbt_seg_ros.segment` does once its arguments are known to be good."""

import argparse
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.base.image_bytes import png
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.images.palette import palette_note
from rgbt_seg_ros.images.thermal_image import ThermalImage
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.overlay import draw_overlay, thermal_picture
from rgbt_seg_ros.pipeline.loading import load_segmenter
from rgbt_seg_ros.pipeline.objects import find_objects
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration
from rgbt_seg_ros.settings import Settings


def run(
    args: argparse.Namespace, settings: Settings, pair: tuple[np.ndarray | None, ThermalImage | None]
) -> None:
    """Segment a pair as `read_pair` gives it, of which one image at least is there."""
    rgb, thermal = pair
    if thermal is not None and thermal.palette:
        print(f"{args.thermal}: {palette_note(thermal.palette)}")
    if rgb is not None:
        background = rgb
    else:
        assert thermal is not None
        background = thermal_picture(thermal.counts, thermal.valid)
    prepare_process()
    segmenter = load_segmenter(settings)
    if segmenter.runtime_note:
        print(segmenter.runtime_note, file=sys.stderr)
    try:
        segmentation = (
            segmenter(rgb, None) if thermal is None else segmenter(rgb, thermal.counts, thermal.valid)
        )
    except ValueError as error:
        raise UserError(f"{args.rgb} and {args.thermal} cannot be segmented: {error}") from error
    detections = find_objects(settings, segmentation)
    overlay = draw_overlay(background, segmentation.mask, palette_for(segmenter.class_names), detections)
    result = {
        "model": settings.model,
        "model_hash": segmenter.model_hash,
        "class_names": segmenter.class_names,
        "detections": [detection.as_record() for detection in detections],
    }
    _write(args.output, segmentation.mask, overlay, encode_json(result, indent=2) + "\n")
    found = Counter(detection.class_name for detection in detections)
    said = f": {', '.join(f'{count} {name}' for name, count in found.items())}" if found else ""
    print(f"{len(detections)} detection{'' if len(detections) == 1 else 's'}{said}")
    name_files(
        ("overlay", _overlay_path(args.output)),
        ("mask of class ids", args.output),
        ("detections", args.output.with_suffix(".json")),
    )
    if is_demonstration(settings.model):
        print(DEMONSTRATION, file=sys.stderr)


def _write(mask_path: Path, mask: np.ndarray, overlay: np.ndarray, result: str) -> None:
    """X.png, X_overlay.png and X.json."""
    write_file(mask_path, png(mask))
    write_file(_overlay_path(mask_path), png(cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR)))
    write_file(mask_path.with_suffix(".json"), result)


def _overlay_path(mask_path: Path) -> Path:
    return mask_path.with_name(f"{mask_path.stem}_overlay.png")
