"""What `rgbt_seg_ros.record` does once its arguments are known to be good."""

import argparse

import rclpy

from rgbt_seg_ros.ros.graph import join_graph
from rgbt_seg_ros.ros.recorder import record
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.verdict import verdict
from rgbt_seg_ros.runs.written import name_run


def run(args: argparse.Namespace) -> None:
    stop = join_graph()
    try:
        print(f"recording to {args.output}, Ctrl-C ends it", flush=True)
        transports = {"rgb": args.rgb_transport, "thermal": args.thermal_transport}
        record(args.output, args.input_reliability, lambda _: stop.is_set(), args.bag, transports)
    finally:
        rclpy.try_shutdown()
    summary = summarize(read_run(args.output))
    summary.write(args.output / "summary.json")
    print(verdict(summary)[1])
    print(f"python3 -m rgbt_seg_ros.report {args.output} makes a page of it")
    name_run(args.output)
