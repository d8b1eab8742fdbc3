"""The storage files of a recording: MCAP and SQLite of rosbag2, and ROS 1 bags, as they are or compressed; no ROS.

What a file is, is told by its first bytes: names and metadata may be wrong. Messages come out as CDR, whatever it is.
"""

import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol, cast

from rosbags import rosbag1
from rosbags.interfaces import Qos, QosDurability, QosReliability
from rosbags.rosbag1.reader import decompressors
from rosbags.rosbag2 import Reader

from rgbt_seg_ros.bags.bounds import (
    BoundedPath,
    bounded_sqlite,
    check_chunks,
    decompress_bz2,
    decompress_file,
    decompress_lz4,
    decompress_zstd,
)
from rgbt_seg_ros.bags.ros1 import CdrConverter
from rgbt_seg_ros.base.errors import UserError

MCAP, SQLITE, ROS1 = ".mcap", ".db3", ".bag"
"""Kinds of storage files, by the ends of their usual names."""

_ZSTD = ".zstd"
_FIRST_BYTES = {
    b"\x89MCAP0\r\n": MCAP,
    b"SQLite format 3\0": SQLITE,
    b"#ROSBAG V": ROS1,
    b"\x28\xb5\x2f\xfd": _ZSTD,
}
_SUFFIXES = (MCAP, SQLITE, ROS1, ".bag.active")
_COMPRESSED_SUFFIXES = (_ZSTD, ".zst")
_REPAIRS = {
    MCAP: "repair it with `mcap recover {} -o NEW.mcap` and give NEW.mcap",
    SQLITE: "repair it with `sqlite3 {} .recover | sqlite3 NEW.db3` and give NEW.db3",
    ROS1: "repair it with `rosbag reindex {}`",
    _ZSTD: "save its beginning with `zstd -dc {} > NEW` and give NEW",
}
_BOUNDED: dict[Any, Any] = {decompressors["lz4"]: decompress_lz4, decompressors["bz2"]: decompress_bz2}
"""Those of ROS 1 chunks, by rosbags' own."""

_PARSERS_CONFUSED = (
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    MemoryError,
    OverflowError,
)
"""Errors whose messages speak of a parser's inside."""


@dataclass(frozen=True)
class StoredTopic:
    """A topic of a storage file; `type` is no ROS 2 type where its messages cannot be given as CDR of one."""

    name: str
    type: str
    count: int
    latched: bool
    qos: tuple[Qos, ...] = ()


class OpenStorage(Protocol):
    """A storage file that is open for reading; times are nanoseconds of reception, the end is after the last."""

    kind: str
    topics: list[StoredTopic]
    start_ns: int
    end_ns: int

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """Topic, time of reception and CDR of each message of these topics, in order of reception."""
        ...


