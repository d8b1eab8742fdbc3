"""JPEG: segments of a marker and a length, then scans that end at the next marker."""

import re

from rgbt_seg_ros.images.headers.header import Header, RefusedImage, damaged, number

_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_MARKER_AFTER_SCAN = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""In a scan, FF 00 is a byte of data, and FF D0 to FF D7 are places to start anew."""

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""

_SCAN, _END = 0xDA, 0xD9

MOST_SCANS = 100
"""Encoders write a dozen at most. Each one costs a pass over the whole picture, however few bytes it has."""


def read_jpeg(data: bytes) -> Header:
    """Walk through all segments up to the end of the picture; a preview inside of one has an end of its own.

    Raises:
        RefusedImage: a segment is longer than the rest of the file, or the picture has no size, scan or end.
    """
    width = height = scans = 0
    place, pattern = 2, _MARKER
    while True:
        found = pattern.search(data, place)
        if found is None:
            raise _unfinished(data)
        marker, place, pattern = found[1][0], found.end(), _MARKER
        if marker == _END:
            break
        if marker in _ALONE:
            continue
        length = number(data, place, 2) if place + 2 <= len(data) else len(data)
        if place + length > len(data):
            raise _unfinished(data)
        if length < 2:
            raise damaged(f"a segment says that it has {length} bytes")
        if marker in _FRAMES:
            if width or length < 8:
                raise damaged("it has two sizes" if width else "its frame has no size")
            height, width = number(data, place + 3, 2), number(data, place + 5, 2)
        elif marker == _SCAN:
            scans += 1
            if scans > MOST_SCANS:
                raise damaged(f"it has more than {MOST_SCANS} scans")
            pattern = _MARKER_AFTER_SCAN
        place += length
    if not scans:
        raise damaged("it holds no pixels")
    return Header("JPEG", width, height)


def _unfinished(data: bytes) -> RefusedImage:
    if data.rfind(bytes((0xFF, _END))) > data.rfind(bytes((0xFF, _SCAN))):
        # They end as a preview does.
        return damaged("a segment is longer than the rest of it")
    return RefusedImage(f"is cut short: its {len(data)} bytes have no end marker")
