"""Messages of ROS 1 bags as the CDR of ROS 2; no ROS."""

from collections.abc import Iterable
from typing import Any

from rosbags.interfaces import Connection, Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from rgbt_seg_ros.bags.types import ros2_types

_HEADER = "std_msgs/msg/Header"
_NEW_NAMES = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}

MAX_DEFINITION = 1 << 16
"""Characters of a type's definition that are looked at: those of types that ROS 2 has as well are far shorter."""


class CdrConverter:
    """Converts the messages of a ROS 1 bag whose types have the same fields in ROS 2."""

    def __init__(self, connections: Iterable[Connection]) -> None:
        """Compare the types that the bag itself defines with those of ROS 2."""
        self._ros2 = ros2_types()
        self._targets: dict[str, str] = {}
        for connection in connections:
            name = connection.msgtype
            target = _NEW_NAMES.get(name, name)
            if target in self._ros2.fielddefs and _bag_layout(connection) == _layout(self._ros2, target):
                self._targets[name] = target

    def target_type(self, name: str) -> str | None:
        """The ROS 2 type that messages of a type become; None if they have no like in ROS 2."""
        return self._targets.get(name)

    def convert(self, data: bytes | memoryview, name: str) -> bytes:
        """The CDR of a message."""
        return bytes(self._ros2.ros1_to_cdr(data, self._targets[name]))


def _bag_layout(connection: Connection) -> Any:
    if len(connection.msgdef.data) > MAX_DEFINITION:
        return None
    store = get_typestore(Stores.EMPTY)
    try:
        store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        return _layout(store, connection.msgtype)
    except (TypesysError, KeyError, ValueError, RecursionError):
        # One odd definition must not cost the topics beside it.
        return None


def _layout(store: Typestore, name: str, known: dict[str, Any] | None = None) -> Any:
    """What decides the bytes of a type: the types of its fields in order, whatever their names.

    Args:
        store: that defines it.
        name: of the type.
        known: layouts of other types, so that each is made once.

    Raises:
        ValueError: a type is a field of itself.
    """
    if name == _HEADER:
        # The converter leaves out ROS 1's sequence number.
        return name
    known = {} if known is None else known
    if name not in known:
        known[name] = None
        known[name] = [_field_layout(store, field, known) for _, field in store.fielddefs[name][1]]
    if known[name] is None:
        raise ValueError(f"{name} is a field of itself")
    return known[name]


def _field_layout(store: Typestore, field: Any, known: dict[str, Any]) -> Any:
    kind, of = field
    if kind == Nodetype.NAME:
        return _layout(store, of, known)
    if kind == Nodetype.BASE:
        return of
    element, bound = of
    return kind, bound, _field_layout(store, element, known)
