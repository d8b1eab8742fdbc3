"""Image messages to arrays and back, for anything shaped like sensor_msgs/Image: live messages and recorded ones.

Arrays are views of the message's data wherever its layout allows it; they may therefore be read-only, and rows may
be padded (`step`). Encodings are those of sensor_msgs/image_encodings.hpp.

Those of compressed images are in `rgbt_seg_ros.images.compressed`, and can be imported from here.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.base.text import quoted
from rgbt_seg_ros.images.compressed import (
    decode_compressed_rgb,
    decode_compressed_thermal,
    decode_compressed_thermal_image,
    encode_png,
    thermal_counts,
)
from rgbt_seg_ros.images.headers.check import check_size
from rgbt_seg_ros.images.headers.header import MAX_PIXELS, RefusedImage
from rgbt_seg_ros.images.messages import ImageMessage, UndecodableImage
from rgbt_seg_ros.images.thermal_image import ThermalImage, ThermalReading

__all__ = [
    "EncodedImage",
    "UndecodableImage",
    "decode_compressed_rgb",
    "decode_compressed_thermal",
    "decode_compressed_thermal_image",
    "decode_rgb",
    "decode_thermal",
    "decode_thermal_image",
    "encode_image",
    "encode_png",
    "stamp_ns",
]

# encoding: (channels of 8 bits, conversion to RGB)
_RGB_ENCODINGS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    # OpenCV's own order, as cv_bridge reads it.
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
}

# encoding: (channels, type of a channel, conversion to OpenCV's order of channels)
_THERMAL_ENCODINGS: dict[str, tuple[int, str, int | None]] = {
    "mono8": (1, "u1", None),
    "8UC1": (1, "u1", None),
    "mono16": (1, "u2", None),
    "16UC1": (1, "u2", None),
    "16SC1": (1, "i2", None),
    "32FC1": (1, "f4", None),
    "64FC1": (1, "f8", None),
    "rgb8": (3, "u1", cv2.COLOR_RGB2BGR),
    "bgr8": (3, "u1", None),
    "8UC3": (3, "u1", None),
    "rgba8": (4, "u1", cv2.COLOR_RGBA2BGRA),
    "bgra8": (4, "u1", None),
    "8UC4": (4, "u1", None),
}

_AS_THEY_SAY = ThermalReading()


@dataclass(frozen=True)
class EncodedImage:
    """The fields of sensor_msgs/Image but the header; rows are not padded."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes


def decode_rgb(message: ImageMessage, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """RGB image uint8 [H, W, 3] of rgb8, bgr8, rgba8, bgra8, mono8, 8UC1 (grey), 8UC3 (as bgr8) or 8UC4 (as bgra8).

    A view of the message's data for rgb8, a copy otherwise. Other encodings (Bayer patterns, YUV, 16 bits) are read
    by cv_bridge where it is installed.

    Args:
        message: sensor_msgs/Image or alike.
        max_pixels: larger images are refused.

    Raises:
        UndecodableImage: an empty or too large image, unknown encoding, or data that is too short for the size and
            step.
    """
    if message.encoding not in _RGB_ENCODINGS:
        return _decode_by_cv_bridge(message, max_pixels)
    channels, conversion = _RGB_ENCODINGS[message.encoding]
    rows = _rows(message, "RGB", channels, max_pixels)
    image = rows if channels == 1 else rows.reshape(message.height, message.width, channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def decode_thermal(
    message: ImageMessage, reading: ThermalReading = _AS_THEY_SAY, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """The counts of `decode_thermal_image`: uint8 or uint16 [H, W]; masks are read by this as well."""
    return decode_thermal_image(message, reading, "", max_pixels).counts


def decode_thermal_image(
    message: ImageMessage,
    reading: ThermalReading = _AS_THEY_SAY,
    before: str = "",
    max_pixels: int = MAX_PIXELS,
) -> ThermalImage:
    """Thermal image [H, W] of a message, as counts; `thermal_image` says how other encodings become counts.

    mono8, 8UC1, mono16 and 16UC1 are counts already: in native byte order, a view of the message's data unless bytes
    are swapped. 16SC1 are signed counts, 32FC1 and 64FC1 temperatures, and rgb8, bgr8, 8UC3, rgba8, bgra8 and 8UC4
    false colours or grey.

    Args:
        message: sensor_msgs/Image or alike.
        reading: what the message does not say of itself.
        before: `table` of the image before; empty: not known.
        max_pixels: larger images are refused.

    Raises:
        UndecodableImage: an empty or too large image, unknown encoding, data that is too short for the size and step,
            or an image that `thermal_image` refuses.
    """
    encoding = message.encoding
    if encoding not in _THERMAL_ENCODINGS:
        known = ", ".join(_THERMAL_ENCODINGS)
        raise UndecodableImage(
            f"the thermal image has encoding {quoted(encoding)}: it must be one of {known}"
        )
    channels, kind, conversion = _THERMAL_ENCODINGS[encoding]
    native = np.dtype(kind)
    rows = _rows(message, "thermal", channels * native.itemsize, max_pixels)
    stored = rows.view(native.newbyteorder(">" if message.is_bigendian else "<")).astype(native, copy=False)
    if channels > 1:
        stored = stored.reshape(message.height, message.width, channels)
        stored = stored if conversion is None else cv2.cvtColor(stored, conversion)
    return thermal_counts(stored, f"the thermal image with encoding {encoding!r}", reading, before)


def _decode_by_cv_bridge(message: ImageMessage, max_pixels: int) -> np.ndarray:
    bridge = _cv_bridge()
    if bridge is None:
        raise UndecodableImage(
            f"the RGB image has encoding {quoted(message.encoding)}: it must be one of {', '.join(_RGB_ENCODINGS)}; "
            "others are read where the ROS package cv_bridge is installed"
        )
    # Whatever the encoding: a pixel takes a byte at least, in YUV and Bayer patterns.
    _rows(message, "RGB", 1, max_pixels)
    try:
        image: np.ndarray = bridge.imgmsg_to_cv2(message, "rgb8")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UndecodableImage(
            f"the RGB image with encoding {quoted(message.encoding)} cannot be read by cv_bridge: {reason}"
        ) from error
    return image


@cache
def _cv_bridge() -> Any:
    """cv_bridge's converter, or None where it is not installed."""
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    return CvBridge()


def _rows(message: ImageMessage, side: str, bytes_per_pixel: int, max_pixels: int) -> np.ndarray:
    """The message's pixels as uint8 [H, W * bytes_per_pixel], a view without the rows' padding."""
    height, width, step = message.height, message.width, message.step
    if height <= 0 or width <= 0:
        raise UndecodableImage(f"the {side} image is empty ({width} x {height} pixels)")
    row_bytes = width * bytes_per_pixel
    if step < row_bytes:
        raise UndecodableImage(
            f"the {side} image has step {step}, but {width} pixels of {message.encoding} take {row_bytes} bytes"
        )
    try:
        check_size(width, height, max_pixels)
    except RefusedImage as error:
        raise UndecodableImage(f"the {side} image {error}") from None
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
