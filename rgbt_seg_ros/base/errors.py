"""The one exception for failures that the user can mend."""

from collections.abc import Sequence


class UserError(Exception):
    """Something the user can put right; the message is one sentence: what, where, what to do.

    Commands print it without a traceback and exit with 1 (see `rgbt_seg_ros.base.cli`).
    """


def check_choice(what: str, choice: str, choices: Sequence[str]) -> None:
    """Raise `UserError` for a word that cannot be chosen.

    Args:
        what: the thing that has no such word, for instance `fusion`.
        choice: the word.
        choices: those there are, at least two.
    """
    if choice not in choices:
        *others, last = choices
        raise UserError(f"there is no {what} {choice!r}: choose {', '.join(others)} or {last}")
