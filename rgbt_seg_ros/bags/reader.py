"""The RGB and thermal images of a recording; no ROS.

Labels of a recording, where there are any, are 8-bit PNGs named by the stamp in nanoseconds of the RGB image they
belong to; `labels/` inside the bag's folder is where `make_bag` puts them and where they are looked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgbt_seg_ros.bags.image_topics import (
    IMAGE_TYPE,
    RGB_TOPIC,
    THERMAL_TOPIC,
    Kind,
    find_image_topics,
)
from rgbt_seg_ros.bags.recording import RecordedMessage, Recording, Topic
from rgbt_seg_ros.bags.stamps import Stamps
from rgbt_seg_ros.bags.types import ros2_types
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
    """One image of a recording; times in nanoseconds.

    Attributes:
        kind, topic: whose image it is.
        received_ns: when the recorder got it.
        stamp_ns: that of its header, or `received_ns` where that is of no use; it names what is made of the image.
        time_ns: by which it is paired.
        message: sensor_msgs/Image or CompressedImage, as the topic's type is; its data is a uint8 array.
        frame_id: of its header.
    """

    kind: Kind
    topic: str
    received_ns: int
    stamp_ns: int
    time_ns: int
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


def read_topics(
    recording: Recording, topics: Mapping[Kind, str], stamps: Stamps | None = None
) -> Iterator[RecordedImage]:
    """Images of topics in order of reception.

    Args:
        recording: that is read.
        topics: those of `find_image_topics`, or one of them.
        stamps: which times are used (default: those of the headers).

    Raises:
        UserError: the recording is damaged.
    """
    typestore = ros2_types()
    stamps = stamps or Stamps()
    kinds = {name: kind for kind, name in topics.items()}
    for message in recording.messages(kinds):
        try:
            image: Any = typestore.deserialize_cdr(message.data, message.topic.type)
        except Exception as error:
            raise UserError(
                f"{recording.path} is damaged: a message of {message.topic.name} at {message.received_ns} ns "
                f"is not a {message.topic.type}; copy the recording again"
            ) from error
        kind, received_ns = kinds[message.topic.name], message.received_ns
        stamp = received_ns if kind in stamps.replaced else stamp_ns(image.header)
        yield RecordedImage(
            kind=kind,
            topic=message.topic.name,
            received_ns=received_ns,
            stamp_ns=stamp,
            time_ns=received_ns if stamps.by_reception else stamp,
            message=image,
            frame_id=image.header.frame_id,
        )
