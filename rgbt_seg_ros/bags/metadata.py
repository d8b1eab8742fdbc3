"""What a rosbag2's metadata.yaml says, without believing it: which files belong together, and what was recorded."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeGuard

from rosbags.interfaces import Qos
from rosbags.rosbag2.metadata import parse_qos

from rgbt_seg_ros.bags.storage import MCAP, SQLITE, StoredTopic
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import quoted
from rgbt_seg_ros.base.yaml_files import parse_yaml, read_yaml_text

NEWEST_VERSION = 9
"""Of metadata.yaml that is known; later ones are read like it."""

_STORAGE_KINDS = {"mcap": MCAP, "sqlite3": SQLITE}


@dataclass(frozen=True)
class Metadata:
    """What is used of a metadata.yaml; all of it may be wrong.

    Attributes:
        files: names of the storage files.
        storage_kind: of these files, see `rgbt_seg_ros.bags.storage`; None if that is not known.
        message_count: of all topics; None if it is not known.
        counts: messages by topic.
        qos: offered profiles by topic; None of a topic whose profiles cannot be read.
        faults: what is wrong with it at first sight, each a clause.
    """

    files: tuple[str, ...] = ()
    storage_kind: str | None = None
    message_count: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    qos: Mapping[str, tuple[Qos, ...] | None] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def read_metadata(folder: Path) -> Metadata | None:
    """The metadata of a recording; None if there is no metadata.yaml."""
    path = folder / "metadata.yaml"
    if not path.is_file():
        return None
    try:
        information = parse_yaml(read_yaml_text(path))["rosbag2_bagfile_information"]
        if not isinstance(information, dict):
            raise TypeError
    except (UserError, ValueError, TypeError, KeyError):
        return Metadata(faults=("it is damaged",))
    faults = []
    version, identifier = information.get("version"), information.get("storage_identifier")
    if not _is_count(version):
        faults.append("it has no version")
    elif version > NEWEST_VERSION:
        faults.append(f"its version is {version}")
    if not isinstance(identifier, str) or identifier not in _STORAGE_KINDS:
        faults.append(f"its storage_identifier is {quoted(identifier or '')}")
    count = information.get("message_count")
    counts: dict[str, int] = {}
    qos: dict[str, tuple[Qos, ...] | None] = {}
    for topic in _list(information, "topics_with_message_count"):
        try:
            name, number = str(topic["topic_metadata"]["name"]), topic["message_count"]
            if not _is_count(number):
                raise ValueError
            counts[name] = number
            qos[name] = _offered_qos(topic["topic_metadata"])
        except (TypeError, KeyError, ValueError):
            faults.append("it lists a topic incompletely")
    return Metadata(
        files=tuple(PurePath(str(name)).name for name in _list(information, "relative_file_paths")),
        storage_kind=_STORAGE_KINDS.get(identifier) if isinstance(identifier, str) else None,
        message_count=count if _is_count(count) else None,
        counts=counts,
        qos=qos,
        faults=tuple(dict.fromkeys(faults)),
    )


def disagreements(metadata: Metadata, topics: Sequence[StoredTopic], kinds: set[str]) -> list[str]:
    """What the storage files say otherwise, each a clause.

    Args:
        metadata: of the recording.
        topics: of all its storage files; one that lies in several comes several times.
        kinds: of these files, see `rgbt_seg_ros.bags.storage`.
    """
    found = []
    if metadata.storage_kind is not None and {metadata.storage_kind} != kinds:
        found.append(f"its storage_identifier is not that of {' and '.join(sorted(kinds))} files")
    counts: Counter[str] = Counter()
    offered: dict[str, set[tuple[Qos, ...]]] = defaultdict(set)
    for topic in topics:
        counts[topic.name] += topic.count
        offered[topic.name].add(topic.qos)
    stored = sum(counts.values())
    if metadata.message_count is not None and metadata.message_count != stored:
        found.append(f"it counts {metadata.message_count} messages where {stored} are stored")
    elif +counts != +Counter(metadata.counts):
        told = Counter(metadata.counts)
        other = next(name for name in {**counts, **told} if counts[name] != told[name])
        found.append(f"it counts {told[other]} messages of {other} where {counts[other]} are stored")
    for name, qos in metadata.qos.items():
        # Old recorders kept no QoS in their storage files.
        if offered.get(name, {()}) != {()} and qos not in offered[name]:
            found.append(f"its QoS of {name} is another")
            break
    return found


def _is_count(value: Any) -> TypeGuard[int]:
    """Whether it is a number that a recorder may have counted to."""
    return isinstance(value, int) and 0 <= value < 1 << 63


def _list(information: Mapping[str, Any], key: str) -> list[Any]:
    value = information.get(key)
    return value if isinstance(value, list) else []


def _offered_qos(topic: Mapping[str, Any]) -> tuple[Qos, ...] | None:
    try:
        return tuple(parse_qos(topic.get("offered_qos_profiles") or []))
    except Exception:
        # Whatever is written there: the storage file has its own.
        return None
