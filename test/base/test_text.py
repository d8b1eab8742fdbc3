"""Text from outside is short and in one line wherever it is said."""

import pytest

from rgbt_seg_ros.base.errors import UserError, check_choice, nearest
from rgbt_seg_ros.base.text import LONGEST_SENTENCE, LONGEST_WORD, printable, quoted


@pytest.mark.parametrize("text", ["", "mono16", "thermal image", "Straße 5 µm", "熱"])
def test_what_is_short_and_printable_stays(text: str) -> None:
    assert printable(text) == text
    assert quoted(text) == repr(text)


@pytest.mark.parametrize(
    "text", ["a\nb", "\x1b[2J", "\x00", "\u202egnp", "\ud800", "a\r\n[ERROR] forged", "\x7f", "\u2028"]
)
def test_what_cannot_be_printed_is_escaped(text: str) -> None:
    for said in (printable(text), quoted(text)):
        assert said.isprintable()
        assert "\\" in said
        said.encode()


def test_what_is_long_keeps_both_ends_and_says_so() -> None:
    text = "begin " + "x" * 100_000 + " end"
    for said, longest in ((printable(text), LONGEST_SENTENCE), (quoted(text), LONGEST_WORD)):
        assert len(said) < longest + 50
        assert said.strip("'").startswith("begin xx")
        assert said.strip("'").endswith("xx end")
        assert f"({len(text) - longest} characters left out)" in said


def test_errors_are_one_short_line_whatever_they_quote() -> None:
    name = "x\n" * 100_000
    with pytest.raises(UserError) as error:
        check_choice("fusion", name, ("add", "concat"))
    assert len(str(error.value)) < 300
    assert str(error.value).endswith("choose add or concat")
    assert str(UserError(f"{name} is wrong: mend it")).isprintable()
    assert nearest("thermal" * 100_000, ["rgb", "thermal"]) == "thermal"
