"""Reading and writing rosbag2: what goes in comes out, and whatever is wrong is named in one sentence."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from bags import START_NS, rgb_frame, thermal_frame, truncate, write_bag
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from rgbt_seg_ros.bags.reader import Recording, find_image_topics, read_images
from rgbt_seg_ros.bags.writer import BagWriter, message_types
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import decode_rgb, decode_thermal
from rgbt_seg_ros.masks.labels import find_labels, read_label


def test_images_come_back_as_written(tmp_path: Path) -> None:
    images = list(read_images(write_bag(tmp_path / "bag", rgb_count=3, thermal_count=2)))
    assert [image.kind for image in images] == ["rgb", "thermal", "rgb", "thermal", "rgb"]
    for index, image in enumerate(image for image in images if image.kind == "rgb"):
        assert (image.topic, image.frame_id) == ("/rgb/image", "rgb_optical_frame")
        assert image.stamp_ns == START_NS + index * 100_000_000
        assert image.received_ns == image.stamp_ns + 20_000_000
        np.testing.assert_array_equal(decode_rgb(image.message), rgb_frame(index))
    for index, image in enumerate(image for image in images if image.kind == "thermal"):
        assert image.frame_id == "thermal_optical_frame"
        np.testing.assert_array_equal(decode_thermal(image.message), thermal_frame(index))


def test_bare_storage_files_are_read_too(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag")
    assert len(list(read_images(bag / "bag.mcap"))) == 12
    assert Recording(bag / "bag.mcap").content_hash() == Recording(bag).content_hash()


def test_sqlite3_bag_without_message_definitions(tmp_path: Path) -> None:
    """As Humble records by default."""
    source = write_bag(tmp_path / "bag")
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(tmp_path / "db", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {}
        for message in Recording(source).messages(["/rgb/image", "/thermal/image"]):
            topic = message.topic.name
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.topic.type, typestore=store)
            writer.write(connections[topic], message.received_ns, message.data)
    for path in (tmp_path / "db", tmp_path / "db" / "db.db3"):
        assert [image.stamp_ns for image in read_images(path)] == [
            image.stamp_ns for image in read_images(source)
        ]


def test_content_hash_depends_on_content_alone(tmp_path: Path) -> None:
    first = Recording(write_bag(tmp_path / "a" / "bag")).content_hash()
    assert Recording(write_bag(tmp_path / "b" / "bag")).content_hash() == first
    assert Recording(write_bag(tmp_path / "c" / "bag", rgb_count=5)).content_hash() != first


def test_metadata_is_what_rosbag2_expects(tmp_path: Path) -> None:
    """Field by field as rosbag2_storage's YAML conversion of version 8 reads it (QoS as a string of numbers)."""
    bag = write_bag(tmp_path / "bag", rgb_count=2, thermal_count=0)
    info = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert info["version"] == 8
    assert info["storage_identifier"] == "mcap"
    assert info["relative_file_paths"] == ["bag.mcap"]
    assert info["message_count"] == 2
    assert info["starting_time"] == {"nanoseconds_since_epoch": START_NS + 20_000_000}
    assert info["duration"] == {"nanoseconds": 100_000_000}
    assert info["compression_mode"] == ""
    (topic,) = info["topics_with_message_count"]
    assert topic["topic_metadata"]["name"] == "/rgb/image"
    assert topic["topic_metadata"]["type"] == "sensor_msgs/msg/Image"
    assert topic["topic_metadata"]["serialization_format"] == "cdr"
    (qos,) = yaml.safe_load(topic["topic_metadata"]["offered_qos_profiles"])
    assert (qos["reliability"], qos["durability"], qos["history"], qos["liveliness"]) == (1, 2, 1, 1)
    assert qos["lifespan"] == qos["deadline"] == {"sec": 9223372036, "nsec": 854775807}


def test_own_definitions_of_vision_msgs_are_embedded(tmp_path: Path) -> None:
    types = message_types().types
    with BagWriter(tmp_path / "bag") as bag:
        classes = [
            types["vision_msgs/msg/VisionClass"](0, "road"),
            types["vision_msgs/msg/VisionClass"](1, "car"),
        ]
        label_info = types["vision_msgs/msg/LabelInfo"](bag.header(5, "camera"), classes, 0.5)
        bag.write("/label_info", label_info, 7, latched=True)
    assert Recording(tmp_path / "bag").topics["/label_info"].latched
    with AnyReader([tmp_path / "bag"]) as reader:
        ((connection, received, data),) = reader.messages()
        message = reader.deserialize(data, connection.msgtype)
    assert received == 7
    assert connection.digest == "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783"
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [(0, "road"), (1, "car")]


