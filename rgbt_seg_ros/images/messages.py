"""What is read of image messages: live ones, recorded ones, and whatever else has these fields."""

from typing import Any, Protocol

from rgbt_seg_ros.base.text import printable


class UndecodableImage(ValueError):
    """An image message that cannot be read; the message is one sentence, as that of a `UserError`."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


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
