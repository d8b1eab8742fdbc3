"""What is read of image messages: live ones, recorded ones, and whatever else has these fields."""

from typing import Any, Protocol


class ImageMessage(Protocol):
    """What is read of sensor_msgs/Image; `data` is any buffer: bytes, array.array, memoryview, numpy array."""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def encoding(self) -> str: ...

    @property
    def is_bigendian(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def data(self) -> Any: ...


class CompressedMessage(Protocol):
    """What is read of sensor_msgs/CompressedImage; `data` is any buffer."""

    @property
    def format(self) -> str: ...

    @property
    def data(self) -> Any: ...
