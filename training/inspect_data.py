"""Check a data set on disk: `python -m training.inspect_data --data NAME --root DIR`."""

import argparse
import sys
from collections.abc import Sequence

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.images.choices import PALETTES

from .config.schema import DATA_NAMES


def _prepare(args: argparse.Namespace) -> Work:
    announce(f"reading the data set in {args.root}")
    from .work.inspect_data import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m training.inspect_data`."""
    parser = command_parser(
        "python -m training.inspect_data",
        "Check a data set on disk: counts, sizes, label values, missing and unreadable files, shares of classes.",
        """python -m training.inspect_data --data mfnet --root DIR
        python -m training.inspect_data --data pst900 --root DIR --thermal 16bit --sheet pst900.png --json pst900.json
        python -m training.inspect_data --data fmb --root DIR --write-val-list config/splits/fmb_val.txt""",
    )
    parser.add_argument("--data", required=True, choices=DATA_NAMES, help="data set; folder: your own")
    parser.add_argument("--root", required=True, help="folder of the data set, or the YAML file of your own")
    parser.add_argument(
        "--thermal",
        default="8bit",
        choices=("8bit", "16bit"),
        help="which thermal images (16bit: PST900 alone; default: 8bit)",
    )
    parser.add_argument(
        "--thermal-palette",
        default="auto",
        choices=PALETTES,
        metavar="NAME",
        help=f"false colours of thermal images: {', '.join(PALETTES)} (default: auto)",
    )
    parser.add_argument("--sheet", metavar="PNG", help="draw samples and a histogram of the classes")
    parser.add_argument(
        "-o",
        "--output",
        "--json",
        dest="json",
        metavar="FILE",
        help="write everything that was found to this file",
    )
    parser.add_argument(
        "--write-val-list",
        metavar="FILE",
        help="write the names of the validation images, chosen by rule among the training images",
    )
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
