"""What the header of an image file says, and what is wrong with a file that is not even decoded."""

from dataclasses import dataclass

MAX_PIXELS = 36_000_000
"""Default of `max_pixels`: video of 8K (7680 x 4320) has 33 million. Decoded in four channels of 16 bits it is 288 MB,
and twice that with the copy in another order of channels."""


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before anything is decoded.

    Attributes:
        kind: of the file, such as ``PNG``.
        width, height: pixels, above 0.
        pictures: how many there are beside each other; previews are none.
    """

    kind: str
    width: int
    height: int
    pictures: int = 1


class RefusedImage(ValueError):
    """An image that is not decoded; the message is a sentence without its subject, the image."""


class UnknownFormat(RefusedImage):
    """No format that is read here."""


def cut_short(data: bytes) -> RefusedImage:
    """For a file that ends before its picture does."""
    return RefusedImage(f"is cut short: its {len(data)} bytes end before the picture does")


def damaged(what: str) -> RefusedImage:
    """For a file that contradicts itself; `what` is a clause."""
    return RefusedImage(f"is damaged: {what}")


def number(data: bytes, start: int, size: int, order: str = "big") -> int:
    """An unsigned number of so many bytes.

    Raises:
        RefusedImage: the file ends before it.
    """
    if start < 0 or start + size > len(data):
        raise cut_short(data)
    return int.from_bytes(data[start : start + size], "little" if order == "little" else "big")
