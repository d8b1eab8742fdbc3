"""PBM, PGM, PPM, PAM and PFM: a header of words, and pixels as numbers in text or in bytes."""

import re

import numpy as np

from rgbt_seg_ros.images.headers.header import Header, cut_short, damaged

_NAMES = {1: "PBM", 2: "PGM", 3: "PPM", 4: "PBM", 5: "PGM", 6: "PPM"}
_WORD = re.compile(rb"(?:\s|#[^\n]*\n)*(\d{1,10})\s")
_FLOATS = re.compile(rb"P[fF]\s+(\d{1,10})\s+(\d{1,10})\s+[-+.\deE]{1,20}\s")
_PAM_ENTRY = re.compile(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+(\d{1,10})\s*$", re.MULTILINE)
_PAM_END = b"ENDHDR\n"
_LONGEST_HEADER = 1 << 16


def read_netpbm(data: bytes) -> Header:
    """Read the header, and see whether as many pixels follow.

    Raises:
        RefusedImage: it is no such header, or the file ends before the last pixel.
    """
    kind = data[1:2]
    if kind == b"7":
        return _read_pam(data)
    if kind in b"fF":
        return _read_floats(data)
    form = int(kind)
    words, place = [], 2
    for _ in range(2 if form in (1, 4) else 3):
        # Text of a bitmap may stand without spaces, but its size does not.
        found = _WORD.match(data, place, place + _LONGEST_HEADER)
        if found is None:
            raise damaged("its header is incomplete")
        words.append(int(found[1]))
        place = found.end()
    width, height, *largest = words
    samples = width * height * (3 if form in (3, 6) else 1)
    if form == 4:
        stored = (width + 7) // 8 * height
    elif form > 3:
        stored = samples * (2 if largest[0] > 255 else 1)
    else:
        # Each sample takes a byte at least, so that a small file is not counted for a large picture.
        stored = samples
        if len(data) - place >= stored and form > 1 and _count_words(data, place) < samples:
            raise cut_short(data)
    if len(data) - place < stored:
        raise cut_short(data)
    return Header(_NAMES[form], width, height)


def _read_pam(data: bytes) -> Header:
    end = data.find(_PAM_END, 0, _LONGEST_HEADER)
    entries = {name: int(value) for name, value in _PAM_ENTRY.findall(data[: max(end, 0)])}
    if end < 0 or len(entries) != 4:
        raise damaged("its header is incomplete")
    width, height = entries[b"WIDTH"], entries[b"HEIGHT"]
    stored = width * height * entries[b"DEPTH"] * (2 if entries[b"MAXVAL"] > 255 else 1)
    if len(data) - end - len(_PAM_END) < stored:
        raise cut_short(data)
    return Header("PAM", width, height)


def _read_floats(data: bytes) -> Header:
    found = _FLOATS.match(data)
    if found is None:
        raise damaged("its header is incomplete")
    width, height = int(found[1]), int(found[2])
    if len(data) - found.end() < 4 * width * height * (3 if data[1:2] == b"F" else 1):
        raise cut_short(data)
    return Header("PFM", width, height)


def _count_words(data: bytes, start: int) -> int:
    is_space = np.frombuffer(data, np.uint8)[start:] <= ord(" ")
    return int(np.count_nonzero(is_space[:-1] & ~is_space[1:])) + int(not is_space[0])
