"""One inference thread and the mailbox in front of it; no ROS, no arrays."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class InferenceThread(Generic[Item]):
    """Runs `work` on one item at a time, in a thread of its own.

    No lock is held while `work` runs. `work` must deal with its own errors: an exception that escapes from it is
    passed to `threading.excepthook` and ends the thread, which `alive` then shows.

    Args:
        work: called with each item, in the order in which the items were put.
        capacity: number of items that may wait.
        supersede: with a full mailbox, True lets a new item replace the oldest waiting one; False refuses the new one.
    """

    def __init__(self, work: Callable[[Item], None], capacity: int = 1, supersede: bool = True) -> None:
        self._work = work
        self._capacity = capacity
        self._supersede = supersede
        self._waiting: deque[Item] = deque()
        self._stopped = False
        self._working = False
        self._changed = threading.Condition()
        # A daemon, so that a network that hangs in a driver cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still takes items."""
        return self._thread.is_alive()

    @property
    def unfinished(self) -> int:
        """Number of items that wait or are worked on."""
        with self._changed:
            return len(self._waiting) + self._working

    def put(self, item: Item) -> Item | None:
        """Leave an item for the thread, without waiting.

        Returns:
            The item that will never be worked on because of this one: the replaced one, or `item` itself if it was
            refused or the thread was stopped; None if there is no such item.
        """
        with self._changed:
            if self._stopped:
                return item
            lost: Item | None = None
            if len(self._waiting) >= self._capacity:
                if not self._supersede:
                    return item
                lost = self._waiting.popleft()
            self._waiting.append(item)
            self._changed.notify()
            return lost

    def stop(self, timeout: float) -> list[Item]:
        """End the thread after the item it works on; again, it does nothing.

        Args:
            timeout: how long to wait for that item [s].

        Returns:
            The items that were still waiting.
        """
        with self._changed:
            self._stopped = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return left

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                item = self._waiting.popleft()
                self._working = True
            self._work(item)
            # Between two images the thread must not keep the last one's arrays alive.
            del item
            with self._changed:
                self._working = False
