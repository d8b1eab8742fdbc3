"""Play a rosbag2 as ROS 2 topics, for machines without `ros2 bag`: same timing, same bytes, same stamps.

Messages are published as the serialized bytes in the bag, so nothing is decoded or copied field by field. Names can
be remapped: ``python3 -m rgbt_seg_ros.play BAG --ros-args -r /rgb/image:=/camera/image_raw``.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.bags.choices import STAMPS
from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.cli import (
    Work,
    announce,
    command_parser,
    number,
    positive_count,
    positive_number,
    require_ros,
    run_command,
)
from rgbt_seg_ros.ros.arguments import arguments_without_ros


def _prepare(args: argparse.Namespace) -> Work:
    require_ros()
    from rgbt_seg_ros.bags.recording import Recording

    with interrupts.raised():
        # It may be unpacked.
        recording = Recording(args.bag)
    if not args.describe:
        announce(f"reading {args.bag} and joining the ROS graph")
    from rgbt_seg_ros.work.play import run

    return partial(run, recording=recording)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python3 -m rgbt_seg_ros.play`; ROS arguments are taken from the process's command line."""
    parser = command_parser(
        "python3 -m rgbt_seg_ros.play",
        "Play a rosbag2 recording as ROS 2 topics.",
        """
        python3 -m rgbt_seg_ros.play my_bag
        python3 -m rgbt_seg_ros.play my_bag --rate 0.5 --loop 3 --clock
        python3 -m rgbt_seg_ros.play my_bag --ros-args -r /rgb/image:=/camera/image_raw
        """,
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, or .mcap, .db3 or .bag file")
    parser.add_argument(
        "--rate", type=positive_number, default=1.0, metavar="R", help="speed (default 1: as recorded)"
    )
    parser.add_argument(
        "--loop", type=positive_count, default=1, metavar="N", help="play N times; stamps repeat (default 1)"
    )
    parser.add_argument(
        "--playback-duration",
        type=positive_number,
        default=math.inf,
        metavar="S",
        help="play the first S seconds of the recording (default: all)",
    )
    parser.add_argument(
        "--stamps",
        choices=STAMPS,
        default="header",
        help="stamps of images: their own (default), the bag's time of reception, or auto: their own, but the latter "
        "where those are all zero, stand still, or go back and forth",
    )
    parser.add_argument("--clock", action="store_true", help="publish the recording's time on /clock")
    parser.add_argument(
        "--best-effort",
        action="store_true",
        help="publish as cameras may do, without repeating what was lost",
    )
    parser.add_argument(
        "--wait-for-subscribers",
        type=number,
        default=30.0,
        metavar="S",
        help="seconds to wait for subscribers (default 30; 0 plays at once)",
    )
    parser.add_argument(
        "--subscriptions",
        type=positive_count,
        default=1,
        metavar="N",
        help="how many subscriptions to all topics together to wait for (default 1)",
    )
    parser.add_argument(
        "--describe",
        action="store_true",
        help="play nothing, and print as JSON which topics hold the cameras' images, their type and reliability",
    )
    for camera in ("rgb", "thermal"):
        parser.add_argument(
            f"--{camera}-topic",
            metavar="TOPIC",
            help=f"for --describe: the {camera} images' topic (default: found)",
        )
    return run_command(parser, _prepare, arguments_without_ros() if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
