"""Make a rosbag2 from RGB and thermal videos or image folders.

Two folders are paired by equal file names where they share any, else by order; names sort naturally (2 before 10).
Videos keep the times of their images, also where the frame rate varies, and folders have 10 images a second, unless
--rate says otherwise. Both streams start at the same time. The stamps begin at a fixed date, so that the same images
always give the same recording.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, positive_number, run_command
from rgbt_seg_ros.base.file_limits import require_stream
from rgbt_seg_ros.settings.options import add_setting_options, read_settings


def _prepare(args: argparse.Namespace) -> Work:
    for path in (args.rgb, args.thermal):
        require_stream(path)
    read_settings(args)
    announce(f"making the recording {args.output} of {args.rgb} and {args.thermal}")
    from rgbt_seg_ros.work.make_bag import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.make_bag`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.make_bag",
        "Make a rosbag2 recording (mcap) of two videos or two folders of images.",
        """
        python -m rgbt_seg_ros.make_bag --rgb rgb.mp4 --thermal thermal.mp4 -o my_bag
        python -m rgbt_seg_ros.make_bag --rgb vi --thermal ir --labels labels --rate 5 -o my_bag
        python -m rgbt_seg_ros.make_bag --rgb images --thermal images -o my_bag
        """,
    )
    parser.add_argument(
        "--rgb", type=Path, required=True, metavar="VIDEO|DIR", help="video or folder of images"
    )
    parser.add_argument(
        "--thermal",
        type=Path,
        required=True,
        metavar="VIDEO|DIR",
        help="likewise, 8 or 16 bit; the folder of --rgb again if the fourth channel of its images is thermal",
    )
    parser.add_argument(
        "--rate",
        type=positive_number,
        metavar="HZ",
        help="images a second (default: a video's own, folders 10)",
    )
    parser.add_argument(
        "--thermal-encoding",
        choices=("mono8", "mono16"),
        help="depth of the thermal images (default: as they are)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="label PNGs with the names of the RGB images, kept in the bag",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BAG", help="folder of the new bag"
    )
    add_setting_options(parser, ("thermal.palette", "thermal.float_unit", "max_pixels"))
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
