"""How large and how deep files of text may be, whoever wrote them, and the one way to read one within these bounds."""

import os
import stat
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError

MAX_JSON_BYTES = 16 << 20
"""Of a JSON file, and of one line of JSON lines. The longest ones written here have some hundred kilobytes."""

MAX_LINES_BYTES = 1 << 30
"""Of a file of JSON lines, which is read line by line: a day of a run at 30 Hz."""

MAX_YAML_BYTES = 2 << 20
MAX_YAML_NODES = 200_000
"""Of a YAML file, each alias counted as what it stands for. The metadata.yaml of 5000 split files has 150 000."""

MAX_DEPTH = 64
"""Objects and lists within each other. What is written here has six of them at most."""

MAX_HEADER_BYTES = 8 << 20
"""Of the header of a safetensors file, with its metadata. That of the largest training state has one megabyte."""


def is_file(path: Path) -> bool:
    """Whether there is a regular file; there is none of a name that no file can have, such as one of 300 characters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; see `is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def require_image(path: Path) -> None:
    """Raise `UserError` where no image file is."""
    if not is_file(path):
        raise UserError(f"there is no image {path}: give the path of one")


def require_weights(path: Path) -> None:
    """Raise `UserError` where no file of weights is."""
    if not is_file(path):
        raise UserError(f"there is no file {path}: give the path of a weights file")


def require_recording(path: Path) -> None:
    """Raise `UserError` where no recording is, be it a folder or a file."""
    if not (is_file(path) or is_folder(path)):
        raise UserError(f"there is no recording {path}: give a rosbag2 folder, or a .mcap, .db3 or .bag file")


def require_stream(path: Path) -> None:
    """Raise `UserError` where neither a video nor a folder of images is."""
    if not (is_file(path) or is_folder(path)):
        raise UserError(f"there is no {path}: give a video file or a folder of images")


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        UserError: it cannot be read, is larger, or no regular file (a pipe would be waited for).
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            # As much as is asked for is allocated; files of /proc say that they are empty.
            size = min(most, max(status.st_size, 1 << 16)) + 1
            content = file.read(size) if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    if content is None:
        raise UserError(f"{path} is no regular file: give a file")
    if len(content) > most:
        raise UserError(
            f"{path} has {max(status.st_size, len(content)):,} bytes, and at most {most:,} are read: "
            "it is damaged, or no such file"
        )
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
