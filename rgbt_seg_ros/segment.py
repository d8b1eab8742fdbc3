"""Segment one pair of image files: mask, overlay and detections, without ROS."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import resolve_model
from rgbt_seg_ros.settings.options import add_setting_options, read_settings

_SETTINGS = (
    "model",
    "device",
    "precision",
    "runtime",
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


def _image(text: str) -> Path | None:
    """A path, or None for the word `none`."""
    return None if text == "none" else Path(text)


def _prepare(args: argparse.Namespace) -> Work:
    if args.output.suffix.lower() != ".png":
        raise UserError(f"the mask cannot be written to {args.output}: class ids need a name ending in .png")
    images = [str(path) for path in (args.rgb, args.thermal) if path is not None]
    if not images:
        raise UserError("neither an RGB nor a thermal image was given: one of them is needed")
    settings = read_settings(args)
    resolve_model(settings.model)
    from rgbt_seg_ros.images.files import read_pair

    pair = read_pair(args.rgb, args.thermal, settings.thermal.reading, settings.max_pixels)
    announce(f"segmenting {' and '.join(images)} with the model {settings.model}")
    from rgbt_seg_ros.work.segment import run

    return partial(run, settings=settings, pair=pair)


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
    parser.add_argument("rgb", type=_image, metavar="RGB", help="colour image, or 'none'")
    parser.add_argument(
        "thermal",
        type=_image,
        metavar="THERMAL",
        help="thermal image, or 'none'; RGB's file again if its fourth channel is thermal",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.png", help="mask of class ids"
    )
    add_setting_options(parser, _SETTINGS)
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
