"""At most so many pairs a second."""


class RateLimit:
    """Lets things pass at a rate at most, evenly; a late one is made up for by the next. For use in one thread.

    Things that come a little unevenly at that very rate all pass.
    """

    def __init__(self) -> None:
        self._due_ns: float | None = None

    def passes(self, now_ns: int, rate_hz: float) -> bool:
        """Whether something that comes now may pass.

        Args:
            now_ns: a monotonic clock [ns].
            rate_hz: how many a second may pass, it may be another each time; 0: all.
        """
        if rate_hz <= 0:
            self._due_ns = None
            return True
        period_ns = 1e9 / rate_hz
        if self._due_ns is not None and now_ns < self._due_ns:
            # A slower rate before does not delay what a faster one lets pass.
            self._due_ns = min(self._due_ns, now_ns + period_ns)
            return False
        self._due_ns = max(self._due_ns or 0.0, now_ns - period_ns / 2) + period_ns
        return True
