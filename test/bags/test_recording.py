"""Recordings whose metadata.yaml and storage files disagree are read by the storage, and what is wrong is said."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from bags import rgb_frame, thermal_frame, truncate, write_bag
from field_bags import QOS, STORE, own_time, pair_messages, split_rosbag2, write_rosbag2
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from rgbt_seg_ros.bags.reader import Recording, read_images
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import decode_rgb, decode_thermal

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3
Edit = Callable[[dict], None]
PLUGINS = pytest.mark.parametrize("plugin", [MCAP, SQLITE], ids=["mcap", "sqlite3"])


def edit_metadata(bag: Path, edit: Edit) -> None:
    path = bag / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    edit(content["rosbag2_bagfile_information"])
    path.write_text(yaml.safe_dump(content))


def set_qos(value: object) -> Edit:
    def edit(information: dict) -> None:
        for topic in information["topics_with_message_count"]:
            topic["topic_metadata"]["offered_qos_profiles"] = value

    return edit


def set_value(key: str, value: object) -> Edit:
    return lambda information: information.update({key: value})


def double_counts(information: dict) -> None:
    information["message_count"] *= 2
    for topic in information["topics_with_message_count"]:
        topic["message_count"] *= 2


def rename_topic(information: dict) -> None:
    information["topics_with_message_count"][0]["topic_metadata"]["name"] = "/other"


def lose_topics(information: dict) -> None:
    information["topics_with_message_count"] = []


JAZZY_QOS = (
    "- history: 1\n  depth: 5\n  reliability: 2\n  durability: 2\n  deadline:\n    sec: 0\n    nsec: 0\n"
    "  lifespan:\n    sec: 0\n    nsec: 0\n  liveliness: 1\n  liveliness_lease_duration:\n    sec: 0\n    nsec: 0\n"
    "  avoid_ros_namespace_conventions: false"
)
LATCHED_QOS = JAZZY_QOS.replace("durability: 2", "durability: 1")
EDITS: dict[str, tuple[Edit, str]] = {
    "QoS emptied, text": (set_qos(""), "its QoS of /rgb/image is another"),
    "QoS emptied, list": (set_qos([]), "its QoS of /rgb/image is another"),
    "QoS rewritten": (set_qos(JAZZY_QOS), "its QoS of /rgb/image is another"),
    "QoS of another shape": (set_qos("- {reliability: best}"), "its QoS of /rgb/image is another"),
    "QoS that is no YAML": (set_qos("{"), "its QoS of /rgb/image is another"),
    "identifier emptied": (set_value("storage_identifier", ""), "its storage_identifier is ''"),
    "identifier missing": (lambda i: i.pop("storage_identifier"), "its storage_identifier is ''"),
    "identifier unknown": (
        set_value("storage_identifier", "rosbag_v2"),
        "its storage_identifier is 'rosbag_v2'",
    ),
    "version 10": (set_value("version", 10), "its version is 10"),
    "version 12": (set_value("version", 12), "its version is 12"),
    "version missing": (lambda i: i.pop("version"), "it has no version"),
    "counts too high": (double_counts, "it counts 12 messages where 6 are stored"),
    "total count wrong": (set_value("message_count", 5), "it counts 5 messages where 6 are stored"),
    "topic renamed": (rename_topic, "it counts 0 messages of /rgb/image where 3 are stored"),
    "topics lost": (lose_topics, "it counts 0 messages of /rgb/image where 3 are stored"),
    "file renamed": (set_value("relative_file_paths", ["old.db3"]), "it names old.db3, which is not there"),
    "path of elsewhere": (
        set_value("relative_file_paths", ["/a/b.mcap"]),
        "it names b.mcap, which is not there",
    ),
    "file missing": (set_value("relative_file_paths", []), "it names no storage file"),
    "files missing": (lambda i: i.pop("relative_file_paths"), "it names no storage file"),
    "files no list": (set_value("relative_file_paths", None), "it names no storage file"),
}


def check_pairs(path: Path, pairs: int = 3) -> None:
    """Whether a recording holds the first pairs of `pair_messages`, in order and to the bit."""
    images = list(read_images(path))
    assert [image.kind for image in images] == ["rgb", "thermal"] * pairs
    for index in range(pairs):
        rgb, thermal = images[2 * index : 2 * index + 2]
        assert (rgb.stamp_ns, rgb.received_ns) == (own_time(index), own_time(index) + 20_000_000)
        np.testing.assert_array_equal(decode_rgb(rgb.message), rgb_frame(index))
        np.testing.assert_array_equal(decode_thermal(thermal.message), thermal_frame(index))


@PLUGINS
@pytest.mark.parametrize("version", [8, 9])
def test_sound_recordings_are_read_without_a_word(
    tmp_path: Path, plugin: StoragePlugin, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), plugin, version)
    check_pairs(bag)
    assert Recording(bag).notes == []
    assert capsys.readouterr().err == ""


@PLUGINS
@pytest.mark.parametrize("fault", EDITS)
def test_metadata_that_disagrees_is_not_believed(
    tmp_path: Path, plugin: StoragePlugin, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), plugin)
    edit, reason = EDITS[fault]
    edit_metadata(bag, edit)
    check_pairs(bag)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(
        f"{bag}/metadata.yaml is not believed .*{re.escape(reason)}.*is read without it$", line
    ), line
    assert {name: topic.count for name, topic in Recording(bag).topics.items()} == {
        "/rgb/image": 3,
        "/thermal/image": 3,
    }


@PLUGINS
def test_an_identifier_of_the_other_storage_is_not_believed(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), plugin)
    other = "sqlite3" if plugin is MCAP else "mcap"
    edit_metadata(bag, set_value("storage_identifier", other))
    check_pairs(bag)
    assert "its storage_identifier is not that of" in Recording(bag).notes[0]


@PLUGINS
@pytest.mark.parametrize(
    "text",
    [None, "", "{", "rosbag2_bagfile_information: 3", "rosbag2_bagfile_information: {version: 9}", "[]"],
)
def test_a_lost_or_damaged_metadata_is_not_needed(
    tmp_path: Path, plugin: StoragePlugin, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a power cut, before or while it was written."""
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), plugin)
    (bag / "metadata.yaml").unlink()
    if text is not None:
        (bag / "metadata.yaml").write_text(text)
    check_pairs(bag)
    (line,) = capsys.readouterr().err.splitlines()
    assert ("has no metadata.yaml" if text is None else "metadata.yaml is not believed") in line


