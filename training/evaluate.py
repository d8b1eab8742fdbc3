"""Scores of a model file on a split of a data set: table, JSON and pictures, by one process or torchrun's several."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.shared_files import resolve_model
from rgbt_seg_ros.images.choices import PALETTES

from .config.schema import DATA_NAMES, MODALITIES, PROTOCOLS


def _png(text: str) -> Path:
    """Refuse now what the pictures could not be written to after hours of scoring."""
    if Path(text).suffix != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png")
    return Path(text)


def _prepare(args: argparse.Namespace) -> Work:
    resolve_model(args.model)
    from .data.sources import open_dataset

    source = open_dataset(args.data, args.root, args.split, args.thermal, args.thermal_palette)
    announce(f"scoring the model {args.model} on {args.data} {args.split}")
    from .work.evaluate import run

    return partial(run, source=source)


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.evaluate",
        "Score a model on a split of a data set: IoU and accuracy by class, means, day and night.",
        """python -m training.evaluate --model default --data msrs --root DIR --split val --json scores.json
        python -m training.evaluate --model runs/a/best.safetensors --data mfnet --root DIR --modality all
        python -m training.evaluate --model fmb.safetensors --data fmb --root DIR --protocol official --tta
        python -m training.evaluate --model default --data msrs --root DIR --confusion matrix.png --report out/val
        torchrun --nproc-per-node 2 -m training.evaluate --model default --data mfnet --root DIR""",
    )
    parser.add_argument("--model", default="default", help="model file, or 'default' (packaged)")
    parser.add_argument("--data", required=True, choices=DATA_NAMES, help="data set; folder: your own")
    parser.add_argument("--root", required=True, help="folder of the data set, or the YAML file of your own")
    parser.add_argument("--split", default="test", help="part of the data set (default: test)")
    parser.add_argument(
        "--thermal",
        default="8bit",
        choices=("8bit", "16bit"),
        help="which thermal images, as in training; 16bit for PST900 alone (default: 8bit)",
    )
    parser.add_argument(
        "--thermal-palette",
        default="auto",
        choices=PALETTES,
        metavar="NAME",
        help=f"false colours of thermal images: {', '.join(PALETTES)} (default: auto)",
    )
    parser.add_argument(
        "--protocol",
        default="native",
        choices=PROTOCOLS,
        help="native: labels as they are, means over the classes that have labels; official: as in the papers' "
        "tables, classes without labels count 0: for SHIFNet images and labels resized (FMB 1024x1376, PST900 "
        "736x1280), for SARTM images padded to 1280x1280, its mask decoder alone (default: native)",
    )
    parser.add_argument(
        "--head",
        choices=("mask", "auxiliary", "mean"),
        help="which path of SARTM answers (default: what its model file says; with official: mask)",
    )
    parser.add_argument(
        "--tta", action="store_true", help="average over six scales (0.5 to 1.75) and the mirrored image"
    )
    parser.add_argument(
        "--modality",
        default="both",
        choices=(*MODALITIES, "all"),
        help="give the model only this one; all: each and both, a column for each (default: both)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "-o", "--output", "--json", dest="json", metavar="FILE", help="write the scores to this file"
    )
    parser.add_argument(
        "--confusion", type=_png, metavar="PNG", help="write a picture of the confusion matrix"
    )
    parser.add_argument(
        "--sheet",
        type=_png,
        metavar="PNG",
        help="write a picture of the best and the worst images, labels and predictions",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write a page for people, report.html, and its files into this folder",
    )
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
