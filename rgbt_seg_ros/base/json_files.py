"""JSON in and out: what is read is bounded and has the asked type, what is written is valid for every reader.

Numbers that are not finite have no place in JSON. They are written as null, and a bare NaN or Infinity of other writers
is read as null. Keys that a type does not know are left out: later versions may add some.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import msgspec

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_DEPTH, MAX_JSON_BYTES, read_bounded

T = TypeVar("T")

Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]

_STRING = rb'"(?:[^"\\]|\\.)*"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_FINITE = re.compile(rb"(%b)|-?\bInfinity\b|\bNaN\b" % _STRING, re.DOTALL)
_LONE_SURROGATES = re.compile(r"\\ud[89a-f]")

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_PLACE = re.compile(r"^(.*?)(?: - at (?:`key` in )?`(\$.*?)`)?$", re.DOTALL)


class MalformedJson(ValueError):
    """What is wrong with a piece of JSON, and where in it: a clause for the sentence of whoever reads it."""


def decode_json(data: bytes | str, kind: type[T]) -> T:
    """A value of a type from JSON.

    Args:
        data: as a file holds it.
        kind: any type that msgspec knows, for instance a dataclass; its `Annotated` bounds are checked.

    Raises:
        MalformedJson: too long, too deep, no JSON, or not of this type.
    """
    raw = data.encode() if isinstance(data, str) else data
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if len(raw) > MAX_JSON_BYTES:
        raise MalformedJson(f"it is longer than {MAX_JSON_BYTES:,} bytes")
    _check_depth(raw)
    decoder: msgspec.json.Decoder[T] = _decoder(cast(Any, kind))
    try:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if b"NaN" not in raw and b"Infinity" not in raw:
                raise
            return decoder.decode(_NOT_FINITE.sub(lambda found: found[1] or b"null", raw))
    except RecursionError:
        raise MalformedJson(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise MalformedJson(_clause(error)) from None


def convert_json(value: Any, kind: type[T]) -> T:
    """The same from what a parser has made of text already.

    Raises:
        MalformedJson: not of this type.
    """
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedJson(_clause(error)) from None


def read_json(path: Path, kind: type[T], remedy: str) -> T:
    """A value of a type from a JSON file.

    Args:
        path: the file.
        kind: as in `decode_json`.
        remedy: what to do if it is damaged; ends the sentence.

    Raises:
        UserError: it cannot be read, or what is wrong in it and where.
    """
    try:
        return decode_json(read_bounded(path, MAX_JSON_BYTES), kind)
    except MalformedJson as error:
        raise UserError(f"{path} is damaged ({error}): {remedy}") from None


def decode_line(path: Path, number: int, line: bytes, kind: type[T], remedy: str) -> T:
    """A value of a type from a line of a file of JSON lines.

    Args:
        path: the file, for the error.
        number: of the line, from 1.
        line: its content.
        kind, remedy: as in `read_json`.

    Raises:
        UserError: what is wrong in it and where.
    """
    try:
        return decode_json(line, kind)
    except MalformedJson as error:
        raise UserError(f"{path} is damaged (line {number}: {error}): {remedy}") from None


def encode_json(
    value: Any,
    indent: int | None = None,
    default: Callable[[Any], Any] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON in ASCII that every reader takes: numbers that are not finite are null, halves of characters `?`.

    Args:
        value: of JSON's types, or what `default` makes those of.
        indent: spaces of each level; None: one line.
        default: for values of other types.
        sort_keys: as in `json.dumps`.
    """
    options: dict[str, Any] = {"indent": indent, "sort_keys": sort_keys, "default": default}
    try:
        text = json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_valid(value, default), allow_nan=False, **options)
    # Whole characters above U+FFFF are two of these escapes, and come out of this unchanged.
    return json.dumps(_valid(value, default), **options) if _LONE_SURROGATES.search(text) else text


def finite_or_none(number: float) -> float | None:
    """The number; None for infinity and NaN."""
    return number if math.isfinite(number) else None


def _valid(value: Any, default: Callable[[Any], Any] | None) -> Any:
    if isinstance(value, float):
        return finite_or_none(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        return {
            _valid(key, default) if isinstance(key, str) else key: _valid(entry, default)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [_valid(entry, default) for entry in value]
    return _valid(default(value), default) if default else value


def _check_depth(raw: bytes) -> None:
    """Raise where objects and lists lie too deep within each other; without recursion, and in a few passes."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    brackets = _STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        # Each pass takes the innermost ones away.
        brackets, before = brackets.replace(b"[]", b"").replace(b"{}", b""), len(brackets)
        if len(brackets) == before:
            return
    if brackets:
        raise MalformedJson(f"it is nested deeper than {MAX_DEPTH} levels")


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _clause(error: Exception) -> str:
    """msgspec's message in the words of users, its place in front."""
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels"
    if isinstance(error, UnicodeError):
        return "it is no text in UTF-8"
    if not isinstance(error, msgspec.ValidationError):
        return f"it is no JSON: {str(error).removeprefix('JSON is malformed: ')}"
    match = _PLACE.match(str(error))
    assert match is not None
    what, place = match.groups()
    what = re.sub(
        r"`([\w |]+)`",
        lambda found: " or ".join(_KINDS.get(kind, kind) for kind in found[1].split(" | ")),
        what,
    )
    return f"{place or '$'}: {what[:1].lower()}{what[1:]}"
