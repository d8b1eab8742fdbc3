"""One self-contained HTML page about a run, or about two beside each other.

A run is a folder that record, the demo, offline, evaluate_bag or training.evaluate --report has left (see
`rgbt_seg_ros.run_folder`); nothing else is read; no ROS.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.report_comparison import render_comparison
from rgbt_seg_ros.report_page import render_report
from rgbt_seg_ros.run_folder import read_run, truth_path

SUMMARIES = ("summary.json", "metrics.json")


def write_report(folder: Path, labels: Mapping[int, Path] | None = None) -> Path:
    """Write report.html into the folder of a run that has its numbers.

    Args:
        folder: see `rgbt_seg_ros.run_folder`.
        labels: PNG files of true class ids by stamp, which are kept in the folder, so that the page can be made again.

    Returns:
        the page's path.

    Raises:
        UserError: the folder is not one of a run, or has no summary.
    """
    run = read_run(folder)
    for mask in run.masks:
        if labels and mask.stamp_ns in labels:
            shutil.copyfile(labels[mask.stamp_ns], truth_path(folder, mask.stamp_ns))
    path = folder / "report.html"
    path.write_text(render_report(run, read_summary(folder)))
    return path


def write_comparison(folder_a: Path, folder_b: Path, path: Path) -> None:
    """Write a page about two runs of the same images.

    Raises:
        UserError: one is not a run, they have no frame in common, or the page cannot be written.
    """
    runs = [(read_run(folder), read_summary(folder)) for folder in (folder_a, folder_b)]
    page = render_comparison(*runs)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}): choose another -o") from None


def read_summary(folder: Path) -> dict[str, Any]:
    """The numbers of a run.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    for name in SUMMARIES:
        if (folder / name).is_file():
            try:
                summary: dict[str, Any] = json.loads((folder / name).read_text())
            except (OSError, json.JSONDecodeError) as error:
                raise UserError(f"{folder / name} cannot be read ({error}): run it again") from None
            return summary
    raise UserError(
        f"{folder} has no {' or '.join(SUMMARIES)}: the run did not come to its end, run it again"
    )


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
