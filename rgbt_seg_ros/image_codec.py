"""Image messages to arrays and back, for anything shaped like sensor_msgs/Image: live messages and recorded ones.

Arrays are views of the message's data wherever its layout allows it; they may therefore be read-only, and rows may
be padded (`step`). Encodings are those of sensor_msgs/image_encodings.hpp.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

# encoding: (channels, bytes per channel, conversion to RGB)
_RGB_ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "rgb8": (3, 1, None),
    "bgr8": (3, 1, cv2.COLOR_BGR2RGB),
    "rgba8": (4, 1, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, 1, cv2.COLOR_BGRA2RGB),
    "mono8": (1, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, 1, cv2.COLOR_GRAY2RGB),
    # OpenCV's own order, as cv_bridge reads it.
    "8UC3": (3, 1, cv2.COLOR_BGR2RGB),
}

# encoding: (channels, bytes per channel, conversion to one channel)
_THERMAL_ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "mono8": (1, 1, None),
    "8UC1": (1, 1, None),
    "mono16": (1, 2, None),
    "16UC1": (1, 2, None),
    "rgb8": (3, 1, cv2.COLOR_RGB2GRAY),
    "bgr8": (3, 1, cv2.COLOR_BGR2GRAY),
}


class UndecodableImage(ValueError):
    """An image message that cannot be read; the message is one sentence."""


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


@dataclass(frozen=True)
class EncodedImage:
    """The fields of sensor_msgs/Image but the header; rows are not padded."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes


def decode_rgb(message: ImageMessage) -> np.ndarray:
    """RGB image uint8 [H, W, 3] of a message in rgb8, bgr8, rgba8, bgra8, mono8, 8UC1 (grey) or 8UC3 (as bgr8).

    A view of the message's data for rgb8, a copy otherwise.

    Raises:
        UndecodableImage: empty image, unknown encoding, or data that is too short for the size and step.
    """
    return _decode(message, "RGB", _RGB_ENCODINGS)


def decode_thermal(message: ImageMessage) -> np.ndarray:
    """Thermal image [H, W] of a message: uint8 of mono8, 8UC1, rgb8 or bgr8 (pseudo-grey), uint16 of mono16 or 16UC1.

    Values are in native byte order; a view of the message's data unless bytes are swapped or channels merged.

    Raises:
        UndecodableImage: empty image, unknown encoding, or data that is too short for the size and step.
    """
    return _decode(message, "thermal", _THERMAL_ENCODINGS)


def _decode(
    message: ImageMessage, side: str, encodings: dict[str, tuple[int, int, int | None]]
) -> np.ndarray:
    if message.encoding not in encodings:
        raise UndecodableImage(
            f"the {side} image has encoding {message.encoding!r}: it must be one of {', '.join(encodings)}"
        )
    channels, bytes_per_channel, conversion = encodings[message.encoding]
    rows = _rows(message, side, channels * bytes_per_channel)
    if bytes_per_channel == 2:
        stored = rows.view(">u2" if message.is_bigendian else "<u2")
        return stored.astype(np.uint16, copy=False)
    image = rows if channels == 1 else rows.reshape(message.height, message.width, channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def _rows(message: ImageMessage, side: str, bytes_per_pixel: int) -> np.ndarray:
    """The message's pixels as uint8 [H, W * bytes_per_pixel], a view without the rows' padding."""
    height, width, step = message.height, message.width, message.step
    if height <= 0 or width <= 0:
        raise UndecodableImage(f"the {side} image is empty ({width} x {height} pixels)")
    row_bytes = width * bytes_per_pixel
    if step < row_bytes:
        raise UndecodableImage(
            f"the {side} image has step {step}, but {width} pixels of {message.encoding} take {row_bytes} bytes"
        )
    # The last row needs no padding.
    needed = step * (height - 1) + row_bytes
    size = memoryview(message.data).nbytes
    if size < needed:
        raise UndecodableImage(
            f"the {side} image has {size} bytes of data, but {width} x {height} pixels of {message.encoding} "
            f"with step {step} take {step * height}"
        )
    data = np.frombuffer(message.data, np.uint8, count=needed)
    return np.lib.stride_tricks.as_strided(
        data, (height, row_bytes), (step, 1), writeable=data.flags.writeable
    )


def encode_image(array: np.ndarray) -> EncodedImage:
    """Message fields of an image: uint8 [H, W] gives mono8, uint16 [H, W] mono16, uint8 [H, W, 3] rgb8.

    Raises:
        ValueError: another shape or type.
    """
    if array.dtype == np.uint8 and array.ndim == 2:
        encoding, bytes_per_pixel = "mono8", 1
    elif array.dtype == np.uint16 and array.ndim == 2:
        encoding, bytes_per_pixel = "mono16", 2
    elif array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
        encoding, bytes_per_pixel = "rgb8", 3
    else:
        raise ValueError(
            f"an image of {array.dtype} {list(array.shape)} has no encoding here: "
            "give uint8 [H, W], uint16 [H, W] or uint8 [H, W, 3]"
        )
    height, width = array.shape[:2]
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return EncodedImage(height, width, encoding, 0, width * bytes_per_pixel, little_endian.tobytes())


def stamp_ns(header: Any) -> int:
    """The stamp of a std_msgs/Header, of rclpy or rosbags, in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)