def uncompressed_name(name: str) -> str:
    """A storage file's name without the end that compression adds."""
    suffix = next((suffix for suffix in _COMPRESSED_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def is_storage_name(name: str) -> bool:
    """Whether a file of this name is one that recorders write messages into."""
    return uncompressed_name(name).lower().endswith(_SUFFIXES) or name.lower().endswith(_ZSTD)


def storage_kind(path: Path) -> str | None:
    """`MCAP`, `SQLITE`, `ROS1` or ``.zstd`` by a file's first bytes, else by its name; None: no storage file."""
    with path.open("rb") as file:
        first = file.read(16)
    for magic, kind in _FIRST_BYTES.items():
        if first.startswith(magic):
            return kind
    if path.name.lower().endswith(_COMPRESSED_SUFFIXES):
        return _ZSTD
    return next((suffix for suffix in (MCAP, SQLITE, ROS1) if path.name.lower().endswith(suffix)), None)


def unpack(path: Path, scratch: Callable[[], Path]) -> Path:
    """The file to be read for a storage file: itself, or what is made of it in a new folder.

    A compressed file is decompressed. A SQLite file is joined with the write-ahead log that a killed recorder left.

    Args:
        path: of the storage file.
        scratch: makes a folder.

    Raises:
        UserError: there is no zstd, or a compressed file becomes far too large. A damaged file has errors of many
            kinds, see `naming_damage`.
    """
    if storage_kind(path) == _ZSTD:
        copy = scratch() / "storage"
        decompress_file(path, copy, shutil.disk_usage(copy.parent).free)
        return copy
    log = Path(f"{path}-wal")
    if storage_kind(path) == SQLITE and log.is_file() and log.stat().st_size:
        copy = scratch() / "storage"
        shutil.copyfile(path, copy)
        shutil.copyfile(log, f"{copy}-wal")
        with closing(sqlite3.connect(copy)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return copy
    return path


@contextmanager
def open_storage(path: Path) -> Iterator[OpenStorage]:
    """Open a storage file as `unpack` gives it; a damaged one has errors of many kinds, see `naming_damage`."""
    kind = storage_kind(path)
    if kind == ROS1:
        bounded = BoundedPath(path)
        with rosbag1.Reader(cast(Any, bounded)) as ros1:
            bounded.lift_budget()
            ros1.chunks = {place: _bounded_chunk(chunk) for place, chunk in ros1.chunks.items()}
            yield _Ros1Storage(ros1)
    elif kind == MCAP:
        bounded = BoundedPath(path)
        mcap: Any = Reader.STORAGE_PLUGINS[kind](cast(Any, bounded))
        mcap.open()
        with closing(mcap):
            bounded.lift_budget()
            check_chunks(mcap.chunks)
            yield _Rosbag2Storage(mcap, kind)
    elif kind == SQLITE:
        database = Reader.STORAGE_PLUGINS[kind](path)
        with bounded_sqlite():
            database.open()
        with closing(database):
            yield _Rosbag2Storage(database, kind)
    else:
        raise ValueError("it holds no recording")


class _Rosbag2Storage:
    def __init__(self, reader: Any, kind: str) -> None:
        self._reader, self.kind = reader, kind
        self.start_ns, self.end_ns = reader.metadata.start_time, reader.metadata.end_time
        # Columns of a database hold values of any type.
        if not (isinstance(self.start_ns, int) and isinstance(self.end_ns, int)):
            raise ValueError("its messages have no times")
        self.topics = [_rosbag2_topic(connection) for connection in reader.connections]

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        connections = [each for each in self._reader.connections if each.topic in topics]
        if not connections:
            return
        for connection, received_ns, data in self._reader.messages(connections):
            if not (isinstance(received_ns, int) and isinstance(data, bytes)):
                raise ValueError(f"a message of {connection.topic} has no time or no content")
            # With `ros2 bag record --compression-mode message` each message is a frame of its own. CDR begins with 0.
            is_compressed = data[:4] == b"\x28\xb5\x2f\xfd"
            yield connection.topic, received_ns, decompress_zstd(data) if is_compressed else bytes(data)


class _Ros1Storage:
    kind = ROS1

    def __init__(self, reader: rosbag1.Reader) -> None:
        self._reader = reader
        self._converter = CdrConverter(reader.connections)
        self.start_ns, self.end_ns = reader.start_time, reader.end_time
        self.topics = [
            StoredTopic(
                name=_absolute(each.topic),
                type=self._converter.target_type(each.msgtype) or f"{each.msgtype} of ROS 1",
                count=each.msgcount,
                latched=bool(getattr(each.ext, "latching", None)),
            )
            for each in reader.connections
        ]

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        connections = [
            each
            for each in self._reader.connections
            if _absolute(each.topic) in topics and self._converter.target_type(each.msgtype)
        ]
        if not connections:
            return
        for connection, received_ns, data in self._reader.messages(connections):
            yield _absolute(connection.topic), received_ns, self._converter.convert(data, connection.msgtype)


def _bounded_chunk(chunk: Any) -> Any:
    return chunk._replace(decompressor=_BOUNDED.get(chunk.decompressor, chunk.decompressor))


def _rosbag2_topic(connection: Any) -> StoredTopic:
    serialization, qos = connection.ext.serialization_format, tuple(connection.ext.offered_qos_profiles)
    name = connection.msgtype
    if not all(isinstance(text, str) for text in (connection.topic, name, serialization)):
        raise ValueError("a topic has no name, type or format")
    if name.count("/") == 1:
        name = name.replace("/", "/msg/")
    return StoredTopic(
        name=connection.topic,
        type=name if serialization == "cdr" else f"{name} in {serialization}",
        count=connection.msgcount,
        latched=is_latched(qos),
        qos=qos,
    )


def is_latched(profiles: Collection[Qos]) -> bool:
    """Whether one of the publishers offered transient-local durability."""
    return any(qos.durability == QosDurability.TRANSIENT_LOCAL for qos in profiles)


def is_best_effort(profiles: Collection[Qos]) -> bool:
    """Whether all publishers, of which there are some, offered best-effort reliability."""
    return bool(profiles) and all(qos.reliability == QosReliability.BEST_EFFORT for qos in profiles)


def _absolute(topic: str) -> str:
    return "/" + topic.lstrip("/")


@contextmanager
def naming_damage(recording: Path, file: Path) -> Iterator[None]:
    """Turn every error in the context into a sentence on a recording: what is wrong with its storage file, what to do.

    Raises:
        UserError: there was an error.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror or error}): allow it, and have room for it in {gettempdir()}"
        ) from error
    except Exception as error:
        # Damaged bytes meet many parsers below (MCAP, SQLite, zstd), each with exceptions of its own.
        reason = (str(error).strip().rstrip(".").splitlines() or [""])[0]
        if not reason or isinstance(error, _PARSERS_CONFUSED):
            reason = "its bytes contradict each other"
        if "Profile is not ros2" in reason:
            raise UserError(
                f"{file} is an MCAP file that no ROS 2 recorder made (its profile is not ros2): give a rosbag2"
            ) from error
        remedy = f"copy it again, or {_REPAIRS[storage_kind(file) or MCAP].format(file)}"
        raise UserError(f"{recording} is damaged or truncated ({reason}): {remedy}") from error
