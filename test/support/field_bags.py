"""Recordings as other programs leave them: both storages, other QoS, parts, compressed files, ROS 1."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bags import START_NS, rgb_frame, thermal_frame
from rosbags import rosbag1
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
ROS1_STORE = get_typestore(Stores.ROS1_NOETIC)
PERIOD_NS = 100_000_000
_TIME = QosTime(2147483647, 4294967295)
QOS = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _TIME,
    _TIME,
    QosLiveliness.AUTOMATIC,
    _TIME,
    False,
)
BEST_EFFORT = QOS._replace(reliability=QosReliability.BEST_EFFORT)
"""As sensors offer it."""

Stamp = Callable[[int], int]
"""From the place of an image in its topic to its header stamp in nanoseconds."""


def own_time(index: int) -> int:
    return START_NS + index * PERIOD_NS


def image_message(array: np.ndarray, stamp_ns: int, types: Any = STORE.types) -> Any:
    """A sensor_msgs/Image: uint8 [H, W, 3] as rgb8, uint16 [H, W] as mono16, uint8 [H, W] as mono8."""
    encoding = "rgb8" if array.ndim == 3 else f"mono{8 * array.itemsize}"
    return types["sensor_msgs/msg/Image"](
        header=header(stamp_ns, types),
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=array[0].nbytes,
        data=np.frombuffer(array.tobytes(), np.uint8),
    )


def compressed_message(array: np.ndarray, stamp_ns: int, suffix: str = ".png", format: str = "") -> Any:
    """A sensor_msgs/CompressedImage of an array as in `image_message`."""
    stored = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.ndim == 3 else array
    data = cv2.imencode(suffix, stored)[1]
    return compressed_bytes(data.tobytes(), stamp_ns, format or suffix.removeprefix("."))


def compressed_bytes(data: bytes, stamp_ns: int, format: str) -> Any:
    return STORE.types["sensor_msgs/msg/CompressedImage"](
        header=header(stamp_ns), format=format, data=np.frombuffer(data, np.uint8)
    )


def header(stamp_ns: int, types: Any = STORE.types) -> Any:
    time = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
    fields = {"stamp": time, "frame_id": "camera"}
    if types is ROS1_STORE.types:
        fields["seq"] = 7
    return types["std_msgs/msg/Header"](**fields)


def write_rosbag2(
    path: Path,
    messages: Sequence[tuple[str, int, Any]],
    plugin: StoragePlugin = StoragePlugin.MCAP,
    version: int = 9,
    compression: CompressionMode | None = None,
    qos: Sequence[Qos] = (QOS,),
    empty: Sequence[str] = (),
) -> Path:
    """A rosbag2 of (topic, time of reception in nanoseconds, message), and of image topics without messages."""
    writer = Writer(path, version=version, storage_plugin=plugin)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    connections: dict[str, Any] = {}
    with writer:
        for topic in empty:
            writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=STORE)
        for topic, received_ns, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, kind, typestore=STORE, offered_qos_profiles=list(qos)
                )
            writer.write(connections[topic], received_ns, STORE.serialize_cdr(message, kind))
    return path


def pair_messages(
    indices: Sequence[int],
    rgb_stamp: Stamp = own_time,
    thermal_stamp: Stamp = own_time,
    rgb: str = "/rgb/image",
    thermal: str = "/thermal/image",
    types: Any = STORE.types,
) -> list[tuple[str, int, Any]]:
    """RGB and thermal images at 10 Hz, received 20 ms after each other's moment."""
    messages = []
    for index in indices:
        received = own_time(index) + 20_000_000
        messages.append((rgb, received, image_message(rgb_frame(index), rgb_stamp(index), types)))
        thermal_image = image_message(thermal_frame(index), thermal_stamp(index), types)
        messages.append((thermal, received + 1_000_000, thermal_image))
    return messages


def split_rosbag2(path: Path, plugin: StoragePlugin, parts: int, compressed: bool = False) -> Path:
    """A split recording without metadata.yaml, as when the recorder was killed: two pairs a part, named by number."""
    path.mkdir()
    for part in range(parts):
        whole = write_rosbag2(
            path.parent / f"{path.name}_{part}",
            pair_messages(range(2 * part, 2 * part + 2)),
            plugin,
            compression=CompressionMode.FILE if compressed else None,
        )
        (file,) = (each for each in whole.iterdir() if each.name != "metadata.yaml")
        file.rename(path / file.name)
        shutil.rmtree(whole)
    return path


def write_ros1(
    path: Path,
    messages: Sequence[tuple[str, int, Any]],
    compression: str | None = None,
    latched: bool = False,
) -> Path:
    """A ROS 1 bag of messages of `ROS1_STORE`."""
    writer = rosbag1.Writer(path)
    if compression is not None:
        writer.set_compression(writer.CompressionFormat[compression])
    connections: dict[str, Any] = {}
    with writer:
        for topic, received_ns, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, kind, typestore=ROS1_STORE, latching=int(latched)
                )
            data = ROS1_STORE.serialize_ros1(message, kind)
            writer.write(connections[topic], received_ns, data)
    return path
