"""Ctrl-C and SIGTERM stop a run between steps, with everything saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that the first signal sets; a second one raises KeyboardInterrupt at once.

    Only in the main thread, as Python wants it for signals.
    """
    event = threading.Event()

    def handle(_: int, __: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    previous = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_interrupts() -> None:
    """In a worker process: both signals may reach the whole process group, but the training process ends workers."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
