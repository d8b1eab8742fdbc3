"""Segment one pair of image files: mask, overlay and detections, without ROS."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.base.image_bytes import png
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.images.files import read_pair
from rgbt_seg_ros.images.palette import palette_note
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.overlay import draw_overlay, thermal_picture
from rgbt_seg_ros.pipeline.objects import find_objects
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings.options import add_setting_options, read_settings

NO_IMAGE = "none"
_SETTINGS = (
    "model",
    "device",
    "precision",
    "thermal.normalization",
    "thermal.range.unit",
    "thermal.range.low",
    "thermal.range.high",
    "thermal.kelvin_per_count",
    "thermal.kelvin_offset",
    "thermal.palette",
    "thermal.float_unit",
    "max_pixels",
    "detections.min_area",
    "detections.score_threshold",
)


def _segment(args: argparse.Namespace) -> None:
    if args.output.suffix.lower() != ".png":
        raise UserError(f"the mask cannot be written to {args.output}: class ids need a name ending in .png")
    settings = read_settings(args)
    rgb, thermal = read_pair(
        None if args.rgb == NO_IMAGE else Path(args.rgb),
        None if args.thermal == NO_IMAGE else Path(args.thermal),
        settings.thermal.reading,
        settings.max_pixels,
    )
    if thermal is not None and thermal.palette:
        print(f"{args.thermal}: {palette_note(thermal.palette)}")
    if rgb is not None:
        background = rgb
    elif thermal is not None:
        background = thermal_picture(thermal.counts, thermal.valid)
    else:
        raise UserError("neither an RGB nor a thermal image was given: one of them is needed")
    prepare_process()
    segmenter = Segmenter.load(
        settings.model, settings.device, settings.precision, thermal=settings.thermal.normalizer
    )
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
    print(f"{args.output}: {len(detections)} detections")
    if is_demonstration(settings.model):
        print(DEMONSTRATION, file=sys.stderr)


def _write(mask_path: Path, mask: np.ndarray, overlay: np.ndarray, result: str) -> None:
    """X.png, X_overlay.png and X.json."""
    write_file(mask_path, png(mask))
    overlay_path = mask_path.with_name(f"{mask_path.stem}_overlay.png")
    write_file(overlay_path, png(cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR)))
    write_file(mask_path.with_suffix(".json"), result)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.segment`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.segment",
        "Segment one RGB-thermal pair; OUT.png (class ids), OUT_overlay.png and OUT.json (detections) come out.",
        """
        python -m rgbt_seg_ros.segment rgb.png thermal.png -o out/mask.png
        python -m rgbt_seg_ros.segment none thermal.png --model my.safetensors -o out/mask.png
        python -m rgbt_seg_ros.segment rgb.jpg flir.jpg --thermal-palette ironbow -o out/mask.png
        python -m rgbt_seg_ros.segment 00001N.png 00001N.png -o out/mask.png
        """,
    )
    parser.add_argument("rgb", metavar="RGB", help="colour image, or 'none'")
    parser.add_argument(
        "thermal",
        metavar="THERMAL",
        help="thermal image, or 'none'; RGB's file again if its fourth channel is thermal",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.png", help="mask of class ids"
    )
    add_setting_options(parser, _SETTINGS)
    return run_command(parser, _segment, argv)


if __name__ == "__main__":
    sys.exit(main())
