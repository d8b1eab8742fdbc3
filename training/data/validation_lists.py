"""Validation images of data sets that come without: a tenth of the training images, chosen by a rule anyone can redo.

The rule: names sorted by the SHA-256 of `SEED:NAME` (hexadecimal), the first tenth of them. It depends on the names
alone, neither on their order nor on a library's random numbers. A list committed as `config/splits/DATA_val.txt` wins.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path

SEED = 0
SHARE = 0.1

_SAME_IMAGES = {"fmb15": "fmb"}


def choose_validation_names(names: Iterable[str], seed: int = SEED) -> tuple[str, ...]:
    """The validation images among the training images by the rule, sorted by name."""
    ranked = _ranked(names, seed)
    return tuple(sorted(ranked[: round(SHARE * len(ranked))]))


def split_names(
    names: Sequence[str], shares: Mapping[str, float], seed: int
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Names split off by shares, each in the order of `names` and at least one, and the rest; by the same rule.

    A part is empty where there are too few names.
    """
    ranked, first = _ranked(names, seed), 0
    parts = {}
    for part, share in shares.items():
        last = first + max(1, round(share * len(ranked)))
        parts[part] = _in_order(names, ranked[first:last])
        first = last
    return parts, _in_order(names, ranked[first:])


def _in_order(names: Sequence[str], chosen: Iterable[str]) -> tuple[str, ...]:
    chosen = set(chosen)
    return tuple(name for name in names if name in chosen)


def _ranked(names: Iterable[str], seed: int) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())


def validation_names(data: str, train_names: Iterable[str]) -> tuple[str, ...]:
    """The validation images among the training images: those of the committed list, or by the rule without one.

    The rule also holds where none of the listed images is there: in a part of the data set, or a copy with own names.
    """
    train_names = tuple(train_names)
    committed = committed_list(data)
    listed = set() if committed is None else set(committed.read_text().split())
    return tuple(name for name in train_names if name in listed) or choose_validation_names(train_names)


def committed_list(data: str) -> Path | None:
    """The shipped list of a data set's validation images, if there is one."""
    try:
        return share_path(f"config/splits/{_SAME_IMAGES.get(data, data)}_val.txt")
    except UserError:
        return None
