"""Pieces of work shared among the processes that torchrun started, on one host or several."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta

from torch.distributed import PrefixStore, Store, rendezvous

_WAIT = timedelta(days=2)
"""The first process waits for the slowest one; a dead one is noticed by torchrun."""


class SharedWork:
    """A list of pieces, of which each process takes the next one when it is done with one.

    Without torchrun this process does all.

    Args:
        name: tells this work from other work of the same processes.
    """

    def __init__(self, name: str) -> None:
        self.processes, self.rank = int(os.environ.get("WORLD_SIZE", "1")), 0
        self._store: Store | None = None
        if self.processes > 1:
            # The store of torchrun alone: nothing but who takes what, and short results, goes through it.
            store, self.rank, self.processes = next(rendezvous("env://", timeout=_WAIT))
            self._store = PrefixStore(name, store)

    @property
    def is_first(self) -> bool:
        """Whether this process gets the results."""
        return self.rank == 0

    def do(self, pieces: Sequence[str], work: Callable[[str], str]) -> list[str]:
        """Do what nobody else does.

        Args:
            pieces: the same ones in the same order in every process.
            work: from a piece to its result.

        Returns:
            All results in order, once they are there; in other processes than the first one nothing, at once.
        """
        if self._store is None:
            return [work(piece) for piece in pieces]
        while (number := self._store.add("taken", 1) - 1) < len(pieces):
            self._store.set(f"result{number}", work(pieces[number]))
        if not self.is_first:
            return []
        names = [f"result{number}" for number in range(len(pieces))]
        self._store.wait(names, _WAIT)
        return [self._store.get(name).decode() for name in names]