@PLUGINS
def test_a_storage_file_is_known_by_its_content(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), plugin)
    (file,) = (each for each in bag.iterdir() if each.name != "metadata.yaml")
    for name in ("other.mcap", "other.db3", "copy (1)"):
        check_pairs(Path(shutil.copy(file, tmp_path / name)))
    renamed = file.rename(bag / ("drive" + file.suffix))
    check_pairs(bag)
    assert f"it names {file.name}, which is not there" in Recording(bag).notes[0]
    assert f"{renamed.name} is read without it" in Recording(bag).notes[0]


@PLUGINS
def test_latched_topics_are_those_of_the_storage(tmp_path: Path, plugin: StoragePlugin) -> None:
    latched = QOS._replace(durability=QosDurability.TRANSIENT_LOCAL)
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(1)), plugin, qos=[latched])
    edit_metadata(bag, set_qos(""))
    assert Recording(bag).topics["/rgb/image"].latched
    bag = write_rosbag2(tmp_path / "other", pair_messages(range(1)), plugin)
    edit_metadata(bag, set_qos(LATCHED_QOS))
    assert not Recording(bag).topics["/rgb/image"].latched
    # Old recorders kept the QoS in metadata.yaml alone.
    bag = write_rosbag2(tmp_path / "old", pair_messages(range(1)), plugin, qos=[])
    edit_metadata(bag, set_qos(LATCHED_QOS))
    assert Recording(bag).topics["/rgb/image"].latched


