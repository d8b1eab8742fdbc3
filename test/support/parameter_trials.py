"""Brings a node up with each bad value of a list, and ends it, to be run as a program: prints one JSON line each.

One process for all of them: what takes time is to start one.
"""

import gc
import json
import sys

import rclpy

from rgbt_seg_ros.ros.segmenter_node import SegmenterNode


def bring_up_and_end(overrides: dict[str, str]) -> dict[str, str]:
    """What becomes of a node with these parameters, given as on the command line.

    Returns:
        How configure and activate went, of which one has failed, and for which ``reason``; after a failed activate also
        how cleanup went; how the shutdown went.
    """
    arguments = [word for name, value in overrides.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *arguments])
    node = SegmenterNode()
    done = {"configure": node.trigger_configure().name}
    if done["configure"] == "SUCCESS":
        done["activate"] = node.trigger_activate().name
        reason = node._failure
        done["cleanup"] = node.trigger_cleanup().name
    else:
        reason = node._failure
    done["shutdown"] = node.trigger_shutdown().name
    node.destroy_node()
    rclpy.shutdown()
    return {**done, "reason": reason}


if __name__ == "__main__":
    # Each shutdown collects garbage, and would look through all of torch's objects.
    gc.freeze()
    for overrides in json.loads(sys.argv[1]):
        print(json.dumps(bring_up_and_end(overrides)), flush=True)
