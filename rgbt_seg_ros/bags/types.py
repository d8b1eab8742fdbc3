"""The types of ROS 2, as recordings are read with."""

from functools import cache

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore


@cache
def ros2_types() -> Typestore:
    """The types of Jazzy; nothing is to be registered in it. Each store compiles what it reads, which takes a while."""
    return get_typestore(Stores.ROS2_JAZZY)
