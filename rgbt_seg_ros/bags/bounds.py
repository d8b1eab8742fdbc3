"""Bounds on what the bytes of a recording can ask for: the size of pieces, what they decompress to, their index.

Storage files tell lengths of their parts, and rosbags believes them. A few kilobytes can tell of a chunk of terabytes,
decompress to gigabytes, or have an index that names one chunk a thousand times.
"""

import bz2
import importlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rosbags.interfaces import Qos
from rosbags.rosbag2 import storage_mcap, storage_sqlite3
from rosbags.rosbag2.metadata import parse_qos

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.yaml_files import parse_yaml
from rgbt_seg_ros.images.headers.check import MAX_PIXELS

if TYPE_CHECKING:
    from rosbags.rosbag2.metadata import QosDict

MAX_PIECE_BYTES = 4 * MAX_PIXELS + (1 << 20)
"""Of a message or a chunk of messages, decompressed: an RGBA image of the default `max_pixels`, with its header.

Recorders begin a new chunk after a few megabytes; only a larger message makes a larger one.
"""

MAX_RATIO = 200
MIN_FILE_BYTES = 1 << 30
"""A compressed file may become as many times larger, and this large in any case."""

# rosbags depends on them and has brought them along.
_LZ4: Any = importlib.import_module("lz4.frame")
_SQLITE: Any = importlib.import_module("apsw")

_SPARE_BYTES = 16 << 20
_FRAME_STARTS = (b"\x28\xb5\x2f\xfd", b"BZh")
"""Of compressions whose frames may follow each other."""


class TooMuch(ValueError):
    """A recording asks for more than is allowed; the message is a clause."""


class BoundedFile(io.BufferedReader):
    """A file of which no piece is read that is too large, or goes on behind its end.

    Attributes:
        budget: how many more bytes may be read in all; None: as many as one likes. An index that leads to the same
            places again and again spends it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "rb"))
        self._size = path.stat().st_size
        self.budget: int | None = 3 * self._size + _SPARE_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """As that of any file; shorter where it ends."""
        left = max(self._size - self.tell(), 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > MAX_PIECE_BYTES + _SPARE_BYTES:
            raise TooMuch(f"a piece of it has {wanted} bytes, more than {MAX_PIECE_BYTES}")
        if self.budget is not None:
            self.budget -= wanted
            if self.budget < 0:
                raise TooMuch("its index leads to the same places again and again")
        return super().read(wanted)


class BoundedPath:
    """A path as rosbags takes it, which opens as a `BoundedFile`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.opened: BoundedFile | None = None

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it for reading."""
        self.opened = BoundedFile(self._path)
        return self.opened

    def exists(self) -> bool:
        """Whether it is there."""
        return self._path.exists()

    def lift_budget(self) -> None:
        """The index has been read: messages may be read as often as one likes."""
        if self.opened is not None:
            self.opened.budget = None

    def __str__(self) -> str:
        return str(self._path)


def zstd_module() -> Any:
    """The zstd module that rosbags has brought along; which one depends on its version."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return importlib.import_module(name)
    raise UserError("there is no zstd to decompress with: install the package backports.zstd")


def decompress_zstd(data: bytes) -> bytes:
    """Zstandard, up to `MAX_PIECE_BYTES`.

    Raises:
        TooMuch: it becomes larger.
        Exception: it is damaged.
    """
    return _decompress(zstd_module().ZstdDecompressor, data)


def decompress_lz4(data: bytes) -> bytes:
    """LZ4 frames; see `decompress_zstd`."""
    return _decompress(_LZ4.LZ4FrameDecompressor, data)


def decompress_bz2(data: bytes) -> bytes:
    """Bzip2; see `decompress_zstd`."""
    return _decompress(bz2.BZ2Decompressor, data)


def _decompress(make: Callable[[], Any], data: bytes) -> bytes:
    parts: list[bytes] = []
    room = MAX_PIECE_BYTES + 1
    while data:
        decompressor = make()
        piece, data = decompressor.decompress(data, room), b""
        while piece:
            parts.append(piece)
            room -= len(piece)
            if room <= 0:
                raise TooMuch(f"a piece of it decompresses to more than {MAX_PIECE_BYTES} bytes")
            piece = b"" if decompressor.eof else decompressor.decompress(b"", room)
        if not decompressor.eof:
            raise ValueError("a compressed piece of it is cut short")
        rest = decompressor.unused_data or b""
        if rest.startswith(_FRAME_STARTS):
            data = rest
    return parts[0] if len(parts) == 1 else b"".join(parts)


def decompress_file(source: Path, target: Path, free_bytes: int) -> None:
    """Decompress a Zstandard file.

    Raises:
        UserError: it becomes far larger than recordings do, or there is no room for it.
        Exception: it is damaged.
    """
    limit = max(MAX_RATIO * source.stat().st_size, MIN_FILE_BYTES)
    written = 0
    with zstd_module().open(source, "rb") as stream, target.open("wb") as file:
        while block := stream.read(1 << 20):
            written += len(block)
            if written > limit:
                raise UserError(
                    f"{source} decompresses to more than {limit} bytes, which no recording of its size does: "
                    f"if it is one nevertheless, decompress it with `zstd -d {source}` and give that"
                )
            if written > free_bytes - _SPARE_BYTES:
                raise UserError(
                    f"there is no room to decompress {source} in {target.parent}: it has {free_bytes} bytes free"
                )
            file.write(block)


def check_chunks(chunks: Iterable[Any]) -> None:
    """Refuse an MCAP index whose chunks lie in each other, or must be decompressed all at once.

    Args:
        chunks: those of rosbags; messages of chunks whose times overlap are put in order in memory.

    Raises:
        TooMuch: see above.
    """
    places = sorted((chunk.chunk_start_offset, chunk.chunk_length) for chunk in chunks)
    end = 0
    for start, length in places:
        if start < end:
            raise TooMuch("its index names a chunk twice")
        end = start + length
    steps = [(chunk.message_start_time, 1, chunk.uncompressed_size) for chunk in chunks]
    steps += [(chunk.message_end_time, 2, -chunk.uncompressed_size) for chunk in chunks]
    at_once = 0
    for *_, change in sorted(steps):
        at_once += change
        if at_once > MAX_PIECE_BYTES:
            raise TooMuch(f"chunks of more than {MAX_PIECE_BYTES} bytes overlap in time")


@contextmanager
def bounded_sqlite() -> Iterator[None]:
    """Databases that are opened within give no value that is too large, whatever their tables compute."""

    def limit(connection: Any) -> None:
        connection.limit(_SQLITE.SQLITE_LIMIT_LENGTH, MAX_PIECE_BYTES)

    _SQLITE.connection_hooks.append(limit)
    try:
        yield
    finally:
        _SQLITE.connection_hooks.remove(limit)


def _parse_qos(dcts: "list[QosDict] | str") -> list[Qos]:
    """As rosbags does, which takes minutes for lists within lists within lists."""
    return parse_qos(parse_yaml(dcts) if isinstance(dcts, str) and dcts else dcts)


# rosbags has no options for these.
storage_mcap.DECOMPRESSORS["zstd"] = lambda data, size: decompress_zstd(data)
storage_mcap.DECOMPRESSORS["lz4"] = lambda data, size: decompress_lz4(data)
storage_mcap.parse_qos = _parse_qos
storage_sqlite3.parse_qos = _parse_qos
