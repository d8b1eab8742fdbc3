"""Reading rosbag2 recordings without ROS: topics, messages in order of reception, RGB and thermal images, labels.

A recording is a rosbag2 folder with a metadata.yaml, or one bare .mcap or .db3 file. Labels of a recording, where
there are any, are 8-bit PNGs named by the stamp in nanoseconds of the RGB image they belong to; `labels/` inside
the bag's folder is where `make_bag` puts them and where they are looked for.
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.typesys import Stores, get_typestore

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import stamp_ns

RGB_TOPIC = "/rgb/image"
THERMAL_TOPIC = "/thermal/image"
IMAGE_TYPE = "sensor_msgs/msg/Image"

_STORAGE_SUFFIXES = (".mcap", ".db3", ".zstd")
# One of these words in a topic's name is enough to take it for the stream where it is the only such image topic.
_TOPIC_WORDS = {"rgb": {"rgb", "color"}, "thermal": {"thermal", "lwir"}}


@dataclass(frozen=True)
class Topic:
    """One topic of a recording; latched: its publisher offered transient-local durability."""

    name: str
    type: str
    count: int
    latched: bool


@dataclass(frozen=True)
class RecordedMessage:
    """One message as it was received: CDR bytes, and the time of reception in nanoseconds."""

    topic: Topic
    received_ns: int
    data: bytes


@dataclass(frozen=True)
class RecordedImage:
    """One image of a recording; `message` has the fields of sensor_msgs/Image, `data` being a uint8 array."""

    kind: Literal["rgb", "thermal"]
    topic: str
    received_ns: int
    stamp_ns: int
    message: Any
    frame_id: str


class Recording:
    """A rosbag2 on disk; nothing is kept open between calls.

    Attributes:
        path: the bag's folder or file.
        topics: by name.
    """

    def __init__(self, path: str | Path) -> None:
        """Read what the recording holds.

        Raises:
            UserError: there is no such path, it is not a rosbag2, or it is damaged.
        """
        self.path = Path(path)
        _require_rosbag2(self.path)
        with self._naming_damage(), Reader(self.path) as reader:
            self.topics = {
                name: Topic(name, info.msgtype or "mixed types", info.msgcount, _is_latched(info.connections))
                for name, info in reader.topics.items()
            }

    def messages(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """All messages of the given topics in order of reception.

        Raises:
            UserError: the recording is damaged, or holds fewer messages than it says.
        """
        expected = sum(self.topics[name].count for name in topics)
        found = 0
        with self._naming_damage(), Reader(self.path) as reader:
            connections = [c for c in reader.connections if c.topic in topics]
            for connection, received_ns, data in reader.messages(connections):
                found += 1
                yield RecordedMessage(self.topics[connection.topic], received_ns, bytes(data))
            if found < expected:
                raise ReaderError(f"it holds {found} of {expected} messages")

    def content_hash(self) -> str:
        """SHA-256 (hexadecimal) over the contents of the storage files, in order of their names."""
        files = [self.path]
        if self.path.is_dir():
            files = sorted(file for file in self.path.iterdir() if file.suffix in _STORAGE_SUFFIXES)
        digest = hashlib.sha256()
        for name in files:
            with name.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def _naming_damage(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            # Damaged bytes meet many parsers below (YAML, MCAP, SQLite, zstd), each with exceptions of its own.
            reason = str(error).strip().rstrip(".").splitlines() or [type(error).__name__]
            raise UserError(
                f"{self.path} is damaged or truncated ({reason[0]}): copy it again, "
                "or repair it with `mcap recover` or `ros2 bag reindex`"
            ) from error


def find_image_topics(
    recording: Recording, rgb_topic: str | None = None, thermal_topic: str | None = None
) -> dict[Literal["rgb", "thermal"], str]:
    """Names of the RGB and the thermal topic.

    A name that is not given is /rgb/image or /thermal/image; where that is absent, the one image topic whose name
    contains the word rgb or color, or thermal or lwir.

    Raises:
        UserError: no such topic, more than one, no message in it, or a type other than sensor_msgs/Image.
    """
    return {
        "rgb": _find_topic(recording, "rgb", rgb_topic, RGB_TOPIC),
        "thermal": _find_topic(recording, "thermal", thermal_topic, THERMAL_TOPIC),
    }


def read_images(
    bag: str | Path | Recording, rgb_topic: str | None = None, thermal_topic: str | None = None
) -> Iterator[RecordedImage]:
    """RGB and thermal images in order of reception; topics as in `find_image_topics`.

    Raises:
        UserError: not a rosbag2, a damaged one, or one without the topics; raised before the first image.
    """
    recording = bag if isinstance(bag, Recording) else Recording(bag)
    kinds = {name: kind for kind, name in find_image_topics(recording, rgb_topic, thermal_topic).items()}
    return _read_images(recording, kinds)


def _read_images(
    recording: Recording, kinds: dict[str, Literal["rgb", "thermal"]]
) -> Iterator[RecordedImage]:
    typestore = get_typestore(Stores.ROS2_JAZZY)
    for message in recording.messages(kinds):
        try:
            image: Any = typestore.deserialize_cdr(message.data, IMAGE_TYPE)
        except Exception as error:
            raise UserError(
                f"{recording.path} is damaged: a message of {message.topic.name} at {message.received_ns} ns "
                "is not a sensor_msgs/Image; copy the recording again"
            ) from error
        yield RecordedImage(
            kind=kinds[message.topic.name],
            topic=message.topic.name,
            received_ns=message.received_ns,
            stamp_ns=stamp_ns(image.header),
            message=image,
            frame_id=image.header.frame_id,
        )


def _require_rosbag2(path: Path) -> None:
    if not path.exists():
        raise UserError(f"there is no recording {path}: give a rosbag2 folder, or a .mcap or .db3 file")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = sorted(file.name for file in path.iterdir() if file.suffix in _STORAGE_SUFFIXES)
        remedy = f"give {path / files[0]} itself, or run `ros2 bag reindex`" if files else "give a recording"
        raise UserError(f"{path} is not a rosbag2, it has no metadata.yaml: {remedy}")
    if path.is_file() and path.suffix not in Reader.STORAGE_PLUGINS:
        raise UserError(
            f"{path} is not a rosbag2: give its folder, or a .mcap or .db3 file "
            "(a ROS 1 .bag is converted by `rosbags-convert`)"
        )


def _is_latched(connections: Collection[Any]) -> bool:
    return any(
        qos.durability == QosDurability.TRANSIENT_LOCAL
        for connection in connections
        for qos in connection.ext.offered_qos_profiles
    )


def _find_topic(
    recording: Recording, kind: Literal["rgb", "thermal"], given: str | None, default: str
) -> str:
    name = "/" + given.lstrip("/") if given else default
    if given is None and default not in recording.topics:
        candidates = [
            topic.name
            for topic in recording.topics.values()
            if topic.type == IMAGE_TYPE and _TOPIC_WORDS[kind] & set(re.split(r"[/_]", topic.name.lower()))
        ]
        name = candidates[0] if len(candidates) == 1 else default
    topic = recording.topics.get(name)
    if topic is None:
        raise UserError(
            f"{recording.path} has no {kind} topic {name}, it holds {_listing(recording)}: "
            f"name the topic with --{kind}-topic"
        )
    if topic.type != IMAGE_TYPE:
        raise UserError(
            f"topic {name} in {recording.path} is {topic.type}, but {kind} images are read from {IMAGE_TYPE}: "
            f"name another topic with --{kind}-topic, or record the uncompressed images"
        )
    if topic.count == 0:
        raise UserError(
            f"topic {name} in {recording.path} holds no image: record again, "
            f"or name another topic with --{kind}-topic"
        )
    return name


def _listing(recording: Recording) -> str:
    if not recording.topics:
        return "no topics"
    return ", ".join(f"{topic.name} ({topic.type})" for topic in recording.topics.values())
