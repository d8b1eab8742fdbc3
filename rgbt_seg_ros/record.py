"""Record what a running node makes of its cameras: masks, detections, overlay video, latency, diagnostics.

A process of its own, so that the latency is what another process sees: from having an RGB image to having its mask.
The files are described in `rgbt_seg_ros.runs.folder`. Topics can be remapped:
``python3 -m rgbt_seg_ros.record -o DIR --ros-args -r rgb/image:=/camera/image_raw``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, command_parser, require_ros, run_command
from rgbt_seg_ros.ros.arguments import arguments_without_ros


def _prepare(args: argparse.Namespace) -> Work:
    require_ros()
    from rgbt_seg_ros.work.record import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python3 -m rgbt_seg_ros.record`; ROS arguments are taken from the process's command line."""
    parser = command_parser(
        "python3 -m rgbt_seg_ros.record",
        "Record masks, detections, overlay video and latency of a running node until Ctrl-C.",
        """
        python3 -m rgbt_seg_ros.record -o out/run
        python3 -m rgbt_seg_ros.record -o out/run --bag --ros-args -r rgb/image:=/camera/image_raw
        """,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the files")
    parser.add_argument(
        "--input-reliability",
        choices=("best_effort", "reliable"),
        default="best_effort",
        help="what to ask of the cameras' topics (default best_effort, which fits every camera)",
    )
    parser.add_argument(
        "--bag",
        action="store_true",
        help="also write the node's messages as a rosbag2 (mcap) into DIR/segmentation, on the time of the RGB stamps",
    )
    for camera in ("rgb", "thermal"):
        parser.add_argument(
            f"--{camera}-transport",
            choices=("raw", "compressed"),
            default="raw",
            help=f"type of the topic {camera}/image, as the node's parameter {camera}_transport (default raw)",
        )
    return run_command(parser, _prepare, arguments_without_ros() if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
