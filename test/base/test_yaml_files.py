"""YAML of others is read as plain values within bounds, or refused in one sentence."""

from pathlib import Path

import pytest

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.yaml_files import MalformedYaml, parse_yaml, read_yaml

TEN_TO_THE_NINTH = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)  # fmt: skip


def test_plain_values_anchors_and_merged_keys_are_read() -> None:
    assert parse_yaml("a: &a {x: 1, y: [2.5, on]}\nb: {<<: *a, x: 2}\nc: *a") == {
        "a": {"x": 1, "y": [2.5, True]},
        "b": {"x": 2, "y": [2.5, True]},
        "c": {"x": 1, "y": [2.5, True]},
    }


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("[" * 200_000, "nested deeper than 64 levels"),
        ("- " * 200_000, "nested deeper than 64 levels"),
        ("? " * 200_000, "nested deeper than 64 levels"),
        ("".join(f"{' ' * i}a:\n" for i in range(1500)), "nested deeper than 64 levels"),
        (TEN_TO_THE_NINTH, "holds more than 200,000 values"),
        ("[" + "1," * 300_000 + "]", "holds more than 200,000 values"),
        ("a: &a [*a]", r"\*a stands for nothing, or for itself"),
        ("a: &a 1\nb: &a [*a]", r"\*a stands for nothing, or for itself"),
        ("a: *b", "stands for nothing"),
        ("#" * (2 << 20) + "#", "longer than 2,097,152 bytes"),
        (
            "a: !!python/object/apply:os.system [true]",
            r"^line 1, column 4: could not determine a constructor",
        ),
        ("a: !!int ''", "a value does not fit its type"),
        ("a: !!bool x", "a value does not fit its type"),
        ("a: !!timestamp x", "a value does not fit its type"),
        ("a: 2001-99-99", "a value does not fit its type"),
        ("? [1]\n: 2", "unhashable key"),
        ("--- 1\n--- 2", "another document"),
        ("a: [", r"^line 2, column 1: "),
        ("a: \0", "control characters"),
        ("\ud800", "."),
    ],
    ids=range(20),
)
def test_what_cannot_be_read_is_one_clause(text: str, clause: str) -> None:
    with pytest.raises(MalformedYaml, match=clause) as error:
        parse_yaml(text)
    assert "\n" not in str(error.value)


def test_the_sentence_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [")
    with pytest.raises(UserError, match=rf"^{path} is not YAML \(line 2, column 1: .*\): mend it$"):
        read_yaml(path, "mend it")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is no text in UTF-8"):
        read_yaml(path, "mend it")
    path.write_text("\ufeffa: 1")
    assert read_yaml(path, "mend it") == {"a": 1}
