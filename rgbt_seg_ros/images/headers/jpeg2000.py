"""JPEG 2000: boxes around a code stream, or the code stream alone."""

from rgbt_seg_ros.images.headers.header import Header, cut_short, damaged, number

CODE_STREAM = b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_TILE_PART = 0xFF90

MOST_TILES = 4096
"""Each one takes kilobytes, however small it is."""
MOST_CHANNELS = 4


def read_jpeg2000(data: bytes) -> Header:
    """Walk through boxes and parts of tiles up to the end of the picture.

    Raises:
        RefusedImage: a part is longer than the rest of the file, or the picture has too many tiles or channels.
    """
    if data.startswith(CODE_STREAM):
        return _read_code_stream(data, 0)
    place = 0
    while place < len(data):
        length, kind, start = number(data, place, 4), data[place + 4 : place + 8], 8
        if length == 1:
            length, start = number(data, place + 8, 8), 16
        if kind == b"jp2c":
            return _read_code_stream(data, place + start)
        if length < start or place + length > len(data):
            raise cut_short(data)
        place += length
    raise cut_short(data)


def _read_code_stream(data: bytes, start: int) -> Header:
    if data[start : start + 4] != CODE_STREAM:
        raise damaged("its code stream has no size")
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = (
        number(data, start + 8 + 4 * index, 4) for index in range(8)
    )
    width, height = right - left, bottom - top
    channels = number(data, start + 40, 2)
    if not (tile_width and tile_height and 0 < channels <= MOST_CHANNELS) or width <= 0 or height <= 0:
        raise damaged(f"it is {width} x {height} pixels of {channels} channels")
    if tile_left > left or tile_top > top:
        raise damaged("its tiles do not cover it")
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > MOST_TILES:
        raise damaged(f"it has {tiles} tiles")
    place = start + 4 + number(data, start + 4, 2)
    while data[place : place + 2] != _END:
        marker, length = number(data, place, 2), number(data, place + 2, 2)
        if marker < 0xFF00 or length < 2:
            raise damaged("its code stream holds something else than segments")
        if marker == _TILE_PART:
            part = number(data, place + 6, 4)
            # The last part may go on to the end, whatever its length.
            length = part - 2 if part else max(data.rfind(_END, place) - place - 2, 0)
            if length < 12:
                raise cut_short(data) if not part else damaged("a tile has no length")
        place += 2 + length
        if place + 2 > len(data):
            raise cut_short(data)
    return Header("JPEG 2000", width, height)