@PLUGINS
@pytest.mark.parametrize("compressed", [False, True])
def test_parts_without_metadata_are_read_in_order(
    tmp_path: Path, plugin: StoragePlugin, compressed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """More than ten, so that their order is that of numbers."""
    bag = split_rosbag2(tmp_path / "bag", plugin, 12, compressed)
    check_pairs(bag, 24)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"has no metadata\.yaml, bag_0\.\S+ to bag_11\.\S+ is read without it", line)
    for file in bag.iterdir():
        assert len(list(read_images(file))) == 4


@PLUGINS
def test_parts_of_a_killed_recorder_in_two_states(tmp_path: Path, plugin: StoragePlugin) -> None:
    """All but the last are compressed already; one was decompressed by hand, and its compressed file kept."""
    bag = split_rosbag2(tmp_path / "bag", plugin, 4, compressed=True)
    plain = split_rosbag2(tmp_path / "plain", plugin, 4)
    suffix = ".mcap" if plugin is MCAP else ".db3"
    shutil.copy(plain / f"plain_1{suffix}", bag / f"bag_1{suffix}")
    (bag / f"bag_3{suffix}.zstd").unlink()
    shutil.copy(plain / f"plain_3{suffix}", bag / f"bag_3{suffix}")
    (bag / f"._bag_1{suffix}").write_bytes(b"what a Mac leaves on a stick")
    check_pairs(bag, 8)


@pytest.mark.parametrize("unfinished", [b"", b"cut", None])
def test_the_part_that_a_recorder_was_killed_in_is_left_out(
    tmp_path: Path, unfinished: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = split_rosbag2(tmp_path / "bag", MCAP, 3)
    last = bag / "bag_2.mcap"
    last.write_bytes(last.read_bytes()[:-1000] if unfinished is None else unfinished)
    check_pairs(bag, 4)
    assert "bag_2.mcap is unfinished and left out" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"bag_2.mcap is damaged or truncated .*mcap recover \S+bag_2.mcap"):
        read_images(last)


def test_a_damaged_part_in_the_middle_is_no_unfinished_one(tmp_path: Path) -> None:
    bag = split_rosbag2(tmp_path / "bag", MCAP, 3)
    file = bag / "bag_1.mcap"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"bag is damaged or truncated .*bag_1.mcap"):
        read_images(bag)


@PLUGINS
def test_metadata_that_lacks_parts(tmp_path: Path, plugin: StoragePlugin) -> None:
    """The list is of the first parts, of a part that is gone, or the counts are of all."""
    bag = split_rosbag2(tmp_path / "bag", plugin, 4)
    files = sorted(file.name for file in bag.iterdir())
    whole = write_rosbag2(tmp_path / "whole", pair_messages(range(8)), plugin)
    shutil.copy(whole / "metadata.yaml", bag)
    edit_metadata(bag, set_value("relative_file_paths", files))
    check_pairs(bag, 8)
    assert Recording(bag).notes == []
    edit_metadata(bag, set_value("relative_file_paths", files[:2]))
    check_pairs(bag, 8)
    assert f"it does not name {files[2]}, it does not name {files[3]}" in Recording(bag).notes[0]
    edit_metadata(bag, set_value("relative_file_paths", files))
    (bag / files[3]).unlink()
    check_pairs(bag, 6)
    assert f"it names {files[3]}, which is not there" in Recording(bag).notes[0]
    assert "it counts 16 messages where 12 are stored" in Recording(bag).notes[0]


def test_parts_recorded_at_the_same_time_are_merged(tmp_path: Path) -> None:
    messages = pair_messages(range(5))
    (tmp_path / "bag").mkdir()
    for place, topic in enumerate(("/rgb/image", "/thermal/image")):
        part = write_rosbag2(tmp_path / f"part_{place}", [each for each in messages if each[0] == topic])
        (part / f"part_{place}.mcap").rename(tmp_path / "bag" / f"part_{place}.mcap")
    check_pairs(tmp_path / "bag", 5)


