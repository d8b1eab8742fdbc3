"""ROS 1 bags are read as they are: images to the bit, other messages as ROS 2 serializes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import rgb_frame, thermal_frame
from field_bags import ROS1_STORE, header, own_time, pair_messages, write_ros1
from rosbags import rosbag1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from rgbt_seg_ros.bags.reader import Recording, read_images
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import decode_rgb, decode_thermal

TYPES = ROS1_STORE.types
ROS2 = get_typestore(Stores.ROS2_JAZZY)


def check_pairs(path: Path, pairs: int) -> None:
    images = list(read_images(path))
    assert [image.kind for image in images] == ["rgb", "thermal"] * pairs
    for index in range(pairs):
        rgb, thermal = images[2 * index : 2 * index + 2]
        assert (rgb.stamp_ns, rgb.received_ns) == (own_time(index), own_time(index) + 20_000_000)
        assert rgb.frame_id == "camera"
        np.testing.assert_array_equal(decode_rgb(rgb.message), rgb_frame(index))
        np.testing.assert_array_equal(decode_thermal(thermal.message), thermal_frame(index))


@pytest.mark.parametrize("compression", [None, "BZ2", "LZ4"])
def test_images_come_out_as_written(
    tmp_path: Path, compression: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_ros1(tmp_path / "drive.bag", pair_messages(range(4), types=TYPES), compression)
    check_pairs(bag, 4)
    recording = Recording(bag)
    assert {topic.type for topic in recording.topics.values()} == {"sensor_msgs/msg/Image"}
    assert recording.duration_s == pytest.approx(0.301)
    assert len(recording.content_hash()) == 64
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("topic", ["rgb/image", "/rgb/image", "rgb//image"])
def test_topic_names_are_those_of_ros2(tmp_path: Path, topic: str) -> None:
    bag = write_ros1(tmp_path / "drive.bag", pair_messages(range(2), rgb=topic, types=TYPES))
    check_pairs(bag, 2)


@pytest.mark.parametrize(
    "names", [["run_0.bag", "run_1.bag"], ["2024-05-01-09-59-00_0.bag", "2024-05-01-10-00-00_1.bag"]]
)
def test_a_folder_of_split_bags_is_one_recording(tmp_path: Path, names: list[str]) -> None:
    for part, name in enumerate(names):
        write_ros1(tmp_path / name, pair_messages(range(2 * part, 2 * part + 2), types=TYPES))
    (tmp_path / names[1].replace("_1", "_2")).with_suffix(".bag.active").write_bytes(b"#ROSBAG V2.0\n")
    check_pairs(tmp_path, 4)
    assert "is unfinished and left out" in Recording(tmp_path).notes[0]


def camera_info() -> Any:
    info = TYPES["sensor_msgs/msg/CameraInfo"]
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    numbers = np.arange(9.0), np.eye(3).ravel(), np.arange(12.0)
    return info(header(own_time(0), TYPES), 4, 6, "plumb_bob", np.arange(5.0), *numbers, 0, 0, roi)


def other_messages() -> list[tuple[str, int, Any]]:
    """One of a type with other names of fields, of one with times and lists, of one that ROS 2 does not have."""
    transform = TYPES["geometry_msgs/msg/TransformStamped"](
        header(own_time(1), TYPES),
        "thermal",
        TYPES["geometry_msgs/msg/Transform"](
            TYPES["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0),
            TYPES["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0),
        ),
    )
    log = TYPES["rosgraph_msgs/msg/Log"](
        header(own_time(2), TYPES), 2, "node", "text", "file", "function", 3, ["/out"]
    )
    return [
        ("/rgb/camera_info", 5, camera_info()),
        ("/tf_static", 6, TYPES["tf/msg/tfMessage"]([transform, transform])),
        ("/rosout", 7, log),
    ]


def test_other_messages_become_those_of_ros2(tmp_path: Path) -> None:
    if "tf/msg/tfMessage" not in TYPES:
        ROS1_STORE.register(
            get_types_from_msg("geometry_msgs/TransformStamped[] transforms", "tf/msg/tfMessage")
        )
    bag = write_ros1(tmp_path / "drive.bag", other_messages(), latched=True)
    recording = Recording(bag)
    assert {topic.name: topic.type for topic in recording.topics.values()} == {
        "/rgb/camera_info": "sensor_msgs/msg/CameraInfo",
        "/tf_static": "tf2_msgs/msg/TFMessage",
        "/rosout": "rosgraph_msgs/msg/Log of ROS 1",
    }
    assert all(topic.latched for topic in recording.topics.values())
    info, transforms = recording.messages(["/rgb/camera_info", "/tf_static"])
    read = ROS2.deserialize_cdr(info.data, info.topic.type)
    assert (read.header.stamp.sec, read.header.frame_id) == (own_time(0) // 10**9, "camera")
    np.testing.assert_array_equal(read.d, np.arange(5.0))
    np.testing.assert_array_equal(read.p, np.arange(12.0))
    read = ROS2.deserialize_cdr(transforms.data, transforms.topic.type)
    assert [each.transform.translation.z for each in read.transforms] == [3.0, 3.0]


def test_a_type_of_another_version_is_not_taken_for_that_of_ros2(tmp_path: Path) -> None:
    """The bag's own definition decides, not the name alone."""
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg("uint32 height\nstring name", "sensor_msgs/msg/CameraInfo"))
    message = store.types["sensor_msgs/msg/CameraInfo"](3, "left")
    with rosbag1.Writer(tmp_path / "drive.bag") as writer:
        connection = writer.add_connection("/info", message.__msgtype__, typestore=store)
        writer.write(connection, 1, store.serialize_ros1(message, message.__msgtype__))
    recording = Recording(tmp_path / "drive.bag")
    assert recording.topics["/info"].type == "sensor_msgs/msg/CameraInfo of ROS 1"


def test_damage_is_named_with_a_remedy_of_ros1(tmp_path: Path) -> None:
    bag = write_ros1(tmp_path / "drive.bag", pair_messages(range(4), types=TYPES))
    content = bag.read_bytes()
    for kept in np.linspace(0, len(content) - 1, 20).astype(int):
        bag.write_bytes(content[:kept])
        with pytest.raises(UserError, match="is damaged or truncated") as caught:
            list(read_images(bag))
        assert f"copy it again, or repair it with `rosbag reindex {bag}`" in str(caught.value)
