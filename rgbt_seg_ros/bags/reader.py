"""The RGB and thermal images of a recording; no ROS.

Labels of a recording, where there are any, are 8-bit PNGs named by the stamp in nanoseconds of the RGB image they
belong to; `labels/` inside the bag's folder is where `make_bag` puts them and where they are looked for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rosbags.typesys import Stores, get_typestore

from rgbt_seg_ros.bags.recording import RecordedMessage, Recording, Topic
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import stamp_ns

__all__ = ["RecordedImage", "RecordedMessage", "Recording", "Topic", "find_image_topics", "read_images"]

RGB_TOPIC = "/rgb/image"
THERMAL_TOPIC = "/thermal/image"
IMAGE_TYPE = "sensor_msgs/msg/Image"

# One of these words in a topic's name is enough to take it for the stream where it is the only such image topic.
_TOPIC_WORDS = {"rgb": {"rgb", "color"}, "thermal": {"thermal", "lwir"}}


@dataclass(frozen=True)
class RecordedImage:
    """One image of a recording; `message` has the fields of sensor_msgs/Image, `data` being a uint8 array."""

    kind: Literal["rgb", "thermal"]
    topic: str
    received_ns: int
    stamp_ns: int
    message: Any
    frame_id: str


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
