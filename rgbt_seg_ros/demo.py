"""The whole system on this machine: a recording is played, the node segments it, a third process records the result.

Player, node and recorder are processes of their own on a private ROS graph. The node runs in mode lossless, and the
recording is played no faster than this machine segments it; at which rate is said and written down.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, positive_number, require_ros, run_command
from rgbt_seg_ros.base.file_limits import require_recording, require_stream
from rgbt_seg_ros.base.shared_files import resolve_model


def _prepare(args: argparse.Namespace) -> Work:
    require_ros()
    if args.bag:
        require_recording(args.bag)
    for path in filter(None, (args.rgb, args.thermal)):
        require_stream(path)
    resolve_model(args.model)
    what = args.bag or (f"{args.rgb} and {args.thermal}" if args.rgb else "a rendered street")
    announce(f"playing {what} through the node with the model {args.model}; first its speed here is measured")
    from rgbt_seg_ros.work.demo import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.demo`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.demo",
        "Play a recording through the node as three ROS processes and write a report, a video and a summary.",
        """
        python -m rgbt_seg_ros.demo
        python -m rgbt_seg_ros.demo --live
        python -m rgbt_seg_ros.demo --bag my_bag --model my.safetensors -o out/my_bag
        python -m rgbt_seg_ros.demo --rgb rgb.mp4 --thermal thermal.mp4
        """,
    )
    parser.add_argument("--bag", type=Path, help="rosbag2 to play (default: a rendered one)")
    parser.add_argument("--rgb", type=Path, metavar="VIDEO|DIR", help="video or folder of images to play")
    parser.add_argument("--thermal", type=Path, metavar="VIDEO|DIR", help="its thermal video or folder")
    parser.add_argument("--model", default="default", help="model file (default: the packaged one)")
    parser.add_argument(
        "--minutes",
        type=positive_number,
        default=5.0,
        help="play no longer than this, and only the first part of a longer recording (default 5)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="serve the live page while it plays, on this machine alone, and open it where there is a display",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/demo"), metavar="DIR", help="default out/demo"
    )

    def prepare(args: argparse.Namespace) -> Work:
        if (args.rgb is None) != (args.thermal is None) or (args.bag and args.rgb):
            parser.error("give --bag, or both --rgb and --thermal, or none of them")
        return _prepare(args)

    return run_command(parser, prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