def test_several_recordings_in_a_folder_are_not_mixed(tmp_path: Path) -> None:
    for name in ("morning", "night"):
        write_rosbag2(tmp_path / name, pair_messages(range(3)))
        (tmp_path / name / f"{name}.mcap").rename(tmp_path / f"{name}.mcap")
    with pytest.raises(UserError, match=r"several recordings \(morning.mcap, night.mcap\)") as caught:
        read_images(tmp_path)
    given = re.search(r"for instance (\S+)$", str(caught.value))
    assert given
    check_pairs(Path(given[1]))


@PLUGINS
def test_compressed_messages_are_known_without_metadata(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write_rosbag2(
        tmp_path / "bag", pair_messages(range(3)), plugin, compression=CompressionMode.MESSAGE
    )
    check_pairs(bag)
    (bag / "metadata.yaml").unlink()
    check_pairs(bag)
    (file,) = bag.iterdir()
    check_pairs(file)


@PLUGINS
def test_a_compressed_file_is_read_and_its_damage_named(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), plugin, compression=CompressionMode.FILE)
    check_pairs(bag)
    (bag / "metadata.yaml").unlink()
    (file,) = bag.iterdir()
    check_pairs(bag)
    check_pairs(file)
    check_pairs(file.rename(bag / (file.name.removesuffix("d"))))
    (file,) = bag.iterdir()
    for content in (file.read_bytes()[:-200], b"\x28\xb5\x2f\xfd" + bytes(64), b""):
        file.write_bytes(content)
        for path in (bag, file):
            with pytest.raises(UserError, match="is damaged or truncated") as caught:
                read_images(path)
            assert "reindex" not in str(caught.value)
            assert "itself" not in str(caught.value)
            assert f"copy it again, or save its beginning with `zstd -dc {file} > NEW`" in str(caught.value)


def test_messages_in_a_write_ahead_log_are_read(tmp_path: Path) -> None:
    """SQLite under power cuts: rosbag2's resilient profile keeps the newest messages beside the file at first."""
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(3)), SQLITE)
    with closing(sqlite3.connect(bag / "bag.db3")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
        rows = [
            (
                1 if topic == "/rgb/image" else 2,
                time,
                STORE.serialize_cdr(message, message.__msgtype__).tobytes(),
            )
            for topic, time, message in pair_messages(range(3, 5))
        ]
        database.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows)
        database.commit()
        (tmp_path / "cut").mkdir()
        for name in ("bag.db3", "bag.db3-wal"):
            shutil.copy(bag / name, tmp_path / "cut" / name)
    check_pairs(tmp_path / "cut", 5)


def test_advice_for_a_damaged_file_fits_it(tmp_path: Path) -> None:
    mcap = write_bag(tmp_path / "mcap")
    truncate(mcap)
    database = write_rosbag2(tmp_path / "db", pair_messages(range(9)), SQLITE) / "db.db3"
    database.write_bytes(database.read_bytes()[:20000])
    for path, advice in (
        (mcap, f"`mcap recover {mcap}/mcap.mcap -o NEW.mcap`"),
        (database, f"`sqlite3 {database} .recover | sqlite3 NEW.db3`"),
    ):
        with pytest.raises(UserError, match="is damaged or truncated") as caught:
            list(read_images(path))
        assert advice in str(caught.value)


def test_what_holds_no_messages_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag")
    (bag / "bag.mcap").unlink()
    with pytest.raises(UserError, match=r"holds no messages, without its bag.mcap: copy the recording again"):
        read_images(bag)
    (tmp_path / "notes.txt").write_text("no bag")
    with pytest.raises(UserError, match=r"notes.txt is not a recording: give a rosbag2 folder"):
        read_images(tmp_path / "notes.txt")
