"""One self-contained HTML page about a run, or about two beside each other.

A run is a folder that record, the demo, offline, evaluate_bag or training.evaluate --report has left (see
`rgbt_seg_ros.runs.folder`); nothing else is read; no ROS.
"""

import argparse

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.report_page.write import write_comparison, write_report


def run(args: argparse.Namespace) -> None:
    if args.other is None:
        path = write_report(args.run)
    else:
        path = args.output
        write_comparison(args.run, args.other, path)
    name_files(("report", path))
