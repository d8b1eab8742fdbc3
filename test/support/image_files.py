"""Small image files of every format that is read, and headers that tell of more than there is."""

import io
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 60, 40

READS_GIF = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 11)
"""Whether this OpenCV does; that of Ubuntu 24.04 does not."""


def smooth_picture() -> np.ndarray:
    """uint8 [40, 60, 3]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.dstack([4 * columns, 6 * rows, 255 - 4 * columns]).astype(np.uint8)


def image_files() -> dict[str, bytes]:
    """A whole file of each format and of each way in which a format lays its pixels, by name."""
    picture = smooth_picture()
    grey = np.ascontiguousarray(picture[..., 0])
    wide = grey.astype(np.uint16) * 257
    files = {
        "rgb.png": _encoded(".png", picture),
        "grey16.png": _encoded(".png", wide),
        "rgb.jpg": _encoded(".jpg", picture),
        "grey.jpg": _encoded(".jpg", grey),
        "progressive.jpg": _encoded(".jpg", picture, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "restarts.jpg": _encoded(".jpg", picture, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        "strips.tif": _saved(picture, "TIFF"),
        "lzw.tif": _saved(picture, "TIFF", compression="tiff_lzw"),
        "deflated.tif": _saved(picture, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": _saved(picture, "TIFF", compression="jpeg"),
        "floats.tif": _encoded(".tif", grey.astype(np.float32)),
        "lossy.webp": _encoded(".webp", picture, cv2.IMWRITE_WEBP_QUALITY, 80),
        "lossless.webp": _saved(picture, "WEBP", lossless=True),
        "alpha.webp": _saved(np.dstack([picture, grey]), "WEBP"),
        "rgb.bmp": _encoded(".bmp", picture),
        "grey.bmp": _encoded(".bmp", grey),
        "rgb.jp2": _saved(picture, "JPEG2000"),
        "tiles.jp2": _saved(picture, "JPEG2000", tile_size=(32, 32)),
        "stream.j2k": _saved(picture, "JPEG2000", no_jp2=True),
        "rgb.gif": _saved(picture, "GIF"),
        "text.ppm": _encoded(".ppm", picture, cv2.IMWRITE_PXM_BINARY, 0),
        "bytes.ppm": _encoded(".ppm", picture, cv2.IMWRITE_PXM_BINARY, 1),
        "wide.pgm": _encoded(".pgm", wide, cv2.IMWRITE_PXM_BINARY, 1),
        "grey.pam": _encoded(".pam", grey),
        "floats.pfm": _encoded(".pfm", grey.astype(np.float32)),
    }
    return files


def huge_files(width: int = 12_000, height: int = 12_000) -> dict[str, bytes]:
    """The files with headers that tell of another size; the others by name as above."""
    files = image_files()
    big, little = struct.pack(">II", width, height), struct.pack("<II", width, height)
    swapped = struct.pack(">II", height, width)
    huge: dict[str, bytes] = {}
    for name, data in files.items():
        if name.endswith(".png"):
            head = b"IHDR" + big + data[24:29]
            huge[name] = data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
        elif name.endswith(".jpg"):
            size, start = struct.pack(">HH", height, width), struct.pack(">HH", HEIGHT, WIDTH)
            huge[name] = data.replace(start, size, 1)
        elif name.endswith(".tif"):
            entries = {256: width, 257: height}
            huge[name] = _with_entries(data, entries)
        elif name.endswith(".bmp"):
            huge[name] = data[:18] + little + data[26:]
        elif name.endswith(".gif"):
            huge[name] = data[:6] + struct.pack("<HH", width, height) + data[10:]
        elif name == "lossless.webp":
            at = data.index(b"VP8L") + 9
            bits = (width - 1) | (height - 1) << 14
            huge[name] = data[:at] + struct.pack("<I", bits) + data[at + 4 :]
        elif name.endswith(".webp"):
            at = data.index(b"\x9d\x01\x2a") + 3
            huge[name] = data[:at] + struct.pack("<HH", width, height) + data[at + 4 :]
        elif name.endswith((".jp2", ".j2k")):
            at = data.index(b"\xff\x4f\xff\x51") + 8
            data = data[:at] + big + data[at + 8 : at + 16] + big + data[at + 24 :]
            at = data.find(b"ihdr")
            huge[name] = data if at < 0 else data[: at + 4] + swapped + data[at + 12 :]
        elif name.endswith(".pam"):
            huge[name] = data.replace(b"60", b"%d" % width, 1).replace(b"40", b"%d" % height, 1)
        else:
            huge[name] = data.replace(b"60 40", b"%d %d" % (width, height), 1)
    return huge


def cut(data: bytes, parts: int = 24) -> Iterator[bytes]:
    """A file's beginnings, the last one almost whole: a text without its last digit is still one."""
    for part in range(1, parts):
        yield data[: len(data) * part // parts]
    yield data[:-8]


def _encoded(suffix: str, image: np.ndarray, *options: int) -> bytes:
    data: bytes = cv2.imencode(suffix, image, options)[1].tobytes()
    return data


def _saved(image: np.ndarray, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def _with_entries(data: bytes, values: dict[int, int]) -> bytes:
    """A little-endian TIFF whose first directory has other values."""
    changed = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag in values:
            struct.pack_into("<HHII", changed, entry, tag, 4, 1, values[tag])
    return bytes(changed)
