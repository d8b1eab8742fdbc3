"""Recordings that ask for more than they are: bombs, lengths and indexes that lie, types and YAML without end."""

import bz2
import contextlib
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from field_bags import pair_messages, write_ros1, write_rosbag2
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.rosbag2.storage_mcap import McapReader

from rgbt_seg_ros.bags import bounds
from rgbt_seg_ros.bags.bounds import decompress_bz2, decompress_lz4, decompress_zstd, zstd_module
from rgbt_seg_ros.bags.image_topics import find_image_topics
from rgbt_seg_ros.bags.reader import read_topics
from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.ros1 import MAX_DEFINITION
from rgbt_seg_ros.bags.stamps import choose_stamps
from rgbt_seg_ros.base.errors import UserError

COMPRESSIONS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "zstd": (lambda data: zstd_module().compress(data), decompress_zstd),
    "lz4": (bounds._LZ4.compress, decompress_lz4),
    "bz2": (bz2.compress, decompress_bz2),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_pieces_are_decompressed_up_to_the_limit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compress, decompress = COMPRESSIONS[name]
    data = bytes(range(256)) * 4000
    assert decompress(compress(data)) == data
    monkeypatch.setattr(bounds, "MAX_PIECE_BYTES", len(data))
    assert decompress(compress(data)) == data
    with pytest.raises(ValueError, match="decompresses to more than 1024000 bytes"):
        decompress(compress(data + b"!"))
    with pytest.raises(Exception, match=r"."):
        decompress(compress(data)[:-9])
    if name != "lz4":
        assert decompress(compress(data[:9]) + compress(data[9:])) == data


def reading(path: Path) -> list[bytes]:
    recording = Recording(path)
    return [message.data for message in recording.messages(recording.topics)]


def recordings(folder: Path) -> dict[str, Path]:
    """Recordings of each compression."""
    messages = pair_messages(range(2))
    found = {
        "mcap": write_rosbag2(
            folder / "mcap", messages, StoragePlugin.MCAP, compression=CompressionMode.STORAGE
        ),
        "message": write_rosbag2(
            folder / "message", messages, StoragePlugin.MCAP, compression=CompressionMode.MESSAGE
        ),
        "sqlite": write_rosbag2(
            folder / "sqlite", messages, StoragePlugin.SQLITE3, compression=CompressionMode.MESSAGE
        ),
        "plain": write_rosbag2(folder / "plain", messages, StoragePlugin.MCAP),
    }
    for compression in ("BZ2", "LZ4"):
        found[compression] = write_ros1(folder / f"{compression}.bag", ros1_messages(), compression)
    return found


def ros1_messages() -> list:
    from field_bags import ROS1_STORE

    return pair_messages(range(2), types=ROS1_STORE.types)


