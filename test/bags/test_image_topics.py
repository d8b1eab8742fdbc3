"""Compressed images are found and read like raw ones, raw ones preferred; what cannot be read is named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import rgb_frame, thermal_frame
from field_bags import (
    STORE,
    compressed_bytes,
    compressed_message,
    header,
    image_message,
    own_time,
    write_rosbag2,
)
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import get_types_from_msg

from rgbt_seg_ros.bags.image_topics import find_image_topics, image_transports
from rgbt_seg_ros.bags.reader import Recording, read_images
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import decode_compressed_rgb, decode_compressed_thermal

RGB, THERMAL = "/rgb/image", "/thermal/image"
RAW, COMPRESSED, EMPTY = "raw", "compressed", "empty"


def write_topics(path: Path, topics: dict[str, str], count: int = 2) -> Recording:
    """A recording with images of these topics, by name raw, compressed or empty; thermal are those named so."""
    messages: list[tuple[str, int, Any]] = []
    for index in range(count):
        for topic, storage in topics.items():
            array = thermal_frame(index) if "thermal" in topic or "lwir" in topic else rgb_frame(index)
            make = compressed_message if storage == COMPRESSED else image_message
            if storage != EMPTY:
                messages.append((topic, own_time(index), make(array, own_time(index))))
    empty = [topic for topic, storage in topics.items() if storage == EMPTY]
    return Recording(write_rosbag2(path, messages, empty=empty))


@pytest.mark.parametrize(
    ("topics", "rgb", "thermal"),
    [
        ({RGB: COMPRESSED, THERMAL: COMPRESSED}, RGB, THERMAL),
        (
            {RGB + "/compressed": COMPRESSED, THERMAL + "/compressed": COMPRESSED},
            RGB + "/compressed",
            THERMAL + "/compressed",
        ),
        ({RGB + "/compressed": COMPRESSED, RGB: RAW, THERMAL: RAW}, RGB, THERMAL),
        ({RGB + "/compressed": COMPRESSED, THERMAL: RAW}, RGB + "/compressed", THERMAL),
        ({RGB: RAW, THERMAL + "/compressed": COMPRESSED}, RGB, THERMAL + "/compressed"),
        ({RGB: EMPTY, RGB + "/compressed": COMPRESSED, THERMAL: RAW}, RGB + "/compressed", THERMAL),
        (
            {
                "/cam/color/image_raw/compressed": COMPRESSED,
                "/boson/thermal/image_raw/compressed": COMPRESSED,
            },
            "/cam/color/image_raw/compressed",
            "/boson/thermal/image_raw/compressed",
        ),
        (
            {
                "/cam/color/image_raw": RAW,
                "/cam/color/image_raw/compressed": COMPRESSED,
                "/lwir/image": RAW,
                "/lwir/image/compressed": COMPRESSED,
            },
            "/cam/color/image_raw",
            "/lwir/image",
        ),
        (
            {THERMAL: RAW, THERMAL + "/compressedDepth": COMPRESSED, RGB + "/compressed": COMPRESSED},
            RGB + "/compressed",
            THERMAL,
        ),
    ],
)
def test_topics_are_found(tmp_path: Path, topics: dict[str, str], rgb: str, thermal: str) -> None:
    recording = write_topics(tmp_path / "bag", topics)
    found = find_image_topics(recording)
    assert found == {"rgb": rgb, "thermal": thermal}
    assert image_transports(recording, found) == {"rgb": topics[rgb], "thermal": topics[thermal]}
    images = list(read_images(recording))
    assert {image.topic for image in images} == {rgb, thermal}
    assert [image.stamp_ns for image in images] == [own_time(0)] * 2 + [own_time(1)] * 2
    for image in images:
        if topics[image.topic] == COMPRESSED:
            place = 0 if image.stamp_ns == own_time(0) else 1
            expected = rgb_frame(place) if image.kind == "rgb" else thermal_frame(place)
            decode = decode_compressed_rgb if image.kind == "rgb" else decode_compressed_thermal
            np.testing.assert_array_equal(decode(image.message), expected)


def test_a_topic_may_be_named_by_its_base(tmp_path: Path) -> None:
    topics = {"/left/image_raw/compressed": COMPRESSED, "/a6701_thermal/compressed": COMPRESSED}
    recording = write_topics(tmp_path / "bag", topics)
    for rgb, thermal in (("left/image_raw", "/a6701_thermal"), topics):
        found = find_image_topics(recording, rgb, thermal)
        assert tuple(found.values()) == tuple(topics)


def test_two_compressed_candidates_are_not_guessed_between(tmp_path: Path) -> None:
    topics = {"/left/rgb/compressed": COMPRESSED, "/right/rgb/compressed": COMPRESSED, THERMAL: RAW}
    with pytest.raises(UserError, match=r"no rgb topic /rgb/image.*/left/rgb/compressed.*--rgb-topic"):
        find_image_topics(write_topics(tmp_path / "bag", topics))


def write_video(path: Path, type_name: str, definition: str, topic: str, values: Sequence[Any]) -> Recording:
    """A recording with raw images of both cameras but for one topic of a video."""
    store = STORE
    if type_name not in store.types:
        store.register(get_types_from_msg(definition, type_name))
    video = store.types[type_name](*values)
    other = THERMAL if topic.startswith(RGB) else RGB
    frame = thermal_frame(0) if other == THERMAL else rgb_frame(0)
    return Recording(
        write_rosbag2(path, [(topic, 1, video), (other, 1, image_message(frame, 1))], StoragePlugin.SQLITE3)
    )


@pytest.mark.parametrize("base", [RGB, THERMAL])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    ("type_name", "definition", "values"),
    [
        (
            "foxglove_msgs/msg/CompressedVideo",
            "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format",
            [STORE.types["builtin_interfaces/msg/Time"](1, 2), "camera", np.zeros(9, np.uint8), "h264"],
        ),
        (
            "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
            "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
            "bool is_bigendian\nuint8[] data",
            [header(1), 64, 48, "libx264", 5, 1, False, np.zeros(9, np.uint8)],
        ),
        (
            "theora_image_transport/msg/Packet",
            "std_msgs/Header header\nuint8[] data\nint32 b_o_s",
            [header(1), np.zeros(9, np.uint8), 1],
        ),
    ],
)
def test_videos_are_refused_by_name(
    tmp_path: Path, type_name: str, definition: str, values: Sequence[Any], base: str, named: bool
) -> None:
    topic = f"{base}/video"
    recording = write_video(tmp_path / "bag", type_name, definition, topic, values)
    kind = "rgb" if base == RGB else "thermal"
    with pytest.raises(UserError) as caught:
        find_image_topics(recording, **({f"{kind}_topic": topic} if named else {}))
    assert f"topic {topic} in {recording.path} is a video stream ({type_name})" in str(caught.value)
    assert "decode it to sensor_msgs/msg/Image" in str(caught.value)


@pytest.mark.parametrize(
    ("topic", "data", "format", "sentence"),
    [
        (RGB, b"\0\0\0\1\x67\x42", "h264", r"is a video stream \(h264\)"),
        (RGB, b"\0\0\1\x67\x42\0\x1f", "", r"is a video stream \(\)"),
        (THERMAL, b"\0\0\0\1\x40\1", "jpeg", r"is a video stream \(jpeg\)"),
        (RGB, b"....", "hevc; compressed", r"is a video stream \(hevc; compressed\)"),
        (THERMAL, bytes(12) + b"\x89PNG", "16UC1; compressedDepth png", "is a depth image .*--thermal-topic"),
        (THERMAL + "/compressedDepth", bytes(12) + b"\x89PNG", "16UC1", "is a depth image"),
        (THERMAL, b"\xff\xd8\xff\xe0", "mono16; jpeg compressed mono8", "more than 8 bits in JPEG .*png"),
        (THERMAL, b"\xff\xd8\xff\xe0", "16UC1; jpeg compressed ", "more than 8 bits in JPEG"),
        (THERMAL, b"\xff\xd8\xff\xe0", "32FC1; jpeg compressed", "more than 8 bits in JPEG"),
    ],
)
def test_compressed_messages_that_hold_no_usable_picture_are_refused(
    tmp_path: Path, topic: str, data: bytes, format: str, sentence: str
) -> None:
    other = THERMAL if topic == RGB else RGB
    frame = thermal_frame(0) if other == THERMAL else rgb_frame(0)
    messages = [(topic, 1, compressed_bytes(data, 1, format)), (other, 1, image_message(frame, 1))]
    with pytest.raises(UserError, match=sentence):
        find_image_topics(Recording(write_rosbag2(tmp_path / "bag", messages)))


@pytest.mark.parametrize("format", ["jpeg", "mono8; jpeg compressed ", "rgb8; jpeg compressed bgr8"])
def test_thermal_images_of_eight_bits_may_be_jpeg(tmp_path: Path, format: str) -> None:
    thermal = (thermal_frame(0) >> 8).astype(np.uint8)
    messages = [
        (RGB, 1, compressed_message(rgb_frame(0), 1, ".jpg", "rgb8; jpeg compressed bgr8")),
        (THERMAL, 1, compressed_message(thermal, 1, ".jpg", format)),
    ]
    recording = Recording(write_rosbag2(tmp_path / "bag", messages))
    assert find_image_topics(recording) == {"rgb": RGB, "thermal": THERMAL}
