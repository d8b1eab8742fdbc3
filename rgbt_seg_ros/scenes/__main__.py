"""`python -m rgbt_seg_ros.scenes`: a data set of rendered stills in the layout of MSRS."""

import argparse
import sys
from pathlib import Path

from rgbt_seg_ros.base.cli import (
    Work,
    announce,
    command_parser,
    image_size,
    positive_count,
    run_command,
    seed,
)
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.scenes.conditions import CONDITIONS


def _prepare(args: argparse.Namespace) -> Work:
    if args.stills < 1:
        raise UserError(f"--stills {args.stills}: give a number of at least 1")
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise UserError(f"{args.output} exists and is not an empty folder: give another one with -o")
    announce(f"rendering {args.stills} pairs into {args.output}")
    from rgbt_seg_ros.scenes.data_set import write_data_set

    return write_data_set


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = command_parser(
        "python -m rgbt_seg_ros.scenes",
        "Render RGB-thermal street scenes with exact labels (MFNet's classes) as a data set in the layout of MSRS.",
        """python -m rgbt_seg_ros.scenes -o scenes --stills 500
        python -m rgbt_seg_ros.scenes -o night --stills 40 --condition night --size 240x320 --sheet night.png""",
    )
    parser.add_argument(
        "-o", "--output", "--out", type=Path, required=True, help="folder to write; new or empty"
    )
    parser.add_argument(
        "--stills", type=positive_count, default=100, help="number of pairs (default: %(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="seed of the first pair (default: %(default)s)")
    parser.add_argument(
        "--size", type=image_size, default=(480, 640), help="HxW in pixels (default: 480x640)"
    )
    parser.add_argument("--condition", choices=CONDITIONS, help="one condition for all (default: a mixture)")
    parser.add_argument(
        "--sheet", type=Path, help="also write a picture of the first pairs side by side, PNG"
    )
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
