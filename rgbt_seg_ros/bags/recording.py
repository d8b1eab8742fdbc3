"""A recording on disk: its topics, and its messages in order of reception; no ROS.

It is a rosbag2 folder, a folder of ROS 1 bags, or one storage file. Messages and topics are those of the storage files:
a metadata.yaml that says otherwise, as after an interrupted recording or a conversion, is not believed.
"""

import hashlib
import heapq
import shutil
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from rgbt_seg_ros.bags.metadata import Metadata, disagreements, read_metadata
from rgbt_seg_ros.bags.parts import Parts, find_parts
from rgbt_seg_ros.bags.storage import (
    StoredTopic,
    is_best_effort,
    is_latched,
    naming_damage,
    open_storage,
    storage_kind,
    unpack,
)
from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import require_recording
from rgbt_seg_ros.base.text import printable


@dataclass(frozen=True)
class Topic:
    """One topic of a recording.

    Attributes:
        name, type: in ROS 2.
        count: of messages.
        latched: one of its publishers offered transient-local durability.
        best_effort: all of its publishers offered best-effort reliability, as far as is known.
    """

    name: str
    type: str
    count: int
    latched: bool
    best_effort: bool = False


@dataclass(frozen=True)
class RecordedMessage:
    """One message as it was received: CDR bytes, and the time of reception in nanoseconds."""

    topic: Topic
    received_ns: int
    data: bytes


@dataclass(frozen=True)
class _Part:
    """A storage file, the file to read for it, and what it says of itself; times of reception in nanoseconds."""

    file: Path
    unpacked: Path
    kind: str
    topics: tuple[StoredTopic, ...]
    start_ns: int
    end_ns: int


class Recording:
    """A recording on disk; no file is kept open between calls, what is compressed is decompressed once.

    What is wrong with a recording that can be read nevertheless is said once on standard error.

    Attributes:
        path: the recording's folder or file.
        topics: by name.
        duration_s: time from the first message to the last in seconds, of all topics.
        notes: what was said on standard error.
    """

    def __init__(self, path: str | Path) -> None:
        """Read what the recording holds.

        Raises:
            UserError: there is no such path, it is no recording, or it is damaged.
        """
        self.path = Path(path)
        self.notes: list[str] = []
        require_recording(self.path)
        metadata = read_metadata(self.path) if self.path.is_dir() else None
        self._parts = self._open_folder(metadata) if self.path.is_dir() else [self._open_file()]
        self.topics = _topics(self._parts, metadata)
        filled = [part for part in self._parts if any(topic.count for topic in part.topics)]
        spans = [(part.start_ns, part.end_ns) for part in filled]
        self.duration_s = (
            (max(end for _, end in spans) - min(start for start, _ in spans)) / 1e9 if spans else 0.0
        )
        self.notes = [printable(note) for note in self.notes]
        for note in self.notes:
            print(note, file=sys.stderr)

    def messages(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """All messages of the given topics in order of reception.

        Raises:
            UserError: the recording is damaged, or holds fewer messages than it says.
        """
        for parts in _in_turn(self._parts):
            # Parts that were recorded at the same time are merged, others follow each other.
            streams = [self._part_messages(part, topics) for part in parts]
            for name, received_ns, data in heapq.merge(*streams, key=itemgetter(1)):
                yield RecordedMessage(self.topics[name], received_ns, data)

    def content_hash(self) -> str:
        """SHA-256 (hexadecimal) over the contents of the storage files, in order of their names."""
        digest = hashlib.sha256()
        for name in sorted(part.file for part in self._parts):
            with name.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def _open_file(self) -> _Part:
        with naming_damage(self.path, self.path):
            kind = storage_kind(self.path)
        if kind is None:
            raise UserError(
                f"{self.path} is not a recording: give a rosbag2 folder, or a .mcap, .db3 or .bag file"
            )
        return self._open_part(self.path)

    def _open_folder(self, metadata: Metadata | None) -> list[_Part]:
        parts = find_parts(self.path, None if metadata is None else metadata.files)
        opened, unread = self._open_parts(parts)
        names = " and ".join(part.file.name for part in opened)
        if len(opened) > 3:
            names = f"{opened[0].file.name} to {opened[-1].file.name}"
        left_out = "".join(f"; {file.name} is unfinished and left out" for file in unread)
        if metadata is None:
            self.notes.append(f"{self.path} has no metadata.yaml, {names} is read without it{left_out}")
            return opened
        topics = [topic for part in opened for topic in part.topics]
        kinds = {part.kind for part in opened}
        faults = [*metadata.faults, *parts.faults, *disagreements(metadata, topics, kinds)]
        if faults or unread:
            reasons = ", ".join(dict.fromkeys(faults))
            self.notes.append(
                f"{self.path / 'metadata.yaml'} is not believed ({reasons}), {names} is read without it{left_out}"
            )
        return opened

    def _open_parts(self, parts: Parts) -> tuple[list[_Part], list[Path]]:
        """The parts that can be read, and files that a recorder was cut off in, which are left out."""
        opened: list[_Part] = []
        for place, file in enumerate(parts.files):
            try:
                opened.append(self._open_part(file))
            except UserError:
                is_last = place == len(parts.files) - 1
                if not (is_last and opened and file in parts.doubtful):
                    raise
                return opened, [file]
        return opened, []

    def _open_part(self, file: Path) -> _Part:
        with naming_damage(self.path, file):
            unpacked = unpack(file, self._scratch_folder)
            with open_storage(unpacked) as storage:
                topics = tuple(storage.topics)
                return _Part(file, unpacked, storage.kind, topics, storage.start_ns, storage.end_ns)

    def _scratch_folder(self) -> Path:
        """A folder that lasts as long as this object."""
        folder = tempfile.mkdtemp(prefix="rgbt_seg_ros_")
        remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        interrupts.at_once.append(remove)
        return Path(folder)

    def _part_messages(self, part: _Part, topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        expected = sum(topic.count for topic in part.topics if topic.name in topics)
        if expected == 0:
            return
        found = 0
        with naming_damage(self.path, part.file), open_storage(part.unpacked) as storage:
            for message in storage.messages(topics):
                found += 1
                yield message
            if found < expected:
                raise ValueError(f"it holds {found} of {expected} messages")


def _topics(parts: list[_Part], metadata: Metadata | None) -> dict[str, Topic]:
    stored: dict[str, list[StoredTopic]] = {}
    for part in parts:
        for topic in part.topics:
            stored.setdefault(topic.name, []).append(topic)
    topics = {}
    for name, entries in stored.items():
        types = {entry.type for entry in entries}
        qos = [profile for entry in entries for profile in entry.qos]
        if metadata is not None and not qos:
            # Old recorders kept the QoS in metadata.yaml alone.
            qos = list(metadata.qos.get(name) or ())
        latched = any(entry.latched for entry in entries) or is_latched(qos)
        count = sum(entry.count for entry in entries)
        kind = types.pop() if len(types) == 1 else "mixed types"
        topics[name] = Topic(name, kind, count, latched, is_best_effort(qos))
    return topics


def _in_turn(parts: list[_Part]) -> Iterator[list[_Part]]:
    """Parts in order of time; those that overlap come together."""
    together: list[_Part] = []
    end_ns = 0
    for part in sorted(parts, key=lambda part: part.start_ns):
        # The end is a nanosecond after the last message.
        if together and part.start_ns >= end_ns:
            yield together
            together = []
        together.append(part)
        end_ns = max(end_ns, part.end_ns)
    if together:
        yield together
