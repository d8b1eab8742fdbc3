"""GIF: a screen, and pictures on it in blocks of 255 bytes."""

from rgbt_seg_ros.images.headers.header import Header, damaged, number

_PICTURE, _EXTENSION, _END = 0x2C, 0x21, 0x3B


def read_gif(data: bytes) -> Header:
    """Walk through all blocks up to the end of the file's last picture.

    Raises:
        RefusedImage: it ends before that, or holds something else.
    """
    width, height = number(data, 6, 2, "little"), number(data, 8, 2, "little")
    place, pictures = 13 + _table(number(data, 10, 1)), 0
    while (kind := number(data, place, 1)) != _END:
        if kind == _PICTURE:
            pictures += 1
            width = max(width, number(data, place + 1, 2, "little") + number(data, place + 5, 2, "little"))
            height = max(height, number(data, place + 3, 2, "little") + number(data, place + 7, 2, "little"))
            # Behind the table of colours, a byte that says how long codes are.
            place += 10 + _table(number(data, place + 9, 1)) + 1
        elif kind == _EXTENSION:
            place += 2
        else:
            raise damaged("it holds a block of no known kind")
        while length := number(data, place, 1):
            place += 1 + length
        place += 1
    if not pictures:
        raise damaged("it holds no pixels")
    return Header("GIF", width, height, pictures)


def _table(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0
