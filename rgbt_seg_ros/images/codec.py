"""Image messages to arrays and back, for anything shaped like sensor_msgs/Image: live messages and recorded ones.

Arrays are views of the message's data wherever its layout allows it; they may therefore be read-only, and rows may
be padded (`step`). Encodings are those of sensor_msgs/image_encodings.hpp.

Compressed images are JPEG and PNG. What they hold is read off their data: `format` ("rgb8; jpeg compressed bgr8",
"mono16; png compressed ", "jpeg", ...) differs between publishers and is only believed where it names a depth image, or
more bits than a JPEG has.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.images.messages import CompressedMessage, ImageMessage
from rgbt_seg_ros.images.signatures import JPEG, PNG, format_name
from rgbt_seg_ros.images.thermal_image import ThermalImage, ThermalReading, thermal_image

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

_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_PNG_END = b"IEND\xaeB`\x82"
_WIDE = re.compile(r"mono16|\b(16[US]|32[SF]|64F)C\d", re.IGNORECASE)
"""Encodings with more bits than a JPEG has, as a message's `format` names them."""

_AS_THEY_SAY = ThermalReading()

# Long runs of equal ids: on predicted masks run lengths take half the bytes of the usual search and no more time
# (VGA: 3 KB, 2.4 ms).
_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)


