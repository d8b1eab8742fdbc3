"""A live view of a running node for a web browser: overlay, cameras, mask, and what the node says of itself.

It only reads, and what nobody looks at it does not subscribe to. Topics can be remapped:
``python3 -m rgbt_seg_ros.watch --ros-args -r rgb/image:=/camera/image_raw -r thermal/image:=/boson/image_raw``.
"""

import argparse
import re
import sys
from collections.abc import Sequence

from rgbt_seg_ros.base.cli import Work, command_parser, require_ros, run_command
from rgbt_seg_ros.ros.arguments import arguments_without_ros

_NAME = r"[A-Za-z][A-Za-z0-9_]*"


def node_name(text: str) -> str:
    """The name of a node, with or without its namespace."""
    if not re.fullmatch(rf"/?({_NAME}/)*{_NAME}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a node's name such as rgbt_segmenter or /robot/seg"
        )
    return text


def pair_name(text: str) -> str:
    """One of a node's `camera_pairs`."""
    if not re.fullmatch(_NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a camera pair's name such as front")
    return text


def port_number(text: str) -> int:
    """A TCP port, or 0."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, not {text}")
    return int(text)


def host_name(text: str) -> str:
    """A name of a machine, as in an address of a web page, without a port."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a machine's name such as robot.example.org")
    return text


def _prepare(args: argparse.Namespace) -> Work:
    require_ros()
    from rgbt_seg_ros.work.watch import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python3 -m rgbt_seg_ros.watch`; ROS arguments are taken from the process's command line."""
    parser = command_parser(
        "python3 -m rgbt_seg_ros.watch",
        "Show a running node in the web browser: overlay, cameras, mask and numbers, until Ctrl-C; it only reads.",
        """
        python3 -m rgbt_seg_ros.watch
        python3 -m rgbt_seg_ros.watch --node /robot/rgbt_segmenter --pair front --port 8081
        python3 -m rgbt_seg_ros.watch --ros-args -r rgb/image:=/camera/image_raw -r thermal/image:=/boson/image_raw
        """,
    )
    parser.add_argument(
        "--node",
        type=node_name,
        default="rgbt_segmenter",
        metavar="NAME",
        help="the node, with its namespace if it has one (default rgbt_segmenter)",
    )
    parser.add_argument(
        "--pair",
        type=pair_name,
        metavar="NAME",
        help="the camera pair, where the node has `camera_pairs`",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="listen on this address (default 127.0.0.1: this machine alone; 0.0.0.0: everyone on its networks)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8080,
        metavar="N",
        help="listen on this port (default 8080; 0: any free one)",
    )
    parser.add_argument(
        "--name",
        type=host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="name of this machine to answer to, besides its addresses, its host name and that with .local; "
        "others are refused, as web sites could read the pictures by them; may be repeated",
    )
    return run_command(parser, _prepare, arguments_without_ros() if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
