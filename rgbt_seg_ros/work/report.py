"""What `rgbt_seg_ros.report` does once its arguments are known to be good."""

import argparse
import os
from importlib import import_module

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.report_page.format import plural
from rgbt_seg_ros.report_page.salvage import without_lost
from rgbt_seg_ros.report_page.write import write_comparison, write_report
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.rerun_file import write_rerun_file


def run(args: argparse.Namespace) -> None:
    if args.rerun is not None:
        # Its errors come to us as well, who tell them in one sentence.
        os.environ.setdefault("RUST_LOG", "off")
        # That it is missing is to be known before anything is written.
        import_module("rerun")
    if args.other is None:
        path = write_report(args.run)
    else:
        path = args.output
        write_comparison(args.run, args.other, path)
    if args.rerun is not None:
        frames = write_rerun_file(without_lost(read_run(args.run)), args.rerun)
        print(f"{plural(frames, 'frame')} for Rerun: `rerun {args.rerun}` opens them")
    name_files(("report", path), ("for Rerun", args.rerun))
