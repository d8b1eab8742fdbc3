"""TIFF and BigTIFF: directories of entries, which say where strips or tiles of pixels lie."""

import struct

from rgbt_seg_ros.images.headers.header import Header, cut_short, damaged, number

_WIDTH, _HEIGHT = 256, 257
_OFFSETS = (273, 324)
"""Of strips and of tiles; the tags of their lengths are these."""
_LENGTHS = {273: 279, 324: 325}
_TILE_WIDTH, _TILE_HEIGHT = 322, 323

_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of a value, by type."""
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_USED = {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, *_OFFSETS, *_LENGTHS.values()}

_MOST_DIRECTORIES = 1000
_LARGE_TILE = 1 << 20
"""Pixels of a tile that a small picture may have; its bytes are asked for, whatever the picture's size."""


def read_tiff(data: bytes) -> Header:
    """Walk through all directories; those of another size than the first are previews.

    Raises:
        RefusedImage: values or pixels lie behind the end of the file, or there is no picture.
    """
    order = "little" if data[:2] == b"II" else "big"
    is_big = number(data, 2, 2, order) == 43
    place = number(data, 8 if is_big else 4, 8 if is_big else 4, order)
    sizes: list[tuple[int, int]] = []
    seen: set[int] = set()
    while place:
        if place in seen or len(seen) > _MOST_DIRECTORIES:
            raise damaged("its directories have no end")
        seen.add(place)
        values, place = _read_directory(data, place, order, is_big)
        sizes.append(_check_picture(data, values))
    if not sizes:
        raise damaged("it holds no picture")
    pictures = len(sizes) if len(sizes) > 1 and sizes[1] == sizes[0] else 1
    return Header("TIFF", *sizes[0], pictures)


def _read_directory(
    data: bytes, place: int, order: str, is_big: bool
) -> tuple[dict[int, tuple[int, ...]], int]:
    """The values that matter by tag, and where the next directory is."""
    wide = 8 if is_big else 4
    count_size = 8 if is_big else 2
    entry_size = 4 + 2 * wide
    count = number(data, place, count_size, order)
    start = place + count_size
    if start + count * entry_size + wide > len(data):
        raise cut_short(data)
    values: dict[int, tuple[int, ...]] = {}
    for entry in range(start, start + count * entry_size, entry_size):
        tag, kind = number(data, entry, 2, order), number(data, entry + 2, 2, order)
        length = number(data, entry + 4, wide, order)
        size = length * _SIZES.get(kind, 1)
        where = entry + 4 + wide
        if size > wide:
            where = number(data, where, wide, order)
        if where + size > len(data):
            raise cut_short(data)
        if tag in _USED and kind in _WHOLE:
            values[tag] = struct.unpack_from(
                f"{'<' if order == 'little' else '>'}{length}{_WHOLE[kind]}", data, where
            )
    return values, number(data, start + count * entry_size, wide, order)


def _check_picture(data: bytes, values: dict[int, tuple[int, ...]]) -> tuple[int, int]:
    """Width and height of a directory's picture, whose pixels are all in the file."""
    width, height = _first(values, _WIDTH), _first(values, _HEIGHT)
    tile = _first(values, _TILE_WIDTH) * _first(values, _TILE_HEIGHT)
    if tile > 4 * max(width * height, _LARGE_TILE):
        raise damaged(f"a tile of {tile} pixels is in a picture of {width} x {height}")
    for tag in _OFFSETS:
        offsets, lengths = values.get(tag, ()), values.get(_LENGTHS[tag], ())
        ends = [offset + length for offset, length in zip(offsets, lengths, strict=False)]
        if max([*ends, *offsets], default=0) > len(data):
            raise cut_short(data)
    return width, height


def _first(values: dict[int, tuple[int, ...]], tag: int) -> int:
    return (values.get(tag) or (0,))[0]
