"""From a run's folder, or two, to one HTML page; no ROS."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import read_json
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.classes import current_names
from rgbt_seg_ros.report_page.comparison import render_comparison
from rgbt_seg_ros.report_page.page import render_report
from rgbt_seg_ros.report_page.salvage import without_lost
from rgbt_seg_ros.runs.folder import RunFolder, read_run, truth_path
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import Summary, SummaryJson

SUMMARIES = ("summary.json", "metrics.json")
SCORE_KEYS, SPLIT_KEYS = ("miou", "labelled_masks"), ("data", "images")
"""What a summary with scores must hold, and one of a data set besides; they cannot be counted anew without labels."""

CLASS_TABLES = ("classes", "iou", "acc")
"""Of a summary, also in its parts: by class."""


def write_report(folder: Path, labels: Mapping[int, Path] | None = None) -> Path:
    """Write report.html into the folder of a run. What is missing in it is said, there and on standard error.

    Args:
        folder: see `rgbt_seg_ros.runs.folder`.
        labels: PNG files of true class ids by stamp, which are kept in the folder, so that the page can be made again.

    Returns:
        the page's path.

    Raises:
        UserError: the folder is not one of a run, or cannot be written; a page that is there stays as it is.
    """
    run, summary = _read(folder)
    path = folder / "report.html"
    for mask in run.masks:
        if labels and mask.stamp_ns in labels:
            write_file(truth_path(folder, mask.stamp_ns), labels[mask.stamp_ns].read_bytes(), folder)
    write_file(path, render_report(run, summary))
    _say_what_is_missing(run)
    return path


def write_comparison(folder_a: Path, folder_b: Path, path: Path) -> None:
    """Write a page about two runs of the same images.

    Raises:
        UserError: one is not a run, they have no frame in common, or the page cannot be written.
    """
    runs = _read(folder_a), _read(folder_b)
    write_file(path, render_comparison(*runs))
    for run, _ in runs:
        _say_what_is_missing(run)


def _read(folder: Path) -> tuple[RunFolder, Summary]:
    """A run and its numbers, with what is missing in it added to the summary's note."""
    run = without_lost(read_run(folder))
    summary = read_summary(run)
    notes = list(run.notes)
    if not any(_has_content(folder / name) for name in SUMMARIES):
        notes.append(
            f"there is no {' or '.join(SUMMARIES)}: the run did not come to its end, what it left is counted"
        )
    said = [*([summary.note] if summary.note else []), *(f"{note[0].upper()}{note[1:]}." for note in notes)]
    return replace(run, notes=tuple(notes)), replace(summary, note=" ".join(said) or None)


def _say_what_is_missing(run: RunFolder) -> None:
    for note in run.notes:
        print(printable(f"{run.path}: {note}"), file=sys.stderr)


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def read_summary(run: RunFolder) -> Summary:
    """The numbers of a run; those that are not written are taken from the run itself.

    Raises:
        UserError: they cannot be read.
    """
    path = next((run.path / name for name in SUMMARIES if _has_content(run.path / name)), None)
    if path is None:
        return summarize(run)
    written = read_json(path, SummaryJson, "run it again")
    missing = [
        *(key for key in SCORE_KEYS if key not in written and ("miou" in written or "split" in written)),
        *(key for key in SPLIT_KEYS if key not in written and "split" in written),
    ]
    if missing:
        raise UserError(f"{path} does not hold what it should of {', '.join(missing)}: run it again")
    return Summary.from_json(_filled(_respelled(written), summarize(run).to_json()))


def _respelled(written: Mapping[str, Any]) -> dict[str, Any]:
    """What is written, with the classes of all its tables in our spelling: older files have others."""
    found: dict[str, Any] = {}
    for key, value in written.items():
        if not isinstance(value, dict):
            found[key] = value
        elif key in CLASS_TABLES:
            found[key] = dict(zip(current_names(list(value)), value.values(), strict=True))
        else:
            found[key] = _respelled(value)
    return found


def _filled(written: Mapping[str, Any], counted: Mapping[str, Any]) -> dict[str, Any]:
    """What is written, with what is missing in it and in its tables as counted."""
    return dict(counted) | {
        key: _filled(value, counted[key]) if isinstance(counted.get(key), dict) else value
        for key, value in written.items()
    }
