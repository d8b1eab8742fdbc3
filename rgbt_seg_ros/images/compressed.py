"""Messages with compressed images to arrays, and masks to PNG, for anything shaped like sensor_msgs/CompressedImage.

They are JPEG and PNG. What they hold is read off their data: `format` ("rgb8; jpeg compressed bgr8",
"mono16; png compressed ", "jpeg", ...) differs between publishers and is only believed where it names a depth image, or
more bits than a JPEG has.
"""

import re

import cv2
import numpy as np

from rgbt_seg_ros.base.text import quoted
from rgbt_seg_ros.images.headers.check import check_image
from rgbt_seg_ros.images.headers.header import MAX_PIXELS, RefusedImage
from rgbt_seg_ros.images.headers.signatures import JPEG, PNG, format_name
from rgbt_seg_ros.images.messages import CompressedMessage, UndecodableImage
from rgbt_seg_ros.images.thermal_image import ThermalImage, ThermalReading, thermal_image

_WIDE = re.compile(r"mono16|\b(16[US]|32[SF]|64F)C\d", re.IGNORECASE)
"""Encodings with more bits than a JPEG has, as a message's `format` names them."""

_LONGEST_FORMAT = 200
"""Characters of a `format` that are looked at."""

_AS_THEY_SAY = ThermalReading()

# Long runs of equal ids: on predicted masks run lengths take half the bytes of the usual search and no more time
# (VGA: 3 KB, 2.4 ms).
_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)


def decode_compressed_rgb(message: CompressedMessage, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """RGB image uint8 [H, W, 3] of a JPEG or PNG; grey is repeated, alpha dropped, of 16 bits the upper 8 are kept.

    Args:
        message: sensor_msgs/CompressedImage or alike.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        UndecodableImage: no data, neither JPEG nor PNG, cut short, damaged or too large, or a depth image.
    """
    return cv2.cvtColor(_decompress(message, "RGB", cv2.IMREAD_COLOR, max_pixels), cv2.COLOR_BGR2RGB)


def decode_compressed_thermal(
    message: CompressedMessage, reading: ThermalReading = _AS_THEY_SAY, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """The counts of `decode_compressed_thermal_image`: uint8 or uint16 [H, W]."""
    return decode_compressed_thermal_image(message, reading, "", max_pixels).counts


def decode_compressed_thermal_image(
    message: CompressedMessage,
    reading: ThermalReading = _AS_THEY_SAY,
    before: str = "",
    max_pixels: int = MAX_PIXELS,
) -> ThermalImage:
    """Thermal image [H, W] of a JPEG or PNG, as counts: see `thermal_image`.

    Args:
        message: sensor_msgs/CompressedImage or alike.
        reading: what the image does not say of itself.
        before: `table` of the image before; empty: not known.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        UndecodableImage: no data, neither JPEG nor PNG, cut short, damaged or too large, a depth image, a JPEG of what
            had more than 8 bits, or an image that `thermal_image` refuses.
    """
    image = _decompress(message, "thermal", cv2.IMREAD_UNCHANGED, max_pixels)
    if _WIDE.search(message.format[:_LONGEST_FORMAT]) and bytes(message.data[: len(JPEG)]) == JPEG:
        raise UndecodableImage(
            f"the compressed thermal image ({quoted(message.format)}) is a JPEG, whose 8 bits cannot hold its values: "
            "have it published as PNG, or raw"
        )
    return thermal_counts(image, "the compressed thermal image", reading, before)


def thermal_counts(stored: np.ndarray, subject: str, reading: ThermalReading, before: str) -> ThermalImage:
    """As `thermal_image`; what it refuses is a sentence about the subject.

    Raises:
        UndecodableImage: see above.
    """
    try:
        return thermal_image(stored, reading, before)
    except ValueError as error:
        raise UndecodableImage(f"{subject} {error}") from error


def _decompress(message: CompressedMessage, side: str, mode: int, max_pixels: int) -> np.ndarray:
    """The image as OpenCV reads it (BGR), not turned by what a JPEG says of the camera's orientation."""
    what = f"the compressed {side} image ({quoted(message.format)})"
    data = bytes(message.data)
    if "compresseddepth" in message.format[:_LONGEST_FORMAT].lower() or data[12:20] == PNG:
        # compressedDepth: 12 bytes of quantization before the PNG.
        raise UndecodableImage(f"{what} is a depth image: subscribe to the transport 'compressed' instead")
    if not data:
        raise UndecodableImage(f"{what} is empty")
    if not data.startswith((JPEG, PNG)):
        name = format_name(data)
        raise UndecodableImage(
            f"{what} is neither JPEG nor PNG{f' but {name}: have it published as PNG, or raw' if name else ''}"
        )
    try:
        check_image(data, max_pixels)
    except RefusedImage as error:
        raise UndecodableImage(f"{what} {error}") from None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), mode | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise UndecodableImage(f"{what} is damaged")
    return image


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
