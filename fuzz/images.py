"""Images: headers, files, messages, labels, thermal values."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from fuzz.target import OWN_ERRORS, Target
from rgbt_seg_ros.images.choices import FLOAT_UNITS, PALETTES
from rgbt_seg_ros.images.codec import (
    UndecodableImage,
    decode_compressed_rgb,
    decode_compressed_thermal_image,
    decode_rgb,
    decode_thermal_image,
)
from rgbt_seg_ros.images.files import read_image, to_rgb, to_thermal_image
from rgbt_seg_ros.images.headers.check import check_image
from rgbt_seg_ros.images.headers.header import RefusedImage
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.images.thermal_image import ThermalReading, thermal_image
from rgbt_seg_ros.masks.labels import read_label
from training.data.files import read_ids, read_rgb, read_rgb_and_thermal, read_thermal_image

_HEADERS = tuple(
    f"rgbt_seg_ros.images.headers.{name}"
    for name in ("bmp", "check", "gif", "header", "jpeg", "jpeg2000", "netpbm", "png", "tiff", "webp")
)
_TOKENS = (
    *(b"IHDR", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"iCCP", b"PLTE", b"tRNS"),
    *(
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xda",
        b"\xff\xe1",
        b"\xff\xc0",
        b"\xff\xc2",
        b"\xff\xc4",
        b"\xff\xdb",
        b"\xff\xdd",
    ),
    *(
        b"VP8 ",
        b"VP8L",
        b"VP8X",
        b"ALPH",
        b"ANIM",
        b"ANMF",
        b"jp2h",
        b"jp2c",
        b"ihdr",
        b"\xff\x4f\xff\x51",
        b"\xff\x90",
    ),
)
_ENCODINGS = (
    *(
        "rgb8",
        "bgr8",
        "rgba8",
        "bgra8",
        "mono8",
        "mono16",
        "8UC1",
        "8UC3",
        "8UC4",
        "16UC1",
        "16SC1",
        "32FC1",
        "64FC1",
    ),
    *("bayer_rggb8", "yuv422", "", "x" * 300),
)
_FORMATS = (
    "png",
    "jpeg",
    "rgb8; jpeg compressed bgr8",
    "mono16; png compressed ",
    "16UC1; compressedDepth png",
    "",
)


def picture(height: int = 12, width: int = 16) -> np.ndarray:
    """uint8 [12, 16, 3]."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([15 * columns, 20 * rows, 255 - 15 * columns]).astype(np.uint8)


def image_files() -> list[bytes]:
    """A tiny file of each format and layout."""
    colour = picture()
    grey = np.ascontiguousarray(colour[..., 0])
    wide = grey.astype(np.uint16) * 257
    four = np.dstack([colour, grey])
    opencv: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        *((".png", image, ()) for image in (colour, grey, wide, four)),
        *((".jpg", image, ()) for image in (colour, grey)),
        (".jpg", colour, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", colour, (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)),
        *((".tif", image, ()) for image in (colour, wide, grey.astype(np.float32))),
        *((".bmp", image, ()) for image in (colour, grey, four)),
        (".webp", colour, (cv2.IMWRITE_WEBP_QUALITY, 50)),
        *((".ppm", colour, (cv2.IMWRITE_PXM_BINARY, binary)) for binary in (0, 1)),
        (".pgm", wide, (cv2.IMWRITE_PXM_BINARY, 1)),
        (".pam", grey, ()),
        (".pfm", grey.astype(np.float32), ()),
    ]
    files = [bytes(cv2.imencode(suffix, image, options)[1]) for suffix, image, options in opencv]
    pillow: list[tuple[str, dict[str, Any]]] = [
        *(
            ("TIFF", {"compression": name})
            for name in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
        ),
        *(("WEBP", {"lossless": lossless}) for lossless in (True, False)),
        *(
            ("JPEG2000", options)
            for options in ({}, {"no_jp2": True}, {"tile_size": (8, 8)}, {"irreversible": True})
        ),
        ("GIF", {}),
        ("GIF", {"save_all": True, "append_images": [Image.fromarray(colour[::-1])]}),
        ("PNG", {"save_all": True, "append_images": [Image.fromarray(colour[::-1])]}),
        ("MPO", {"save_all": True, "append_images": [Image.fromarray(colour[::-1])]}),
    ]
    for kind, options in pillow:
        file = io.BytesIO()
        Image.fromarray(colour).save(file, kind, **options)
        files.append(file.getvalue())
    indexed = io.BytesIO()
    Image.fromarray(colour).quantize(16).save(indexed, "PNG")
    return [*files, indexed.getvalue()]


def _read_header(data: bytes, folder: Path) -> None:
    check_image(data)


def _read_file(data: bytes, folder: Path) -> None:
    file = folder / "image.png"
    file.write_bytes(data)
    image = read_image(file)
    for convert in (to_rgb, to_thermal_image):
        try:
            convert(image)
        except OWN_ERRORS:
            continue