def test_a_failed_recording_is_removed(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with BagWriter(tmp_path / "bag") as bag:
            bag.write("/rgb/image", bag.image(rgb_frame(0), 1, "camera"), 1)
            raise RuntimeError("camera lost")

    with pytest.raises(RuntimeError, match="camera lost"):
        write_and_fail()
    assert not (tmp_path / "bag").exists()


def test_an_existing_path_is_not_overwritten(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag")
    with pytest.raises(UserError, match="exists already"):
        BagWriter(tmp_path / "bag")


@pytest.mark.parametrize(
    ("rgb", "thermal"),
    [("/camera/color/image_raw", "/boson/thermal/image_raw"), ("/front_rgb/image", "/lwir")],
)
def test_topics_are_found_by_name_where_that_is_unambiguous(tmp_path: Path, rgb: str, thermal: str) -> None:
    bag = write_bag(tmp_path / "bag", rgb_topic=rgb, thermal_topic=thermal)
    assert find_image_topics(Recording(bag)) == {"rgb": rgb, "thermal": thermal}


def test_topics_can_be_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", rgb_topic="/left/image", thermal_topic="/a6701/image")
    images = list(read_images(bag, "left/image", "/a6701/image"))
    assert {image.kind: image.topic for image in images} == {"rgb": "/left/image", "thermal": "/a6701/image"}


def test_two_candidates_are_not_guessed_between(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        for topic in ("/left/rgb", "/right/rgb", "/thermal/image"):
            bag.write(topic, bag.image(thermal_frame(0), 1, "camera"), 1)
    with pytest.raises(UserError, match=r"no rgb topic /rgb/image.*/left/rgb.*/right/rgb.*--rgb-topic"):
        read_images(tmp_path / "bag")


def test_a_bag_without_thermal_names_what_it_holds(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", thermal_count=0)
    with pytest.raises(
        UserError,
        match=r"no thermal topic /thermal/image, it holds /rgb/image \(sensor_msgs/msg/Image\).*--thermal-topic",
    ):
        read_images(bag)


def test_a_topic_of_another_type_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/thermal/image", bag.image(thermal_frame(0), 1, "camera"), 1)
        bag.write("/rgb/image", bag.header(1, "camera"), 1)
    with pytest.raises(
        UserError, match=r"/rgb/image .* is std_msgs/msg/Header, but rgb images are read from"
    ):
        read_images(tmp_path / "bag")


def test_a_truncated_bag_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag")
    truncate(bag)
    for path in (bag, bag / "bag.mcap"):
        with pytest.raises(UserError, match="is damaged or truncated"):
            list(read_images(path))


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", rgb_count=2, thermal_count=2)
    content = (bag / "bag.mcap").read_bytes()
    for kept in np.linspace(0, len(content) - 1, 60).astype(int):
        (bag / "bag.mcap").write_bytes(content[:kept])
        with pytest.raises(UserError, match="is damaged or truncated"):
            list(read_images(bag))


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", rgb_count=40, thermal_count=40)
    content = bytearray((bag / "bag.mcap").read_bytes())
    content[500:3000] = bytes(2500)
    (bag / "bag.mcap").write_bytes(content)
    with pytest.raises(UserError, match="is damaged or truncated"):
        list(read_images(bag))


def test_missing_messages_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The metadata of one bag beside the storage of a shorter one."""
    long, short = write_bag(tmp_path / "a" / "bag"), write_bag(tmp_path / "b" / "bag", rgb_count=4)
    shutil.copy(long / "metadata.yaml", short / "metadata.yaml")
    assert len(list(read_images(short))) == 10
    assert "it counts 12 messages where 10 are stored" in capsys.readouterr().err


def test_what_is_not_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no recording"):
        read_images(tmp_path / "absent")
    with pytest.raises(UserError, match=r"has no metadata\.yaml: give a recording"):
        read_images(tmp_path)
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0")
    with pytest.raises(UserError, match=r"old.bag is damaged or truncated .*rosbag reindex"):
        read_images(tmp_path / "old.bag")


def test_labels_are_found_by_stamp(tmp_path: Path) -> None:
    label = np.array([[0, 1], [2, 255]], np.uint8)
    cv2.imwrite(str(tmp_path / "12.png"), label)
    cv2.imwrite(str(tmp_path / "5.png"), label)
    labels = find_labels(tmp_path)
    assert list(labels) == [12, 5]
    np.testing.assert_array_equal(read_label(labels[5]), label)
    cv2.imwrite(str(tmp_path / "7.png"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(UserError, match=r"7\.png is not an 8-bit image with one channel"):
        read_label(tmp_path / "7.png")
    (tmp_path / "00012N.png").touch()
    with pytest.raises(UserError, match=r"00012N\.png is not named by the stamp"):
        find_labels(tmp_path)
    with pytest.raises(UserError, match="holds no labels"):
        find_labels(tmp_path / "absent")
