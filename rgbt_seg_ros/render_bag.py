"""Make a recording of rendered street scenes: a rosbag2 with exact labels, the same for the same seed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, positive_number, run_command, seed
from rgbt_seg_ros.scenes.conditions import CONDITIONS


def _prepare(args: argparse.Namespace) -> Work:
    announce(f"rendering {args.duration:g} s of a street into {args.output}")
    from rgbt_seg_ros.work.render_bag import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.render_bag`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.render_bag",
        "Make a rosbag2 recording of rendered RGB-thermal street scenes, with labels.",
        """
        python -m rgbt_seg_ros.render_bag -o rendered_bag
        python -m rgbt_seg_ros.render_bag --seed 7 --duration 20 --conditions night smoke --thermal-bits 16 -o night_bag
        """,
    )
    parser.add_argument("--seed", type=seed, default=0, help="fixes everything (default 0)")
    parser.add_argument(
        "--duration", type=positive_number, default=12.0, metavar="S", help="seconds (default 12)"
    )
    parser.add_argument(
        "--rgb-rate",
        type=positive_number,
        default=10.0,
        metavar="HZ",
        help="RGB images a second (default 10)",
    )
    parser.add_argument(
        "--thermal-rate",
        type=positive_number,
        default=9.0,
        metavar="HZ",
        help="thermal images a second (default 9)",
    )
    parser.add_argument("--thermal-bits", type=int, choices=(8, 16), default=8, help="depth (default 8)")
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=CONDITIONS,
        default=CONDITIONS,
        help="one after another (default all)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BAG", help="folder of the new bag"
    )
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
