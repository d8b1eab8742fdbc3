"""Limits before decoding: what a file's header says is checked against the file and against `max_pixels`.

Decoders believe headers: a PNG of 99 bytes that tells of a chunk of 4 GB has them allocated, and one of 140 kB with
12000 x 12000 pixels takes gigabytes to decode and to segment. So nothing is decoded whose header was not read here.
"""

from collections.abc import Callable

from rgbt_seg_ros.images.headers.bmp import read_bmp
from rgbt_seg_ros.images.headers.gif import read_gif
from rgbt_seg_ros.images.headers.header import MAX_PIXELS, Header, RefusedImage, UnknownFormat
from rgbt_seg_ros.images.headers.jpeg import read_jpeg
from rgbt_seg_ros.images.headers.jpeg2000 import read_jpeg2000
from rgbt_seg_ros.images.headers.netpbm import read_netpbm
from rgbt_seg_ros.images.headers.png import read_png
from rgbt_seg_ros.images.headers.tiff import read_tiff
from rgbt_seg_ros.images.headers.webp import read_webp

BYTES_A_PIXEL = 32
"""A file may have as many for each pixel that is allowed; those of text and of floats in four channels have fewer."""

_READERS: dict[bytes, Callable[[bytes], Header]] = {
    b"\x89PNG\r\n\x1a\n": read_png,
    b"\xff\xd8\xff": read_jpeg,
    b"II*\0": read_tiff,
    b"MM\0*": read_tiff,
    b"II+\0": read_tiff,
    b"MM\0+": read_tiff,
    b"BM": read_bmp,
    b"GIF87a": read_gif,
    b"GIF89a": read_gif,
    b"\0\0\0\x0cjP  \r\n\x87\n": read_jpeg2000,
    b"\xff\x4f\xff\x51": read_jpeg2000,
    **{b"P%c%c" % (kind, space): read_netpbm for kind in b"1234567fF" for space in b" \t\r\n#"},
}


def check_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an image file, and refuse the file if it cannot be decoded whole within the limit.

    Args:
        data: the whole file.
        max_pixels: the most that are allowed.

    Raises:
        UnknownFormat: no format that is read here.
        RefusedImage: cut short, damaged, empty, or too large.
    """
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    read = (
        read_webp
        if is_webp
        else next((read for start, read in _READERS.items() if data.startswith(start)), None)
    )
    if read is None:
        raise UnknownFormat("has no format that is read here")
    header = read(data)
    check_size(header.width, header.height, max_pixels)
    return header


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse an image of no pixels, or of too many.

    Raises:
        RefusedImage: see above.
    """
    if width <= 0 or height <= 0:
        raise RefusedImage(f"is empty ({width} x {height} pixels)")
    if width * height > max_pixels:
        raise RefusedImage(
            f"is {width} x {height} pixels, more than max_pixels ({max_pixels}): send or save it smaller, or raise that"
        )
