"""BMP: a header of a known size, a table of colours, and rows."""

from rgbt_seg_ros.images.headers.header import Header, cut_short, damaged, number

_OLD_HEADER = 12
_PACKED = (1, 2)
"""Compressions with run lengths; all others have rows of a fixed length."""


def read_bmp(data: bytes) -> Header:
    """Read the header.

    Raises:
        RefusedImage: the file ends before its last row.
    """
    start, header = number(data, 10, 4, "little"), number(data, 14, 4, "little")
    if header == _OLD_HEADER:
        width, height = number(data, 18, 2, "little"), number(data, 20, 2, "little")
        bits, compression, stored = number(data, 24, 2, "little"), 0, 0
    else:
        width, height = _signed(number(data, 18, 4, "little")), abs(_signed(number(data, 22, 4, "little")))
        bits, compression = number(data, 28, 2, "little"), number(data, 30, 4, "little")
        stored = number(data, 34, 4, "little")
    if width <= 0 or bits > 32:
        raise damaged(f"its header tells {width} pixels of {bits} bits in a row")
    if compression not in _PACKED:
        stored = (width * bits + 31) // 32 * 4 * height
    if start + stored > len(data):
        raise cut_short(data)
    return Header("BMP", width, height)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
