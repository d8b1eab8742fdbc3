"""Inputs made of others: bits turned, bytes cut, repeated and put in, numbers at the ends of their ranges."""

import random
import struct
from collections.abc import Callable, Sequence

LONGEST = 1 << 20

_NUMBERS = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
_LONG_NUMBERS = (*_NUMBERS, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_WORDS = (
    *(
        b"0",
        b"-1",
        b"1e999",
        b"nan",
        b"NaN",
        b"Infinity",
        b"9" * 400,
        b"0x" + b"f" * 300,
        b"null",
        b"true",
        b"''",
        b'""',
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b"- ",
        b"\n",
        b"\r\n",
        b"\t",
        b",",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!python/object:",
        b"%s",
    ),
    *(
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\x1b[2J",
        b"../../",
        b"/dev/zero",
        b"\xe2\x80\xae",
        b"${a}",
    ),
)

Mutation = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def mutate(chance: random.Random, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of the inputs after one to eight mutations.

    Args:
        chance: decides.
        corpus: inputs so far, at least one.
        tokens: pieces that inputs are made of, beside those that are known here.
    """
    data = bytearray(chance.choice(corpus))
    for _ in range(1 << chance.randrange(4)):
        chance.choice(_MUTATIONS)(chance, data, corpus, tokens)
    return bytes(data[:LONGEST])


def _turn_bit(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set_byte(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _set_number(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    kind = chance.choice(("<H", ">H", "<I", ">I", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(kind)
    if len(data) >= size:
        place = chance.randrange(len(data) - size + 1)
        number = chance.choice(_LONG_NUMBERS if size == 8 else _NUMBERS) + chance.randrange(-2, 3)
        struct.pack_into(kind, data, place, number % (1 << 8 * size))


def _cut_out(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    start, end = _range(chance, data)
    del data[start:end]


def _cut_off(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _copy(chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    start, end = _range(chance, data)
    place = chance.randrange(len(data) + 1)
    data[place:place] = data[start:end]


def _repeat(chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    start, end = _range(chance, data)
    piece = bytes(data[start:end]) or chance.choice(_WORDS)
    times = min(chance.choice((2, 2, 3, 10, 10, 100, 100, 1000, 20_000)), LONGEST // len(piece))
    if len(data) + times * len(piece) <= LONGEST:
        data[start:start] = piece * times


def _put_in(chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = chance.choice((*tokens, *_WORDS))


def _replace(
    chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]
) -> None:
    start, end = _range(chance, data)
    data[start:end] = chance.choice((*tokens, *_WORDS))


def _cross(chance: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    other = chance.choice(corpus)
    data[chance.randrange(len(data) + 1) :] = other[chance.randrange(len(other) + 1) :]


def _range(chance: random.Random, data: bytearray) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(start + chance.choice((1, 2, 4, 8, 40, 400)), len(data))


_MUTATIONS: tuple[Mutation, ...] = (
    *(_turn_bit, _set_byte, _set_byte, _set_number, _set_number, _cut_out, _cut_off),
    *(_copy, _repeat, _put_in, _put_in, _replace, _replace, _cross),
)
