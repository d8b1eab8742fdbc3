"""What `rgbt_seg_ros.node` does once its arguments are known to be good."""

import argparse
import gc
import os

import rclpy

from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.ros.graph import join_graph, spin_until
from rgbt_seg_ros.ros.segmenter_node import SegmenterNode


def run(args: argparse.Namespace) -> None:
    """Run the node until SIGINT or SIGTERM; leaves with code 1 if it cannot start, or loses its inference thread.

    Raises:
        UserError: the Fast DDS profile is not part of the installation.
    """
    prepare_process()
    stop = join_graph()
    node = SegmenterNode()
    try:
        if not node.bring_up():
            raise SystemExit(1)
        spin_until(node, lambda: stop.is_set() or bool(node.fatal), stop)
        if stop.is_set():
            node.get_logger().info(f"{stop.signal_name}: shutting down")
    finally:
        node.shut_down()
        node.destroy_node()
        rclpy.try_shutdown()
        if node.fatal:
            # An inference that hangs in a driver cannot be ended, and Python's own end might wait for it.
            os._exit(1)
        # Python would look through all of torch's objects once more before it ends, which takes longer than the rest
        # of the shutdown; `ros2 launch` escalates to SIGTERM after 5 s on a busy machine.
        gc.freeze()