def test_a_recording_of_bombs_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is that of a small recording: as if its chunks and messages became gigabytes."""
    found = recordings(tmp_path)
    assert all(len(reading(path)) == 4 for path in found.values())
    monkeypatch.setattr(bounds, "MAX_PIECE_BYTES", 500)
    for name, path in found.items():
        with pytest.raises(UserError, match=r"is damaged or truncated \(.*(500|too big).*\): copy it again"):
            reading(path)
        assert name


def test_a_compressed_file_that_becomes_far_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bomb.mcap.zstd"
    file.write_bytes(zstd_module().compress(bytes(1 << 24)))
    monkeypatch.setattr(bounds, "MIN_FILE_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"which no recording of its size does: .*zstd -d"):
        Recording(file)
    monkeypatch.setattr(bounds, "MIN_FILE_BYTES", 1 << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1 << 20))
    with pytest.raises(UserError, match="there is no room to decompress"):
        Recording(file)


def mcap_of(path: Path) -> tuple[Path, bytes]:
    (file,) = path.glob("*.mcap")
    return file, file.read_bytes()


def test_an_index_that_names_a_chunk_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.MCAP)
    read_index = McapReader.read_index

    def read_twice(self: McapReader) -> None:
        read_index(self)
        self.chunks *= 2

    monkeypatch.setattr(McapReader, "read_index", read_twice)
    with pytest.raises(UserError, match="its index names a chunk twice"):
        Recording(path)


def test_chunks_that_overlap_in_time_are_not_all_decompressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.MCAP)
    read_index = McapReader.read_index

    def read_often(self: McapReader) -> None:
        read_index(self)
        (chunk,) = self.chunks
        length = chunk.chunk_length
        self.chunks += [chunk._replace(chunk_start_offset=length * place) for place in range(9, 5000)]

    monkeypatch.setattr(McapReader, "read_index", read_often)
    monkeypatch.setattr(bounds, "MAX_PIECE_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"chunks of more than \d+ bytes overlap in time"):
        Recording(path)


def test_lengths_of_records_are_those_of_the_file(tmp_path: Path) -> None:
    file, data = mcap_of(write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.MCAP))
    for length in (1 << 31, 1 << 40, (1 << 64) - 1):
        file.write_bytes(data[:9] + struct.pack("<Q", length) + data[17:])
        with pytest.raises(UserError, match="damaged or truncated"):
            reading(file)


def test_an_index_that_is_read_again_and_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_SPARE_BYTES", 0)
    file = tmp_path / "file"
    file.write_bytes(bytes(1000))
    with closing(bounds.BoundedFile(file)) as stream:
        for _ in range(3):
            assert len(stream.read(5000)) == 1000
            stream.seek(0)
        with pytest.raises(ValueError, match="again and again"):
            stream.read(1)
        stream.budget = None
        assert stream.read() == bytes(1000)


def test_a_database_that_computes_gigabytes_is_refused(tmp_path: Path) -> None:
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    with closing(sqlite3.connect(file)) as database:
        database.executescript(
            "ALTER TABLE messages RENAME TO old;"
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER,"
            " data BLOB GENERATED ALWAYS AS (zeroblob(900000000)));"
            "INSERT INTO messages SELECT id, topic_id, timestamp FROM old;"
        )
    with pytest.raises(UserError, match="too big"):
        reading(file)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET timestamp = NULL",
        "UPDATE messages SET timestamp = 'soon'",
        "UPDATE messages SET timestamp = 1.5 WHERE id = 2",
        "UPDATE messages SET timestamp = NULL WHERE id = 1",
        "UPDATE messages SET data = 'text' WHERE id = 2",
        "UPDATE messages SET data = 7",
        "UPDATE messages SET topic_id = 'x'",
        "UPDATE topics SET name = 5",
        "UPDATE topics SET name = x'ff00'",
        "UPDATE topics SET type = 5",
        "UPDATE topics SET serialization_format = x'00'",
        "UPDATE topics SET offered_qos_profiles = 3",
        "UPDATE schema SET schema_version = 'x'",
        "UPDATE message_definitions SET encoding = 'x'",
        "DELETE FROM schema",
        "DROP TABLE message_definitions",
    ],
)
def test_a_database_of_values_of_other_types_is_one_sentence(tmp_path: Path, change: str) -> None:
    """A column of SQLite holds whatever is put into it, unless its table says `STRICT`."""
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    with closing(sqlite3.connect(file)) as database:
        (schema,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'messages'").fetchone()
        loose = schema.replace("NOT NULL", "").replace(" BLOB", "").replace("messages", "loose")
        loose = loose.replace("topic_id INTEGER", "topic_id").replace("timestamp INTEGER", "timestamp")
        database.executescript(
            f"{loose}; INSERT INTO loose SELECT * FROM messages;"
            "DROP TABLE messages; ALTER TABLE loose RENAME TO messages;"
            "CREATE TABLE bare AS SELECT * FROM topics; DROP TABLE topics; ALTER TABLE bare RENAME TO topics;"
        )
        with contextlib.suppress(sqlite3.IntegrityError):
            database.execute(change)
        database.commit()
    # Whatever else it raises is a fault.
    with contextlib.suppress(UserError):
        recording = Recording(file)
        topics = find_image_topics(recording)
        for image in read_topics(recording, topics, choose_stamps(recording, topics)):
            assert isinstance(image.received_ns, int)


# --- text without end ---


DEEP = "[" * 200_000


def test_deep_metadata_is_not_believed_and_costs_nothing(tmp_path: Path) -> None:
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.MCAP)
    bomb = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text in (
        DEEP,
        "a: " * 100_000,
        "{a: " * 50_000,
        bomb,
        "x" * 5_000_000,
        "rosbag2_bagfile_information: 3",
    ):
        (path / "metadata.yaml").write_text(text)
        started = time.process_time()
        recording = Recording(path)
        assert time.process_time() - started < 10
        assert "metadata.yaml is not believed (it is damaged" in recording.notes[0]
        assert len(reading(path)) == 4


@pytest.mark.parametrize(
    "entry",
    ["storage_identifier: [mcap]", "version: 0x" + "f" * 9000, "message_count: -1", "relative_file_paths: {a: 3}",
     "storage_identifier: " + "x" * 100_000, "topics_with_message_count: [3, {}, {topic_metadata: 3}]"],
)  # fmt: skip
def test_senseless_entries_of_metadata_are_not_believed(tmp_path: Path, entry: str) -> None:
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), StoragePlugin.MCAP)
    (path / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  {entry}\n")
    recording = Recording(path)
    assert len(recording.notes[0]) < 1000
    assert len(reading(path)) == 4


@pytest.mark.parametrize("profiles", [DEEP, "- 3", "3", "- history: 3\n", "&a [*a]"])
@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_senseless_profiles_are_one_sentence(tmp_path: Path, plugin: StoragePlugin, profiles: str) -> None:
    path = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), plugin)
    (file,) = (each for each in path.iterdir() if each.name != "metadata.yaml")
    if plugin == StoragePlugin.SQLITE3:
        with closing(sqlite3.connect(file)) as database:
            database.execute("UPDATE topics SET offered_qos_profiles = ?", (profiles,))
            database.commit()
    else:
        data = file.read_bytes()
        key = struct.pack("<I", 20) + b"offered_qos_profiles"
        if len(profiles) > 200:
            pytest.skip("has no place in the file; SQLite's is the same reader")
        for place in [at for at in range(len(data)) if data.startswith(key, at)]:
            (length,) = struct.unpack_from("<I", data, place + len(key))
            start = place + len(key) + 4
            data = data[:start] + profiles.encode().ljust(length)[:length] + data[start + length :]
        file.write_bytes(data)
    started = time.process_time()
    with pytest.raises(UserError, match="is damaged or truncated"):
        reading(file)
    assert time.process_time() - started < 10


def test_types_that_contain_themselves_cost_their_topic_only(tmp_path: Path) -> None:
    """The bag's own definition of a type of ROS 2's name."""
    rosbag = write_ros1(tmp_path / "a.bag", ros1_messages())
    data = rosbag.read_bytes()
    start = data.index(b"message_definition=") + len(b"message_definition=")
    (length,) = struct.unpack_from("<I", data, start - len(b"message_definition=") - 4)
    length -= len(b"message_definition=")
    for definition in (b"sensor_msgs/Image again\n", b"uint8 x\n" * 9, b"\xff\xfe", b"/ / / /\n"):
        text = (definition + b"#" * length)[:length]
        rosbag.write_bytes(data.replace(data[start : start + length], text))
        with contextlib.suppress(UserError):
            recording = Recording(rosbag)
            assert any(topic.type.endswith("of ROS 1") for topic in recording.topics.values())
    assert length < MAX_DEFINITION
