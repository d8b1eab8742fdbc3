"""Recordings: MCAP, SQLite, ROS 1, compressed files, metadata.yaml."""

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

from fuzz.target import Target
from rgbt_seg_ros.bags.bounds import zstd_module
from rgbt_seg_ros.bags.image_topics import find_image_topics
from rgbt_seg_ros.bags.metadata import disagreements, read_metadata
from rgbt_seg_ros.bags.reader import read_topics
from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.stamps import choose_stamps

_ROS1, _ROS2 = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_JAZZY)
_TOPICS = {"/rgb/image": "rgb8", "/thermal/image": "mono8"}
_MODULES = tuple(
    f"rgbt_seg_ros.bags.{name}"
    for name in ("bounds", "image_topics", "reader", "recording", "stamps", "storage")
)
_TOKENS = (
    *(
        b"\x89MCAP0\r\n",
        b"zstd",
        b"lz4",
        b"bz2",
        b"none",
        b"offered_qos_profiles",
        b"cdr",
        b"ros2msg",
        b"ros2",
    ),
    *(
        b"sensor_msgs/msg/Image",
        b"sensor_msgs/msg/CompressedImage",
        b"sensor_msgs/Image",
        b"/rgb/image",
        b"\x28\xb5\x2f\xfd",
    ),
    *(
        b"conn_count=",
        b"chunk_count=",
        b"index_pos=",
        b"op=",
        b"size=",
        b"chunk_pos=",
        b"count=",
        b"compression=",
    ),
)


def _message(types: Any, index: int, encoding: str) -> Any:
    channels = 3 if encoding == "rgb8" else 1
    header: dict[str, Any] = {"stamp": types["builtin_interfaces/msg/Time"](index, 0), "frame_id": "camera"}
    if "seq" in types["std_msgs/msg/Header"].__dataclass_fields__:
        header["seq"] = index
    return types["sensor_msgs/msg/Image"](
        header=types["std_msgs/msg/Header"](**header),
        height=8,
        width=9,
        encoding=encoding,
        is_bigendian=0,
        step=9 * channels,
        data=np.full(72 * channels, index, np.uint8),
    )


def _write_messages(writer: Any, store: Any, serialize: Callable[[Any, str], Any]) -> None:
    kind = "sensor_msgs/msg/Image"
    for topic, encoding in _TOPICS.items():
        connection = writer.add_connection(topic, kind, typestore=store)
        for index in range(1, 3):
            writer.write(
                connection, index * 1_000_000_000, serialize(_message(store.types, index, encoding), kind)
            )


def _write_ros2(folder: Path, plugin: rosbag2.StoragePlugin, mode: rosbag2.CompressionMode | None) -> bytes:
    writer = rosbag2.Writer(folder / "bag", version=9, storage_plugin=plugin)
    if mode is not None:
        writer.set_compression(mode, rosbag2.CompressionFormat.ZSTD)
    with writer:
        _write_messages(writer, _ROS2, _ROS2.serialize_cdr)
    (file,) = (each for each in (folder / "bag").iterdir() if each.name != "metadata.yaml")
    return file.read_bytes()


def _write_ros1(folder: Path, compression: str | None) -> bytes:
    path = folder / "a.bag"
    writer = rosbag1.Writer(path)
    if compression is not None:
        writer.set_compression(writer.CompressionFormat[compression])
    with writer:
        _write_messages(writer, _ROS1, _ROS1.serialize_ros1)
    return path.read_bytes()


@functools.cache
def _seeds(kind: str) -> list[bytes]:
    mcap, sqlite = rosbag2.StoragePlugin.MCAP, rosbag2.StoragePlugin.SQLITE3
    modes: dict[str, list[Any]] = {
        "mcap": [
            (mcap, None),
            (mcap, rosbag2.CompressionMode.STORAGE),
            (mcap, rosbag2.CompressionMode.MESSAGE),
        ],
        "sqlite": [(sqlite, None), (sqlite, rosbag2.CompressionMode.MESSAGE)],
        "ros1": [None, "BZ2", "LZ4"],
    }
    if kind == "zstd":
        return [zstd_module().compress(data) for data in (_seeds("mcap")[0], _seeds("sqlite")[0])]
    found = []
    for mode in modes[kind]:
        folder = Path(tempfile.mkdtemp())
        try:
            found.append(_write_ros1(folder, mode) if kind == "ros1" else _write_ros2(folder, *mode))
        finally:
            shutil.rmtree(folder)
    return found


def _read(name: str, data: bytes, folder: Path) -> None:
    file = folder / name
    file.write_bytes(data)
    recording = Recording(file)
    topics = find_image_topics(recording, dispensable=("rgb", "thermal"))
    stamps = choose_stamps(recording, topics)
    for image in read_topics(recording, topics, stamps):
        assert isinstance(image.stamp_ns, int)


@functools.cache
def _whole_recording() -> Any:
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "bag.mcap").write_bytes(_seeds("mcap")[0])
        return Recording(folder / "bag.mcap")
    finally:
        shutil.rmtree(folder)


def _read_metadata(data: bytes, folder: Path) -> None:
    (folder / "metadata.yaml").write_bytes(data)
    metadata = read_metadata(folder)
    assert metadata is not None
    topics = [topic for part in _whole_recording()._parts for topic in part.topics]
    faults = [*metadata.faults, *disagreements(metadata, topics, {".mcap"})]
    assert all(isinstance(fault, str) for fault in faults)


def _metadata() -> list[bytes]:
    folder = Path(tempfile.mkdtemp())
    try:
        _write_ros2(folder, rosbag2.StoragePlugin.MCAP, None)
        return [(folder / "bag" / "metadata.yaml").read_bytes()]
    finally:
        shutil.rmtree(folder)


TARGETS = (
    *(
        Target(
            kind,
            functools.partial(_read, f"bag{suffix}"),
            functools.partial(_seeds, kind),
            (*_MODULES, "rgbt_seg_ros.bags.ros1") if kind == "ros1" else _MODULES,
            _TOKENS,
        )
        for kind, suffix in (("mcap", ".mcap"), ("sqlite", ".db3"), ("ros1", ".bag"), ("zstd", ".mcap.zstd"))
    ),
    Target(
        "metadata", _read_metadata, _metadata, ("rgbt_seg_ros.bags.metadata", "rgbt_seg_ros.base.yaml_files")
    ),
)
