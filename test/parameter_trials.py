"""Configures a node with each bad value of a list, to be run as a program: prints one JSON line each.

One process for all of them: what takes time is to start one.
"""

import json
import sys

import rclpy

from rgbt_seg_ros.segmenter_node import SegmenterNode


def configure(overrides: dict[str, str]) -> str:
    """Why a node does not configure with these parameters, given as on the command line; empty if it does."""
    arguments = [word for name, value in overrides.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *arguments])
    node = SegmenterNode()
    node.trigger_configure()
    reason = node._failure
    node.destroy_node()
    rclpy.shutdown()
    return reason


if __name__ == "__main__":
    for overrides in json.loads(sys.argv[1]):
        print(json.dumps(configure(overrides)), flush=True)
