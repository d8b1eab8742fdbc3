"""JSON of others is read within bounds or refused in one clause; what is written is valid for every reader."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_DEPTH, MAX_JSON_BYTES
from rgbt_seg_ros.base.json_files import (
    Count,
    MalformedJson,
    Nanoseconds,
    convert_json,
    decode_json,
    encode_json,
    read_json,
)


@dataclass(frozen=True)
class Thing:
    stamp_ns: Nanoseconds
    pixels: dict[Count, Count]
    score: float | None = None


def test_a_value_of_the_type_comes_back_and_unknown_keys_are_left_out() -> None:
    read = decode_json('\ufeff{"stamp_ns": 3, "pixels": {"0": 5}, "of a later version": [{}]}', Thing)
    assert read == Thing(3, {0: 5})


def test_numbers_that_are_not_finite_are_null_in_both_directions() -> None:
    """Python writes them bare, as earlier versions did; JSON has no such words."""
    for bare in ("NaN", "Infinity", "-Infinity"):
        assert decode_json(f'{{"stamp_ns": 3, "pixels": {{}}, "score": {bare}}}', Thing).score is None
    assert decode_json('["NaN, -Infinity", NaN]', list[Any]) == ["NaN, -Infinity", None]
    odd = {"a": float("nan"), "b": [float("-inf"), 1.5], "c": (float("inf"),), "d": Thing(1, {})}
    text = encode_json(odd, default=lambda thing: {"score": float("nan"), "stamp": thing.stamp_ns})
    assert decode_json(text, Any) == {
        "a": None,
        "b": [None, 1.5],
        "c": [None],
        "d": {"score": None, "stamp": 1},
    }


def test_text_that_is_no_whole_unicode_is_written_so_that_it_can_be_read() -> None:
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x9a\x97")
    assert decode_json(encode_json({name: name}), dict[str, str]) == {"caf? \U0001f697": "caf? \U0001f697"}


def test_plain_values_are_written_as_the_standard_library_does() -> None:
    value = {"b": [1, 2.5, None, True], "a": "\xe9\U0001f697"}
    assert encode_json(value) == json.dumps(value)
    assert encode_json(value, indent=2, sort_keys=True) == json.dumps(value, indent=2, sort_keys=True)


@pytest.mark.parametrize(
    ("text", "kind", "clause"),
    [
        ("", Any, "it is no JSON: Input data was truncated"),
        ('{"a": }', Any, "it is no JSON: "),
        ("[1] [2]", Any, "it is no JSON: trailing characters"),
        (b'{"stamp_ns": "\xff"}', Any, "it is no text in UTF-8"),
        ("[]", Thing, r"^\$: expected an object, got a list$"),
        ("{}", Thing, r"^\$: object missing required field"),
        ('{"stamp_ns": "3", "pixels": {}}', Thing, r"^\$\.stamp_ns: expected a whole number, got text$"),
        ('{"stamp_ns": true, "pixels": {}}', Thing, r"\$\.stamp_ns: expected a whole number"),
        ('{"stamp_ns": 1e999, "pixels": {}}', Thing, r"\$\.stamp_ns: number out of range"),
        ('{"stamp_ns": %s, "pixels": {}}' % ("9" * 30), Thing, r"\$\.stamp_ns: expected a whole number <= 9223"),
        ('{"stamp_ns": %s, "pixels": {}}' % ("9" * 9000), Thing, r"\$\.stamp_ns: integer value out of range"),
        ('{"stamp_ns": 3, "pixels": {"-1": 2}}', Thing, r"\$\.pixels: expected a whole number >= 0"),
        ('{"stamp_ns": 3, "pixels": {"x": 2}}', Thing, r"\$\.pixels: expected a whole number, got text"),
        ('{"stamp_ns": 3, "pixels": {}, "score": "x"}', Thing, r"\$\.score: expected a number or null, got text"),
        ("[" * 1_000_000, Any, f"nested deeper than {MAX_DEPTH} levels"),
        ('{"a":' * 1_000_000 + "1" + "}" * 1_000_000, Thing, f"nested deeper than {MAX_DEPTH} levels"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), Any, f"nested deeper than {MAX_DEPTH} levels"),
        (" " * (MAX_JSON_BYTES + 1), Any, "longer than 16,777,216 bytes"),
    ],
    ids=range(18),
)  # fmt: skip
def test_what_cannot_be_read_is_one_clause(text: str | bytes, kind: Any, clause: str) -> None:
    with pytest.raises(MalformedJson, match=clause):
        decode_json(text, kind)


def test_brackets_in_text_and_beside_each_other_have_no_depth() -> None:
    for value in ("[" * 1000 + '"' + "{" * 1000 + "\\", [[]] * 1000, [{"a": [{}]}] * 1000):
        assert decode_json(json.dumps(value), Any) == value
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(decode_json(deepest, Any)) == deepest


def test_what_a_parser_made_is_checked_in_the_same_way() -> None:
    assert convert_json({"stamp_ns": 3, "pixels": {"0": 5}}, Thing) == Thing(3, {0: 5})
    with pytest.raises(MalformedJson, match=r"^\$\.stamp_ns: expected a whole number, got null$"):
        convert_json({"stamp_ns": None, "pixels": {}}, Thing)


def test_the_sentence_names_file_place_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    path.write_text('{"stamp_ns": [], "pixels": {}}')
    with pytest.raises(UserError) as error:
        read_json(path, Thing, "write it again")
    assert str(error.value) == (
        f"{path} is damaged ($.stamp_ns: expected a whole number, got a list): write it again"
    )


def test_what_is_no_regular_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe is no regular file"):
        read_json(tmp_path / "pipe", Any, "")
    with pytest.raises(UserError, match="/dev/zero is no regular file"):
        read_json(Path("/dev/zero"), Any, "")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        read_json(tmp_path, Any, "")
    with pytest.raises(UserError, match=r"absent cannot be read: No such file"):
        read_json(tmp_path / "absent", Any, "")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(
        UserError, match=r"large has 1,099,511,627,776 bytes, and at most 16,777,216 are read"
    ):
        read_json(tmp_path / "large", Any, "")
