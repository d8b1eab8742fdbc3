"""One self-contained HTML page about a run, or about two beside each other.

A run is a folder that record, the demo, offline, evaluate_bag or training.evaluate --report has left (see
`rgbt_seg_ros.runs.folder`); nothing else is read; no ROS.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.report_page.write import write_comparison, write_report


def _command(args: argparse.Namespace) -> None:
    if args.other is None:
        path = write_report(args.run)
    else:
        path = args.output
        write_comparison(args.run, args.other, path)
    print(f"report: {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.report`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.report",
        "Write report.html into the folder of a run, or a page that compares two runs of the same images.",
        """
        python -m rgbt_seg_ros.report out/demo
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

    def command(args: argparse.Namespace) -> None:
        if args.output and args.other is None:
            parser.error(
                "-o is for the comparison of two runs; the page of one run is report.html in its folder"
            )
        if args.other is not None and args.output is None:
            args.output = args.other / "comparison.html"
        _command(args)

    return run_command(parser, command, argv)


if __name__ == "__main__":
    sys.exit(main())
