"""Which topics of a recording hold its RGB and its thermal images."""

import re
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, Literal

from rgbt_seg_ros.bags.recording import Recording, Topic
from rgbt_seg_ros.bags.types import ros2_types
from rgbt_seg_ros.base.errors import UserError

Kind = Literal["rgb", "thermal"]

RGB_TOPIC = "/rgb/image"
THERMAL_TOPIC = "/thermal/image"
IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE_TYPE, COMPRESSED_TYPE)

_TRANSPORTS = {IMAGE_TYPE: "raw", COMPRESSED_TYPE: "compressed"}
_COMPRESSED, _DEPTH = "/compressed", "/compressedDepth"
# One of these words in a topic's name is enough to take it for the stream where it is the only such image topic.
_TOPIC_WORDS = {"rgb": {"rgb", "color"}, "thermal": {"thermal", "lwir"}}
_VIDEO_TYPES = ("/CompressedVideo", "/FFMPEGPacket", "/Packet")
_VIDEO_STARTS = (b"\0\0\1", b"\0\0\0\1")
_VIDEO_FORMATS = {"h264", "h265", "hevc", "vp8", "vp9", "av1", "theora"}
_NOT_EIGHT_BITS = re.compile(r"mono16|(16|32|64)[USF]C\d|(rgb|bgr)a?16")


class NoImages(UserError):
    """A camera, `kind`, has no topic, or an empty one."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind: Kind = kind


def find_image_topics(
    recording: Recording,
    rgb_topic: str | None = None,
    thermal_topic: str | None = None,
    dispensable: Collection[Kind] = (),
) -> dict[Kind, str]:
    """Names of the RGB and the thermal topic.

    A topic that is given may be named without the /compressed at its end. One that is not given is /rgb/image or
    /thermal/image, else the one topic of raw images whose name contains the word rgb or color, or thermal or lwir;
    where there is none, the same with compressed images. A camera that is dispensable and has no images is left out if
    there are images of the other one.

    Raises:
        NoImages: no such topic, more than one, or no message in it.
        UserError: images that are not read: of another type,
            videos, depth images, or thermal images of 16 bits in JPEG.
    """
    wanted: dict[Kind, tuple[str | None, str]] = {
        "rgb": (rgb_topic, RGB_TOPIC),
        "thermal": (thermal_topic, THERMAL_TOPIC),
    }
    found: dict[Kind, str] = {}
    absent: list[NoImages] = []
    for kind, (given, default) in wanted.items():
        try:
            found[kind] = _find_topic(recording, kind, given, default)
        except NoImages as error:
            if kind not in dispensable or given is not None:
                raise
            absent.append(error)
    if not found:
        raise absent[0]
    return found


def image_transports(recording: Recording, topics: Mapping[Kind, str]) -> dict[Kind, str]:
    """How the images of these topics are stored, as in the node's parameters: raw or compressed."""
    return {kind: _TRANSPORTS[recording.topics[name].type] for kind, name in topics.items()}


def recorded_reliability(recording: Recording, topics: Mapping[Kind, str]) -> str:
    """What a subscription to these topics must ask for while `ros2 bag play` offers what was recorded.

    Returns:
        best_effort or reliable, as in the node's parameter `input_reliability`.
    """
    best_effort = any(recording.topics[name].best_effort for name in topics.values())
    return "best_effort" if best_effort else "reliable"


def _find_topic(recording: Recording, kind: Kind, given: str | None, default: str) -> str:
    name = _guess(recording, kind, default) if given is None else "/" + given.lstrip("/")
    if name not in recording.topics and name + _COMPRESSED in recording.topics:
        name += _COMPRESSED
    topic = recording.topics.get(name)
    if topic is None:
        raise NoImages(
            kind,
            f"{recording.path} has no {kind} topic {name}, it holds {_listing(recording)}: "
            f"name the topic with --{kind}-topic",
        )
    if _is_video(topic):
        raise UserError(_video(recording, topic.name, topic.type))
    if topic.type not in _TRANSPORTS:
        raise UserError(
            f"topic {name} in {recording.path} is {topic.type}, but {kind} images are read from {IMAGE_TYPE} and "
            f"{COMPRESSED_TYPE}: name another topic with --{kind}-topic"
        )
    if topic.count == 0:
        raise NoImages(
            kind,
            f"topic {name} in {recording.path} holds no image: record again, "
            f"or name another topic with --{kind}-topic",
        )
    if topic.type == COMPRESSED_TYPE:
        _require_picture(recording, kind, name)
    return name


def _guess(recording: Recording, kind: Kind, default: str) -> str:
    """The topic that looks like it; the default if there is none or more than one."""
    named = [
        topic
        for topic in recording.topics.values()
        if topic.name in (default, default + _COMPRESSED)
        or _TOPIC_WORDS[kind] & set(re.split(r"[/_]", topic.name.lower()))
    ]
    for type_ in _TRANSPORTS:
        names = [
            topic.name
            for topic in named
            if topic.type == type_ and topic.count > 0 and not topic.name.endswith(_DEPTH)
        ]
        for name in (default, default + _COMPRESSED):
            if name in names:
                return name
        if len(names) == 1:
            return names[0]
        if names:
            return default
    # What cannot be read is named rather than missed.
    unread = [topic.name for topic in named if _is_video(topic) or topic.name.endswith(_DEPTH)]
    return default if default in recording.topics or not unread else unread[0]


def _is_video(topic: Topic) -> bool:
    return topic.type.endswith(_VIDEO_TYPES)


def _video(recording: Recording, name: str, what: str) -> str:
    return (
        f"topic {name} in {recording.path} is a video stream ({what}), which is not read here: "
        f"decode it to {IMAGE_TYPE}, for instance with `ros2 run image_transport republish`, and record that"
    )


def _require_picture(recording: Recording, kind: Kind, name: str) -> None:
    """Look at the first compressed image: a whole topic of what cannot be read is refused at once.

    Raises:
        UserError: a video, a depth image, or a thermal image of 16 bits in JPEG.
    """
    typestore = ros2_types()
    for message in islice(recording.messages([name]), 1):
        try:
            image: Any = typestore.deserialize_cdr(message.data, COMPRESSED_TYPE)
        except Exception:
            # Whoever reads this image says that it is damaged.
            return
        start = bytes(image.data[:4])
        if name.endswith(_DEPTH) or "compressedDepth" in image.format:
            raise UserError(
                f"topic {name} in {recording.path} is a depth image ({image.format}), which is not read here: "
                f"name the raw topic, or the one of transport compressed, with --{kind}-topic"
            )
        words = set(re.split(r"\W+", image.format.lower()))
        if start.startswith(_VIDEO_STARTS) or words & _VIDEO_FORMATS:
            raise UserError(_video(recording, name, image.format))
        if kind == "thermal" and start[:3] == b"\xff\xd8\xff" and _NOT_EIGHT_BITS.match(image.format):
            raise UserError(
                f"topic {name} in {recording.path} has thermal images of more than 8 bits in JPEG ({image.format}), "
                "which has lost their values: record the raw topic, or have the publisher's format be png"
            )


def _listing(recording: Recording) -> str:
    if not recording.topics:
        return "no topics"
    return ", ".join(f"{topic.name} ({topic.type})" for topic in recording.topics.values())