class UndecodableImage(ValueError):
    """An image message that cannot be read; the message is one sentence."""


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
    """RGB image uint8 [H, W, 3] of rgb8, bgr8, rgba8, bgra8, mono8, 8UC1 (grey), 8UC3 (as bgr8) or 8UC4 (as bgra8).

    A view of the message's data for rgb8, a copy otherwise. Other encodings (Bayer patterns, YUV, 16 bits) are read
    by cv_bridge where it is installed.

    Raises:
        UndecodableImage: empty image, unknown encoding, or data that is too short for the size and step.
    """
    if message.encoding not in _RGB_ENCODINGS:
        return _decode_by_cv_bridge(message)
    channels, conversion = _RGB_ENCODINGS[message.encoding]
    rows = _rows(message, "RGB", channels)
    image = rows if channels == 1 else rows.reshape(message.height, message.width, channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def decode_thermal(message: ImageMessage, reading: ThermalReading = _AS_THEY_SAY) -> np.ndarray:
    """The counts of `decode_thermal_image`: uint8 or uint16 [H, W]; masks are read by this as well."""
    return decode_thermal_image(message, reading).counts


def decode_thermal_image(
    message: ImageMessage, reading: ThermalReading = _AS_THEY_SAY, before: str = ""
) -> ThermalImage:
    """Thermal image [H, W] of a message, as counts; `thermal_image` says how other encodings become counts.

    mono8, 8UC1, mono16 and 16UC1 are counts already: in native byte order, a view of the message's data unless bytes
    are swapped. 16SC1 are signed counts, 32FC1 and 64FC1 temperatures, and rgb8, bgr8, 8UC3, rgba8, bgra8 and 8UC4
    false colours or grey.

    Args:
        message: sensor_msgs/Image or alike.
        reading: what the message does not say of itself.
        before: `table` of the image before; empty: not known.

    Raises:
        UndecodableImage: empty image, unknown encoding, data that is too short for the size and step, or an image that
            `thermal_image` refuses.
    """
    encoding = message.encoding
    if encoding not in _THERMAL_ENCODINGS:
        known = ", ".join(_THERMAL_ENCODINGS)
        raise UndecodableImage(f"the thermal image has encoding {encoding!r}: it must be one of {known}")
    channels, kind, conversion = _THERMAL_ENCODINGS[encoding]
    native = np.dtype(kind)
    rows = _rows(message, "thermal", channels * native.itemsize)
    stored = rows.view(native.newbyteorder(">" if message.is_bigendian else "<")).astype(native, copy=False)
    if channels > 1:
        stored = stored.reshape(message.height, message.width, channels)
        stored = stored if conversion is None else cv2.cvtColor(stored, conversion)
    return _counts(stored, f"the thermal image with encoding {encoding!r}", reading, before)


def decode_compressed_rgb(message: CompressedMessage) -> np.ndarray:
    """RGB image uint8 [H, W, 3] of a JPEG or PNG; grey is repeated, alpha dropped, of 16 bits the upper 8 are kept.

    Raises:
        UndecodableImage: no data, neither JPEG nor PNG, cut short or damaged, or a depth image.
    """
    return cv2.cvtColor(_decompress(message, "RGB", cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def decode_compressed_thermal(
    message: CompressedMessage, reading: ThermalReading = _AS_THEY_SAY
) -> np.ndarray:
    """The counts of `decode_compressed_thermal_image`: uint8 or uint16 [H, W]."""
    return decode_compressed_thermal_image(message, reading).counts


def decode_compressed_thermal_image(
    message: CompressedMessage, reading: ThermalReading = _AS_THEY_SAY, before: str = ""
) -> ThermalImage:
    """Thermal image [H, W] of a JPEG or PNG, as counts: see `thermal_image`; the arguments are as above.

    Raises:
        UndecodableImage: no data, neither JPEG nor PNG, cut short or damaged, a depth image, a JPEG of what had more
            than 8 bits, or an image that `thermal_image` refuses.
    """
    image = _decompress(message, "thermal", cv2.IMREAD_UNCHANGED)
    if _WIDE.search(message.format) and bytes(message.data[: len(JPEG)]) == JPEG:
        raise UndecodableImage(
            f"the compressed thermal image ({message.format!r}) is a JPEG, whose 8 bits cannot hold its values: "
            "have it published as PNG, or raw"
        )
    return _counts(image, "the compressed thermal image", reading, before)


def _counts(stored: np.ndarray, subject: str, reading: ThermalReading, before: str) -> ThermalImage:
    try:
        return thermal_image(stored, reading, before)
    except ValueError as error:
        raise UndecodableImage(f"{subject} {error}") from error


def _decode_by_cv_bridge(message: ImageMessage) -> np.ndarray:
    bridge = _cv_bridge()
    if bridge is None:
        raise UndecodableImage(
            f"the RGB image has encoding {message.encoding!r}: it must be one of {', '.join(_RGB_ENCODINGS)}; "
            "others are read where the ROS package cv_bridge is installed"
        )
    try:
        image: np.ndarray = bridge.imgmsg_to_cv2(message, "rgb8")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UndecodableImage(
            f"the RGB image with encoding {message.encoding!r} cannot be read by cv_bridge: {reason}"
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


def _decompress(message: CompressedMessage, side: str, mode: int) -> np.ndarray:
    """The image as OpenCV reads it (BGR), not turned by what a JPEG says of the camera's orientation."""
    what = f"the compressed {side} image ({message.format!r})"
    data = bytes(message.data)
    if "compresseddepth" in message.format.lower() or data[12:20] == PNG:
        # compressedDepth: 12 bytes of quantization before the PNG.
        raise UndecodableImage(f"{what} is a depth image: subscribe to the transport 'compressed' instead")
    if not data:
        raise UndecodableImage(f"{what} is empty")
    if data.startswith(JPEG):
        # A preview inside the file has an end of its own, but before the picture's scan.
        complete = data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)
    elif data.startswith(PNG):
        complete = _PNG_END in data
    else:
        name = format_name(data)
        raise UndecodableImage(
            f"{what} is neither JPEG nor PNG{f' but {name}: have it published as PNG, or raw' if name else ''}"
        )
    if not complete:
        raise UndecodableImage(f"{what} is cut short: its {len(data)} bytes have no end marker")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), mode | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise UndecodableImage(f"{what} is damaged")
    return image


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


def encode_png(mask: np.ndarray) -> bytes:
    """A PNG of a mask uint8 or uint16 [H, W], without loss; the message's format is ``mono8; png compressed ``.

    Raises:
        ValueError: another type or shape.
    """
    if mask.dtype not in (np.uint8, np.uint16) or mask.ndim != 2 or mask.size == 0:
        raise ValueError(
            f"a mask must be uint8 or uint16 [H, W], this one is {mask.dtype} {list(mask.shape)}"
        )
    encoded: bytes = cv2.imencode(".png", mask, _PNG_OPTIONS)[1].tobytes()
    return encoded


def stamp_ns(header: Any) -> int:
    """The stamp of a std_msgs/Header, of rclpy or rosbags, in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)
