"""Writing rosbag2 recordings (mcap) without ROS, readable by `ros2 bag`."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.base.whole_files import naming_folder, new_folder
from rgbt_seg_ros.masks.messages import MessageBuilder

# Version 8 stores QoS as numbers, which Humble, Iron and Jazzy all read; version 9 is for Jazzy and later only.
_METADATA_VERSION: Literal[8] = 8
_FOREVER = QosTime(9223372036, 854775807)


class BagWriter:
    """Writes one recording; used as a context manager. The folder gets its name when the recording is whole.

    A recording that fails half-way is removed again, or kept under the name of `unfinished_path`.

    Attributes:
        path: the recording's folder.
        folder: where it is while it is written, for what else belongs into it.
        messages: builds output messages.
    """

    def __init__(self, path: str | Path, keep: bool = False) -> None:
        """Name the new recording's folder.

        Args:
            path: of the folder.
            keep: a failed recording, as what is in it cannot be made again.

        Raises:
            UserError: the path exists already.
        """
        self.path = Path(path).absolute()
        self._keep = keep
        if self.path.exists():
            raise UserError(f"{path} exists already: remove it or choose another name")
        self._typestore = message_types()
        self.messages = MessageBuilder(self._typestore.types, partial(np.frombuffer, dtype=np.uint8))
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> "BagWriter":
        with naming_folder(self.path), ExitStack() as stack:
            self.folder = stack.enter_context(new_folder(self.path, self._keep))
            self._writer = Writer(self.folder, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            stack.enter_context(self._writer)
            self._stack = stack.pop_all()
        return self

    def write(self, topic: str, message: Any, received_ns: int, latched: bool = False) -> None:
        """Append a message; a topic's first message sets its type and whether it is latched (transient local)."""
        data = self._typestore.serialize_cdr(message, message.__msgtype__)
        self.write_serialized(topic, message.__msgtype__, data, received_ns, latched)

    def write_serialized(
        self, topic: str, msgtype: str, data: bytes | memoryview, received_ns: int, latched: bool = False
    ) -> None:
        """Append a message that is serialized (CDR) already; `msgtype` is for instance sensor_msgs/msg/Image.

        Raises:
            UserError: the disk does not take it.
        """
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=self._typestore, offered_qos_profiles=[_offered_qos(latched)]
            )
        with naming_folder(self.path):
            self._writer.write(self._connections[topic], received_ns, data)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """A std_msgs/Header."""
        types = self._typestore.types
        time = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
        return types["std_msgs/msg/Header"](time, frame_id)

    def image(self, array: np.ndarray, stamp_ns: int, frame_id: str) -> Any:
        """A sensor_msgs/Image of uint8 [H, W, 3] (rgb8), uint8 [H, W] (mono8) or uint16 [H, W] (mono16)."""
        return self.messages.image(self.header(stamp_ns, frame_id), array)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with naming_folder(self.path):
            self._stack.__exit__(kind, error, traceback)


def message_types() -> Typestore:
    """Message types of ROS 2 Jazzy and of vision_msgs.

    Raises:
        UserError: the interface files of vision_msgs are not part of the installation.
    """
    typestore = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted(share_path("resource/vision_msgs/msg").glob("*.msg")):
        typestore.register(get_types_from_msg(file.read_text(), f"vision_msgs/msg/{file.stem}"))
    return typestore


def _offered_qos(latched: bool) -> Qos:
    """Reliable, as that serves subscribers of either kind when the recording is played."""
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )
