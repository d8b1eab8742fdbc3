"""Score a running node in mode lossless on a recording that is being played, and keep what it published.

`launch/evaluate_bag.launch.py` starts it beside the node. It waits for the recording's images, whoever plays them,
and ends when the node has answered all of them. It leaves the recorder's folder (see `rgbt_seg_ros.runs.folder`) with

    segmentation/    a rosbag2 (mcap) with the node's messages
    metrics.json     the numbers
    report.html      the same page as the demo's
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.cli import Work, announce, command_parser, positive_number, require_ros, run_command
from rgbt_seg_ros.ros.arguments import arguments_without_ros


def _prepare(args: argparse.Namespace) -> Work:
    require_ros()
    from rgbt_seg_ros.bags.recording import Recording

    with interrupts.raised():
        # It may be unpacked.
        recording = Recording(args.bag)
    announce(f"reading {args.bag} and joining the ROS graph")
    from rgbt_seg_ros.work.evaluate_bag import run

    return partial(run, recording=recording)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python3 -m rgbt_seg_ros.evaluate_bag`; ROS arguments are taken from the process's command line."""
    parser = command_parser(
        "python3 -m rgbt_seg_ros.evaluate_bag",
        "Score a running node (mode lossless) on a recording while it is played; numbers, report and a bag come out.",
        """
        python3 -m rgbt_seg_ros.evaluate_bag my_bag -o out/my_bag
        python3 -m rgbt_seg_ros.evaluate_bag my_bag --labels labels -o out/my_bag --ros-args -r rgb/image:=/cam/image
        """,
    )
    parser.add_argument(
        "bag", type=Path, metavar="BAG", help="rosbag2 folder, or .mcap, .db3 or .bag file, being played"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the files")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="label PNGs named by RGB stamp in nanoseconds (default: labels/ in the bag, if there)",
    )
    parser.add_argument(
        "--rgb-topic", metavar="TOPIC", help="the RGB images' topic in the bag (default: found)"
    )
    parser.add_argument(
        "--thermal-topic", metavar="TOPIC", help="the thermal images' topic in the bag (default: found)"
    )
    parser.add_argument(
        "--input-reliability",
        choices=("recorded", "best_effort", "reliable"),
        default="recorded",
        help="what to ask of the cameras' topics (default: what the recording says that they offered)",
    )
    parser.add_argument(
        "--wait",
        type=positive_number,
        default=300.0,
        metavar="S",
        help="seconds without a first image that are an error (default 300)",
    )
    parser.add_argument(
        "--idle",
        type=positive_number,
        default=10.0,
        metavar="S",
        help="seconds without an image, after the first one, that are also taken for the end (default 10)",
    )
    return run_command(parser, _prepare, arguments_without_ros() if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
