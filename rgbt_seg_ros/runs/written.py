"""What a command says of the folder of a run that it has filled."""

from pathlib import Path

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.runs.folder import BAG, METRICS

_FILES = {
    "report.html": "report",
    "overlay.mp4": "overlay video",
    METRICS: "numbers",
    "summary.json": "summary",
    BAG: "masks and detections as a recording",
}


def name_run(folder: Path) -> None:
    """Name the files of a run that are there, as `name_files`; the others lie in the folder, which is named last."""
    found = [(what, folder / name) for name, what in _FILES.items() if (folder / name).exists()]
    name_files(*found, ("all files", folder))
