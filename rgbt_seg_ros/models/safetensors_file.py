"""Safetensors files of others: opened only if their header is of a size that a header has."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from rgbt_seg_ros.base.file_limits import MAX_HEADER_BYTES

_LENGTH_BYTES = 8


@contextmanager
def open_tensors(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A safetensors file as `safetensors.safe_open` gives it, which checks that header and content fit each other.

    Raises:
        SafetensorError: it is none, or its header is larger than `MAX_HEADER_BYTES`; reading it would take long.
        OSError: it cannot be read.
    """
    if not Path(path).is_file():
        raise SafetensorError("it is no regular file")
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > MAX_HEADER_BYTES:
        raise SafetensorError(
            f"its header claims {length:,} bytes, and at most {MAX_HEADER_BYTES:,} are read"
        )
    with safe_open(path, framework="pt") as file:
        yield file


def shapes_of(file: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of an open file by name; their content is not read."""
    return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (not a dict)
