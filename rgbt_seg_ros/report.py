"""One self-contained HTML page about a run, or about two beside each other.

A run is a folder that record, the demo, offline, evaluate_bag or training.evaluate --report has left (see
`rgbt_seg_ros.runs.folder`); nothing else is read; no ROS.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command


def _prepare(args: argparse.Namespace) -> Work:
    runs = [args.run] if args.other is None else [args.run, args.other]
    announce(f"reading {' and '.join(map(str, runs))}")
    from rgbt_seg_ros.work.report import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.report`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.report",
        "Write report.html into the folder of a run, or a page that compares two runs of the same images.",
        """
        python -m rgbt_seg_ros.report out/demo
        python -m rgbt_seg_ros.report out/demo --rerun out/demo.rrd
        python -m rgbt_seg_ros.report out/before out/after -o comparison.html
        """,
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="folder of record, demo, offline, or evaluate --report"
    )
    parser.add_argument(
        "other", type=Path, metavar="OTHER", nargs="?", help="a second run, to compare the first with"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="page of a comparison (default comparison.html in the second run's folder)",
    )

    parser.add_argument(
        "--rerun",
        type=Path,
        metavar="FILE.rrd",
        help="also write the run for Rerun's viewer; needs `pip install 'rgbt_seg_ros[rerun]'`",
    )

    def prepare(args: argparse.Namespace) -> Work:
        if args.rerun and args.other is not None:
            parser.error("--rerun is for one run: give it with each of them")
        if args.output and args.other is None:
            parser.error(
                "-o is for the comparison of two runs; the page of one run is report.html in its folder"
            )
        if args.other is not None and args.output is None:
            args.output = args.other / "comparison.html"
        return _prepare(args)

    return run_command(parser, prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
