"""Which files of a folder make up one recording."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgbt_seg_ros.bags.storage import is_storage_name, uncompressed_name
from rgbt_seg_ros.base.errors import UserError

# NAME_0.mcap, NAME_1.mcap; ROS 1 puts the date of each part before its number.
_PART = re.compile(r"(.*)_(\d+)\.\w+")
_DATE = re.compile(r"\d{4}(-\d\d){5}")


@dataclass(frozen=True)
class Parts:
    """The storage files of one recording.

    Attributes:
        files: to be read.
        doubtful: of these, those that nobody names: a recorder that was cut off may have left them unfinished.
        faults: what of the list in metadata.yaml is wrong, each a clause.
    """

    files: tuple[Path, ...]
    doubtful: frozenset[Path] = frozenset()
    faults: tuple[str, ...] = ()


def find_parts(folder: Path, named: Sequence[str] | None) -> Parts:
    """The parts of the recording in a folder.

    Args:
        folder: of the recording.
        named: file names in its metadata.yaml, None without one.

    Raises:
        UserError: no storage file, or those of several recordings.
    """
    listed = [folder / name for name in named or () if (folder / name).is_file()]
    missing = [name for name in named or () if not (folder / name).is_file()]
    others = _storage_files(folder, without={uncompressed_name(file.name) for file in listed})
    if listed:
        series = {_series(file) for file in listed if _number(file) is not None}
        added = [file for file in others if _number(file) is not None and _series(file) in series]
        if not added and len(others) == len(missing) == 1:
            added = others
        faults = [f"it names {name}, which is not there" for name in missing]
        faults += [f"it does not name {file.name}" for file in added]
        return Parts((*listed, *added), frozenset(added), tuple(faults))
    if not others:
        if named is None:
            raise UserError(f"{folder} is not a rosbag2, it has no metadata.yaml: give a recording")
        lacking = f"without its {missing[0]}" if missing else "not one .mcap or .db3 file"
        raise UserError(
            f"{folder} holds no messages, {lacking}: copy the recording again, with all its files"
        )
    if len({_series(file) for file in others}) > 1:
        names = ", ".join(file.name for file in others)
        raise UserError(
            f"{folder} holds several recordings ({names}), and no metadata.yaml says which belong together: "
            f"give one of them, for instance {others[0]}"
        )
    if missing:
        return Parts(tuple(others), faults=(f"it names {missing[0]}, which is not there",))
    return Parts(tuple(others), frozenset(others), () if named is None else ("it names no storage file",))


def _storage_files(folder: Path, without: Collection[str]) -> list[Path]:
    """By number; of a file and its compressed copy only the file."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir(), key=lambda file: len(file.name)):
        name = uncompressed_name(file.name)
        # Some systems leave a hidden companion beside every file.
        if file.is_file() and is_storage_name(file.name) and name not in without and name[0] != ".":
            files.setdefault(name, file)
    return sorted(files.values(), key=lambda file: (_number(file) or 0, file.name))


def _series(file: Path) -> str:
    """What the parts of one recording have in common in their names."""
    match = _match(file)
    return _DATE.sub("DATE", match[1]) if match else file.name


def _number(file: Path) -> int | None:
    match = _match(file)
    return int(match[2]) if match else None


def _match(file: Path) -> re.Match[str] | None:
    return _PART.fullmatch(uncompressed_name(file.name).removesuffix(".active"))