def _read_training_file(data: bytes, folder: Path) -> None:
    file = folder / "image.png"
    file.write_bytes(data)
    errors = []
    for read in (read_label, read_ids, read_rgb, read_rgb_and_thermal, read_thermal_image):
        try:
            read(file)
        except OWN_ERRORS as error:
            errors.append(error)
    if errors:
        raise errors[0]


@dataclass(frozen=True)
class _Compressed:
    format: str
    data: bytes


def _read_compressed(data: bytes, folder: Path) -> None:
    choice = data[0] if data else 0
    message = _Compressed(_FORMATS[choice // 2 % len(_FORMATS)], data[1:])
    if choice % 2:
        decode_compressed_rgb(message)
    else:
        decode_compressed_thermal_image(message)


@dataclass(frozen=True)
class _Raw:
    height: int
    width: int
    step: int
    encoding: str
    is_bigendian: int
    data: bytes


_RAW = struct.Struct("<IIIBB")


def _read_raw(data: bytes, folder: Path) -> None:
    if len(data) < _RAW.size:
        return
    height, width, step, encoding, choice = _RAW.unpack_from(data)
    message = _Raw(
        height, width, step, _ENCODINGS[encoding % len(_ENCODINGS)], choice >> 1 & 1, data[_RAW.size :]
    )
    if choice & 1:
        decode_rgb(message)
    else:
        decode_thermal_image(message)


def _raw_messages() -> list[bytes]:
    found = []
    for number in range(len(_ENCODINGS)):
        for choice in (0, 1, 2):
            step = 16 * (4 if number < 11 else 8)
            found.append(_RAW.pack(12, 16, step, number, choice) + bytes(range(250)) * 8)
    return found


_TYPES = ("u1", "u2", "i2", "f4", "f8", "u4", "i4")


def _read_values(data: bytes, folder: Path) -> None:
    """Thermal values of any type and shape, and what becomes of them."""
    if len(data) < 6:
        return
    kind, height, width, channels, palette, rule = data[:6]
    dtype = np.dtype(_TYPES[kind % len(_TYPES)])
    shape: tuple[int, ...] = (1 + height % 64, 1 + width % 64)
    if channels % 6 > 1:
        shape += (channels % 6,)
    needed = int(np.prod(shape)) * dtype.itemsize
    stored = np.frombuffer(data[6:].ljust(needed, b"\x30")[:needed], dtype).reshape(shape)
    reading = ThermalReading(PALETTES[palette % len(PALETTES)], FLOAT_UNITS[palette >> 7])
    found = thermal_image(stored, reading)
    assert found.counts.dtype in (np.uint8, np.uint16)
    assert found.counts.shape == stored.shape[:2]
    normalization = ThermalNormalization(("auto", "percentile", "minmax")[rule % 3])
    clean, valid, _ = normalization.clean(found.counts, found.valid)
    scaled = normalization(clean, valid)
    assert np.isfinite(scaled).all()
    assert 0 <= scaled.min() <= scaled.max() <= 1


def _values() -> list[bytes]:
    return [
        bytes([kind, 11, 15, channels, palette, kind]) + bytes(range(1, 251)) * 20
        for kind in range(len(_TYPES))
        for channels, palette in ((1, 0), (3, 0), (4, 2), (3, 4), (1, 131))
    ]


def _compressed_messages() -> Sequence[bytes]:
    files = image_files()[:8]
    return [bytes([choice]) + file for choice, file in enumerate([*files, *files])]


TARGETS = (
    Target("headers", _read_header, image_files, _HEADERS, _TOKENS, (RefusedImage,)),
    Target(
        "image_files",
        _read_file,
        image_files,
        (
            *_HEADERS,
            "rgbt_seg_ros.images.checked_files",
            "rgbt_seg_ros.images.orientation",
            "rgbt_seg_ros.images.files",
        ),
        _TOKENS,
    ),
    Target(
        "labels",
        _read_training_file,
        image_files,
        ("rgbt_seg_ros.images.checked_files", "rgbt_seg_ros.masks.labels", "training.data.files"),
        _TOKENS,
    ),
    Target(
        "compressed", _read_compressed, _compressed_messages, ("rgbt_seg_ros.images.compressed",), _TOKENS
    ),
    Target("raw", _read_raw, _raw_messages, ("rgbt_seg_ros.images.codec",)),
    Target(
        "thermal",
        _read_values,
        _values,
        (
            "rgbt_seg_ros.images.palette",
            "rgbt_seg_ros.images.thermal",
            "rgbt_seg_ros.images.thermal_defects",
            "rgbt_seg_ros.images.thermal_image",
            "rgbt_seg_ros.images.thermal_noise",
        ),
        own_errors=(ValueError,),
    ),
)

__all__ = ["TARGETS", "UndecodableImage", "image_files", "picture"]
