"""The newest of something that comes again and again, for any number of viewers in threads of their own; no ROS."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NextItem = Callable[[float], bytes | None]


class Latest:
    """Holds one item, and counts who waits for the next; every method may be called from any thread.

    Nothing is queued: a viewer that was busy gets the newest item and never sees those between.

    Attributes:
        kind: media type of pictures.
    """

    def __init__(self, kind: str = "image/jpeg") -> None:
        self.kind = kind
        self._changed = threading.Condition()
        self._item: bytes | None = None
        self._number = 0
        self._viewers: list[str] = []

    @property
    def viewers(self) -> int:
        """How many there are now."""
        return len(self._viewers)

    @property
    def viewer_names(self) -> list[str]:
        """Those of the viewers that there are now and that have one."""
        with self._changed:
            return [name for name in self._viewers if name]

    def put(self, item: bytes) -> None:
        """Replace the item; where nobody watches, it is forgotten at once."""
        with self._changed:
            if self._viewers:
                self._item = item
                self._number += 1
                self._changed.notify_all()

    @contextmanager
    def viewer(self, name: str = "") -> Iterator[NextItem]:
        """Count as a viewer within the context.

        Args:
            name: by which a viewer finds itself in `viewer_names`.

        Yields:
            a function that waits, so many seconds at most, for an item that it has not returned yet; None if none
            came. Its first item is the one that other viewers see already.
        """
        seen = 0

        def next_item(timeout_s: float) -> bytes | None:
            nonlocal seen
            with self._changed:
                if not self._changed.wait_for(
                    lambda: self._item is not None and self._number > seen, timeout_s
                ):
                    return None
                seen = self._number
                return self._item

        with self._changed:
            self._viewers.append(name)
        try:
            yield next_item
        finally:
            with self._changed:
                self._viewers.remove(name)
                if not self._viewers:
                    # The next viewer may come in an hour.
                    self._item = None
