"""What `rgbt_seg_ros.watch` does once its arguments are known to be good."""

import argparse

import rclpy

from rgbt_seg_ros.live_view.server import WatchServer
from rgbt_seg_ros.ros.graph import join_graph, spin_until
from rgbt_seg_ros.ros.viewer import Viewer


def run(args: argparse.Namespace) -> None:
    stop = join_graph()
    viewer = Viewer(args.node, args.pair or "")
    try:
        server = WatchServer(args.host, args.port, viewer.pictures, viewer.numbers, args.name)
        server.run()
        if not server.on_loopback:
            print(f"anyone who can reach port {server.server_port} of this machine can see the pictures")
        print(f"watching {viewer.target}: open {server.url} in a browser, Ctrl-C ends it", flush=True)
        spin_until(viewer, stop.is_set, stop)
        server.close()
    finally:
        viewer.destroy_node()
        rclpy.try_shutdown()
