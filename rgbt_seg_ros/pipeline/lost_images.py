"""Images of one topic that were sent and did not come, by what the middleware tells; no ROS."""

from collections.abc import Callable
from dataclasses import dataclass

MOST_AT_ONCE = 1_000_000
"""A report of more lost images is a counter that has wrapped, and is not believed."""


@dataclass
class _Publisher:
    number: int
    heard_at: int


class LostImages:
    """Counts what was lost between the publishers of a topic and its receiver.

    A middleware that numbers the messages of each publisher (Fast DDS) shows each loss as a gap, also what a full queue
    of the receiver has pushed out, of which no event tells. Losses since the newest image that has come show with the
    next one. Without numbers the events are all there is. Both may tell of the same loss, which counts once.

    Which publisher a number belongs to is not told: it goes on from the nearest one below it.

    Args:
        publishers: what identifies the topic's publishers at this time; asked only where numbers do not follow each
            other. Where there is a new one, an unexpected number is its first.
        count: told how many images more are known to be lost.
    """

    def __init__(self, publishers: Callable[[], frozenset[object]], count: Callable[[int], None]) -> None:
        self._ask = publishers
        self._report = count
        self._known: frozenset[object] = frozenset()
        self._publishers: list[_Publisher] = []
        self._received = 0
        self._gaps = 0
        self._told = 0
        self._counted = 0

    def note_received(self, number: int | None) -> int:
        """Note an image by its publisher's number, None where the middleware gives none.

        Returns:
            How many were lost just before it, whether an event has told of them or not.
        """
        if number is None:
            return 0
        self._received += 1
        publisher = self._nearest_below(number)
        if publisher is not None and publisher.number != number - 1:
            # Not the next one of any: a loss, unless it is a new publisher's.
            publisher = None if self._has_a_new_one() else self._nearest_below(number)
        if publisher is None:
            self._begin(number)
            return 0
        gap = number - publisher.number - 1
        publisher.number, publisher.heard_at = number, self._received
        if not 0 < gap <= MOST_AT_ONCE:
            return 0
        self._gaps += gap
        self._count()
        return gap

    def note_told(self, number: int) -> None:
        """Note an event that tells of lost images; one that cannot be true is not counted."""
        if 0 < number <= MOST_AT_ONCE:
            self._told += number
            self._count()

    def _nearest_below(self, number: int) -> _Publisher | None:
        below = [each for each in self._publishers if each.number < number]
        return max(below, key=lambda each: each.number, default=None)

    def _has_a_new_one(self) -> bool:
        """Whether the topic has a publisher that it did not have; those that are no more are forgotten."""
        now = self._ask()
        new, self._known = now - self._known, now
        self._forget_all_but(len(now))
        return bool(new)

    def _begin(self, number: int) -> None:
        """A publisher that was not heard before."""
        self._known = self._ask()
        self._publishers.append(_Publisher(number, self._received))
        self._forget_all_but(len(self._known))
        # What was told of the earlier ones says nothing of the gaps to come.
        self._gaps = self._told = self._counted = 0

    def _forget_all_but(self, publishers: int) -> None:
        """Keep those heard last, one at least."""
        self._publishers.sort(key=lambda each: each.heard_at)
        del self._publishers[: -max(publishers, 1)]

    def _count(self) -> None:
        lost = max(self._gaps, self._told) - self._counted
        if lost > 0:
            self._counted += lost
            self._report(lost)
