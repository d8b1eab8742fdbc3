"""One inference thread and the mailboxes in front of it; no ROS, no arrays."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Where items of one origin wait for the inference thread; made by `InferenceThread.mailbox`.

    Args:
        changed: the thread's condition, which guards all its mailboxes.
        capacity: number of items that may wait.
        supersede: with a full mailbox, True lets a new item replace the oldest waiting one; False refuses the new one.
    """

    def __init__(self, changed: threading.Condition, capacity: int, supersede: bool) -> None:
        self._changed = changed
        self._capacity = capacity
        self._supersede = supersede
        self._waiting: deque[Item] = deque()
        self._working = 0
        self._closed = False

    @property
    def unfinished(self) -> int:
        """Number of items that wait or are worked on."""
        with self._changed:
            return len(self._waiting) + self._working

    def put(self, item: Item) -> Item | None:
        """Leave an item for the thread, without waiting.

        Returns:
            The item that will never be worked on because of this one: the replaced one, or `item` itself if it was
            refused or the mailbox is closed; None if there is no such item.
        """
        with self._changed:
            if self._closed:
                return item
            lost: Item | None = None
            if len(self._waiting) >= self._capacity:
                if not self._supersede:
                    return item
                lost = self._waiting.popleft()
            self._waiting.append(item)
            self._changed.notify()
            return lost

    def close(self) -> list[Item]:
        """Take no more items; idempotent.

        Returns:
            The items that were still waiting, which will not be worked on.
        """
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            return left


class InferenceThread(Generic[Item]):
    """Runs `work` on what waits in its mailboxes, in a thread of its own.

    It takes the oldest item of each mailbox that has one, works on these together, and looks again: no mailbox waits
    for longer than one item of each of the others takes. No lock is held while `work` runs. `work` must deal with its
    own errors: an exception that escapes from it ends the thread, which `alive` and `failure` then show.

    Args:
        work: called with one item, or with one each of several mailboxes.

    Attributes:
        failure: the exception that ended the thread, in words; empty while there is none.
    """

    def __init__(self, work: Callable[[list[Item]], None]) -> None:
        self.failure = ""
        self._work = work
        self._mailboxes: list[Mailbox[Item]] = []
        self._actions: deque[Callable[[], None]] = deque()
        self._stopped = False
        self._begun_s: float | None = None
        self._longest_s = 0.0
        self._changed = threading.Condition()
        # A daemon, so that a network that hangs in a driver cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def mailbox(self, capacity: int = 1, supersede: bool = True) -> Mailbox[Item]:
        """A new mailbox that the thread serves."""
        mailbox: Mailbox[Item] = Mailbox(self._changed, capacity, supersede)
        with self._changed:
            self._mailboxes.append(mailbox)
        return mailbox

    def call(self, action: Callable[[], None]) -> None:
        """Have the thread run an action before its next items: nothing is worked on meanwhile."""
        with self._changed:
            self._actions.append(action)
            self._changed.notify()

    @property
    def alive(self) -> bool:
        """Whether the thread still takes items."""
        return self._thread.is_alive()

    @property
    def busy_s(self) -> float:
        """For how long the thread has been working on the same items [s]; 0 while it waits for some."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else time.monotonic() - begun_s

    @property
    def longest_s(self) -> float:
        """The longest time that the thread has worked on the same items [s], those under way included."""
        return max(self._longest_s, self.busy_s)

    def stop(self, timeout: float) -> None:
        """End the thread after what it works on; idempotent.

        Args:
            timeout: how long to wait for that [s].
        """
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._next_action()
                self._next_items()
        except BaseException as error:
            self.failure = f"{type(error).__name__}: {error}"
            raise

    def _next_action(self) -> None:
        """Wait until there is something to do, and run the actions among it."""
        with self._changed:
            while not (self._stopped or self._actions or any(each._waiting for each in self._mailboxes)):
                self._changed.wait()
            actions = [] if self._stopped else list(self._actions)
            self._actions.clear()
        for action in actions:
            action()

    def _next_items(self) -> None:
        """Work on the oldest item of each mailbox."""
        with self._changed:
            if self._stopped:
                return
            served = [mailbox for mailbox in self._mailboxes if mailbox._waiting]
            items = [mailbox._waiting.popleft() for mailbox in served]
            for mailbox in served:
                mailbox._working = 1
        if items:
            self._begun_s = time.monotonic()
            self._work(items)
            self._longest_s = self.longest_s
            self._begun_s = None
        with self._changed:
            for mailbox in served:
                mailbox._working = 0
