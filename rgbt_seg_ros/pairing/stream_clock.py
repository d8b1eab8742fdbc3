"""The present in the time of image stamps, so that a recording with old stamps needs no /clock."""

from collections import deque

WINDOW = 32
"""Number of newest images from which the pace of the stamps is measured."""


class StreamClock:
    """Tells what a stamp made now would say: the newest stamp seen, plus the time since then at the stamps' pace.

    Stamps may lie in another epoch (a recording from last year) and run slower than the receiver's clock (playback
    at half rate). The pace never exceeds 1, so that images which arrive in a burst do not push the present ahead of
    the camera. Times are integer nanoseconds.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=WINDOW)

    def add(self, stamp_ns: int, received_ns: int) -> None:
        """Note the stamp of an image and when it came, by the receiver's clock.

        Stamps may come from several streams and a little out of order; only those that advance count, unless time
        has jumped back by more than a second.
        """
        if self._seen and (stamp_ns < self._seen[-1][0] - 1_000_000_000 or received_ns < self._seen[-1][1]):
            self._seen.clear()
        if not self._seen or stamp_ns > self._seen[-1][0]:
            self._seen.append((stamp_ns, received_ns))

    @property
    def started(self) -> bool:
        """Whether there is a present: an image has come."""
        return bool(self._seen)

    def now(self, received_ns: int) -> int | None:
        """The present in stamp time, or None before the first image."""
        if not self._seen:
            return None
        (first_stamp, first_received), (last_stamp, last_received) = self._seen[0], self._seen[-1]
        span = last_received - first_received
        # Before a second image has come the pace is unknown; 1 is what cameras have.
        pace = min((last_stamp - first_stamp) / span, 1.0) if span > 0 else 1.0
        return last_stamp + int(max(received_ns - last_received, 0) * pace)
