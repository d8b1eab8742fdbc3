"""Segment a recording without ROS: every pair, none dropped for time, the same result each time.

The core is the node's: pairing, decoding, segmenter and detections are the same modules with the same defaults.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.bags.choices import STAMPS
from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.shared_files import resolve_model
from rgbt_seg_ros.settings.options import OPTIONS, add_setting_options, read_settings


def _prepare(args: argparse.Namespace) -> Work:
    settings = read_settings(args)
    resolve_model(settings.model)
    from rgbt_seg_ros.bags.recording import Recording

    with interrupts.raised():
        # It may be unpacked.
        recording = Recording(args.bag)
    announce(f"segmenting {args.bag} with the model {settings.model}")
    from rgbt_seg_ros.work.offline import run

    return partial(run, settings=settings, recording=recording)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.offline`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.offline",
        "Segment every pair of a rosbag2 recording without ROS; masks, an mcap, numbers and a report come out.",
        """
        python -m rgbt_seg_ros.offline my_bag --output out/my_bag
        python -m rgbt_seg_ros.offline my_bag --model my.safetensors --labels labels --output out/my_bag
        python -m rgbt_seg_ros.offline my.mcap --rgb-topic /cam/image_raw --thermal-topic /boson/image_raw --output out
        """,
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, or .mcap, .db3 or .bag file")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="label PNGs named by RGB stamp in nanoseconds (default: labels/ in the bag, if there)",
    )
    parser.add_argument(
        "--rgb-topic", metavar="TOPIC", help="default /rgb/image, else the only one with rgb or color"
    )
    parser.add_argument(
        "--thermal-topic",
        metavar="TOPIC",
        help="default /thermal/image, else the only one with thermal or lwir",
    )
    parser.add_argument(
        "--stamps",
        choices=STAMPS,
        default="auto",
        help="time that images are paired by: their header stamps, the bag's time of reception, or auto (default): the "
        "stamps, but the reception where those are all zero, stand still, or go back and forth",
    )
    add_setting_options(parser, tuple(OPTIONS))
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
