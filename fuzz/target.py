"""What is fuzzed: a reader, inputs to begin with, and the errors that it may end with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.messages import UndecodableImage

OWN_ERRORS = (UserError, UndecodableImage)
"""Those that the project answers with."""

Read = Callable[[bytes, Path], object]
"""Gives an input to a reader; the folder is empty, and for files that the reader wants to open."""


@dataclass(frozen=True)
class Target:
    """A reader under test.

    Attributes:
        name: of the target, and of its folder in `fuzz/seeds`.
        read: see `Read`.
        seeds: whole inputs, tiny.
        modules: whose lines are counted as covered or not, by their names.
        tokens: pieces that inputs of this kind are made of.
        own_errors: those that are an answer; every other one is a finding.
    """

    name: str
    read: Read
    seeds: Callable[[], Sequence[bytes]]
    modules: tuple[str, ...]
    tokens: tuple[bytes, ...] = ()
    own_errors: tuple[type[Exception], ...] = OWN_ERRORS


def stored_seeds(name: str) -> list[bytes]:
    """Inputs in `fuzz/seeds`: those that once found something."""
    return [path.read_bytes() for path in sorted((Path(__file__).parent / "seeds" / name).glob("*"))]
