"""The RGB and thermal images of a recording; no ROS.

Labels of a recording, where there are any, are 8-bit PNGs named by the stamp in nanoseconds of the RGB image they
belong to; `labels/` inside the bag's folder is where `make_bag` puts them and where they are looked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_typestore

from rgbt_seg_ros.bags.image_topics import (
    IMAGE_TYPE,
    RGB_TOPIC,
    THERMAL_TOPIC,
    Kind,
    find_image_topics,
)
from rgbt_seg_ros.bags.recording import RecordedMessage, Recording, Topic
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import stamp_ns

__all__ = [
    "IMAGE_TYPE",
    "RGB_TOPIC",
    "THERMAL_TOPIC",
    "RecordedImage",
    "RecordedMessage",
    "Recording",
    "Topic",
    "find_image_topics",
    "read_images",
]


@dataclass(frozen=True)
class RecordedImage:
    """One image of a recording.

    `message` has the fields of sensor_msgs/Image or CompressedImage, as its topic's type is; its data is a uint8 array.
    """

    kind: Kind
    topic: str
    received_ns: int
    stamp_ns: int
    message: Any
    frame_id: str


def read_images(
    bag: str | Path | Recording, rgb_topic: str | None = None, thermal_topic: str | None = None
) -> Iterator[RecordedImage]:
    """RGB and thermal images in order of reception; topics as in `find_image_topics`.

    Raises:
        UserError: not a recording, a damaged one, or one without the topics; raised before the first image.
    """
    recording = bag if isinstance(bag, Recording) else Recording(bag)
    return read_topics(recording, find_image_topics(recording, rgb_topic, thermal_topic))


def read_topics(recording: Recording, topics: Mapping[Kind, str]) -> Iterator[RecordedImage]:
    """Images of these topics in order of reception; the topics are those of `find_image_topics`, or one of them.

    Raises:
        UserError: the recording is damaged.
    """
    typestore = get_typestore(Stores.ROS2_JAZZY)
    kinds = {name: kind for kind, name in topics.items()}
    for message in recording.messages(kinds):
        try:
            image: Any = typestore.deserialize_cdr(message.data, message.topic.type)
        except Exception as error:
            raise UserError(
                f"{recording.path} is damaged: a message of {message.topic.name} at {message.received_ns} ns "
                f"is not a {message.topic.type}; copy the recording again"
            ) from error
        yield RecordedImage(
            kind=kinds[message.topic.name],
            topic=message.topic.name,
            received_ns=message.received_ns,
            stamp_ns=stamp_ns(image.header),
            message=image,
            frame_id=image.header.frame_id,
        )
