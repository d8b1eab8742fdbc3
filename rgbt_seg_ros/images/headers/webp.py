"""WebP: chunks of RIFF."""

from rgbt_seg_ros.images.headers.header import Header, cut_short, damaged, number

_FRAME = b"ANMF"


def read_webp(data: bytes) -> Header:
    """Walk through all chunks; the size is that of the canvas or of the largest picture, whichever is more.

    Raises:
        RefusedImage: a chunk is longer than the rest of the file, or there is no picture.
    """
    end = 8 + number(data, 4, 4, "little")
    if end > len(data):
        raise cut_short(data)
    sizes, frames, has_pixels, place = [], 0, False, 12
    while place + 8 <= end:
        kind, length = data[place : place + 4], number(data, place + 4, 4, "little")
        body = place + 8
        if body + length > end:
            raise cut_short(data)
        if kind == b"VP8X":
            sizes.append((1 + number(data, body + 4, 3, "little"), 1 + number(data, body + 7, 3, "little")))
        elif kind == _FRAME:
            frames, has_pixels = frames + 1, True
            sizes.append((1 + number(data, body + 6, 3, "little"), 1 + number(data, body + 9, 3, "little")))
        elif kind == b"VP8 ":
            has_pixels = True
            sizes.append(
                (number(data, body + 6, 2, "little") & 0x3FFF, number(data, body + 8, 2, "little") & 0x3FFF)
            )
        elif kind == b"VP8L":
            has_pixels = True
            bits = number(data, body + 1, 4, "little")
            sizes.append((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)))
        place = body + length + length % 2
    if not has_pixels:
        raise damaged("it holds no pixels")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header("WebP", width, height, max(1, frames))
