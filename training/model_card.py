"""A model's card for people, docs/model_card.md: what its file tells of itself, its scores, and what a person wrote."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command, whole_number
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_file
from rgbt_seg_ros.base.shared_files import resolve_model

from .config.schema import DATA_NAMES


def _prepare(args: argparse.Namespace) -> Work:
    if args.rendered < 1:
        raise UserError(f"--rendered {args.rendered}: give a number of at least 1")
    if not is_file(args.notes):
        raise UserError(
            f"there is no file {args.notes}: give Markdown of what numbers do not tell with --notes"
        )
    resolve_model(args.model)
    from .data.sources import open_dataset

    source = open_dataset(args.data, args.root, args.split)
    announce(f"scoring the model {args.model} on {args.data} {args.split} for its card")
    from .work.model_card import run

    return partial(run, source=source)


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.model_card",
        "Write a model's card in Markdown: its file, its scores by class, modality, day and night on real and on "
        "rendered images, its training, and notes of a person on its use and its faults.",
        """python -m training.model_card --model default --data msrs --root DIR --split val \\
            --notes config/train/nano/shifnet_msrs.md -o docs/model_card.md""",
    )
    parser.add_argument("--model", default="default", help="model file, or 'default' (packaged)")
    parser.add_argument("--title", default="the packaged model", help="name in the headline")
    parser.add_argument("--data", required=True, choices=DATA_NAMES, help="data set; folder: your own")
    parser.add_argument("--root", required=True, help="folder of the data set, or the YAML file of your own")
    parser.add_argument("--split", default="val", help="part of the data set (default: %(default)s)")
    parser.add_argument(
        "--rendered",
        type=whole_number,
        default=50,
        help="rendered stills to score on, where the classes are theirs (default: %(default)s)",
    )
    parser.add_argument(
        "--notes", type=Path, required=True, help="Markdown that goes first: use, data, faults seen"
    )
    parser.add_argument("-o", "--output", "--out", type=Path, required=True, help="file to write, Markdown")
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
