"""PNG, also animated: chunks of a length, a type, data and a checksum."""

from rgbt_seg_ros.images.headers.header import Header, RefusedImage, damaged, number

_SIGNATURE = 8
_BESIDE_DATA = 12
"""Bytes of a chunk that are not its data."""


def read_png(data: bytes) -> Header:
    """Walk through all chunks up to the end of the picture.

    Raises:
        RefusedImage: a chunk is longer than the rest of the file, or there is no picture.
    """
    width = height = 0
    pictures, has_pixels, place = 1, False, _SIGNATURE
    while True:
        length = number(data, place, 4) if place + 4 <= len(data) else len(data)
        if place + length + _BESIDE_DATA > len(data):
            raise RefusedImage(f"is cut short: its {len(data)} bytes have no end marker")
        kind = data[place + 4 : place + 8]
        body = place + 8
        if place == _SIGNATURE:
            if kind != b"IHDR" or length != 13:
                raise damaged("its first chunk is no header")
            width, height = number(data, body, 4), number(data, body + 4, 4)
        elif kind == b"IDAT":
            has_pixels = has_pixels or length > 0
        elif kind == b"acTL" and length == 8:
            pictures = max(1, number(data, body, 4))
        elif kind == b"IEND":
            break
        place += length + _BESIDE_DATA
    if not has_pixels:
        raise damaged("it holds no pixels")
    return Header("PNG", width, height, pictures)
