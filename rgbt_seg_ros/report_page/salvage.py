"""What is left of a run that was killed, or whose disk was full: what is missing is said, and the rest reported."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rgbt_seg_ros.runs.folder import PICTURE_KINDS, RunFolder, mask_path, picture_path, truth_path

_PNG = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG = b"\xff\xd8", b"\xff\xd9"
"""How whole files begin and end."""


def without_lost(run: RunFolder) -> RunFolder:
    """The run with the frames marked whose files are missing, empty or cut off, and with notes of them.

    A mask that is lost costs its frame on the page; a label or a picture only itself.
    """
    stamps = [mask.stamp_ns for mask in run.masks]
    masks = {stamp: mask_path(run.path, stamp) for stamp in stamps}
    lost = [stamp for stamp, path in masks.items() if not _is_whole(path, _PNG)]
    labels = _cut_off((truth_path(run.path, stamp) for stamp in stamps), _PNG)
    pictures = _cut_off(
        (picture_path(run.path, stamp, kind) for stamp in stamps for kind in PICTURE_KINDS), _JPEG
    )
    notes = list(run.notes)
    if lost:
        place = masks[lost[0]].relative_to(run.path)
        notes.append(
            f"masks missing or cut off: {len(lost)} of {len(stamps)} ({place}), their frames are left out"
        )
    for what, paths in (("labels", labels), ("pictures", pictures)):
        if paths:
            notes.append(
                f"{what} cut off: {len(paths)} ({paths[0].relative_to(run.path)}), they are left out"
            )
    return replace(run, lost=frozenset(lost), damaged=frozenset([*labels, *pictures]), notes=tuple(notes))


def _cut_off(paths: Iterable[Path], ends: tuple[bytes, bytes]) -> list[Path]:
    """Those of the files that are there, and not whole."""
    return [path for path in paths if path.exists() and not _is_whole(path, ends)]


def _is_whole(path: Path, ends: tuple[bytes, bytes]) -> bool:
    first, last = ends
    try:
        with path.open("rb") as file:
            begins = file.read(len(first)) == first
            file.seek(-len(last), 2)
            return begins and file.read() == last
    except OSError:
        return False
