"""The one exception for failures that the user can mend, and what to say of a name that does not exist."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from rgbt_seg_ros.base.text import LONGEST_WORD, printable, quoted

_ALIKE = 0.85
"""Share of letters in common from which on a word is another one misspelt."""


class UserError(Exception):
    """Something the user can put right; the message is one sentence: what, where, what to do.

    Commands print it without a traceback and exit with 1 (see `rgbt_seg_ros.base.cli`). Whatever it quotes, it is one
    line of limited length (see `rgbt_seg_ros.base.text`).
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


def check_choice(what: str, choice: str, choices: Sequence[str]) -> None:
    """Raise `UserError` for a word that cannot be chosen.

    Args:
        what: the thing that has no such word, for instance `fusion`.
        choice: the word.
        choices: those there are, at least two.
    """
    if choice not in choices:
        *others, last = choices
        raise UserError(f"there is no {what} {quoted(choice)}: choose {', '.join(others)} or {last}")


def meant(name: str, known: Collection[str], synonyms: Mapping[str, str] = MappingProxyType({})) -> str:
    """The known name that was most probably meant: by its meaning, by its last part, and only then by its letters.

    Args:
        name: one that does not exist, perhaps dotted.
        known: those that do, at least one.
        synonyms: what others call the known names, in small letters and with underscores.
    """
    word = name[-LONGEST_WORD:].rpartition(".")[2].strip().lower().replace("-", "_").replace(" ", "_")
    # Also of words that were meant and misspelt.
    words = [other for other in synonyms if synonyms[other] in known]
    if alike := get_close_matches(word, words, n=1, cutoff=_ALIKE):
        return synonyms[alike[0]]
    ends = [each for each in known if each.rpartition(".")[2] == word]
    return ends[0] if len(ends) == 1 else nearest(name, known)


def nearest(name: str, known: Collection[str]) -> str:
    """The known name that was most probably meant; the same last part of a dotted name counts most.

    Args:
        name: one that does not exist.
        known: those that do, at least one.
    """
    ends = [each for each in known if each.rpartition(".")[2] == name.rpartition(".")[2]]
    # Its time grows with the square of the length.
    return get_close_matches(name[:LONGEST_WORD], ends or list(known), n=1, cutoff=0.0)[0]
