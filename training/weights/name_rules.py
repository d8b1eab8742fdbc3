"""From the names in others' checkpoints to ours, by rules."""

import re
from collections.abc import Sequence


def renamed(name: str, rules: Sequence[tuple[str, str]]) -> str | None:
    """A name by the first rule, a pattern and its replacement, that matches its beginning; None if none does."""
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name)
    return None
