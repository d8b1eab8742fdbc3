"""The process of the lifecycle node `rgbt_segmenter`: signals, the executor thread, exit codes."""

import argparse
import sys

from rgbt_seg_ros.base.cli import Work, command_parser, require_ros, run_command
from rgbt_seg_ros.ros.arguments import arguments_without_ros


def _prepare(args: argparse.Namespace) -> Work:
    require_ros()
    from rgbt_seg_ros.work.node import run

    return run


def main() -> int:
    """Console entry `segmenter`."""
    parser = command_parser(
        "python3 -m rgbt_seg_ros.node",
        "Segment pairs of RGB and thermal images on ROS topics (lifecycle node rgbt_segmenter).",
        """
        python3 -m rgbt_seg_ros.node --ros-args -r rgb/image:=/cam/image_raw -r thermal/image:=/boson/image_raw
        python3 -m rgbt_seg_ros.node --ros-args -p model:=my.safetensors -p autostart:=true
        python3 -m rgbt_seg_ros.node --ros-args --params-file config/segment.yaml
        """,
    )
    return run_command(parser, _prepare, arguments_without_ros())


if __name__ == "__main__":
    sys.exit(main())
