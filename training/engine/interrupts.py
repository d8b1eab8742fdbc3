"""Ctrl-C and SIGTERM stop a run between steps, with everything saved."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rgbt_seg_ros.base.interrupts import SIGNALS, Interrupted


class Interruption(threading.Event):
    """Set by the first signal; `number` is the signal's, that of SIGINT before."""

    number: int = signal.SIGINT


@contextmanager
def interrupts() -> Iterator[Interruption]:
    """An event that the first signal sets; a second one raises `Interrupted` at once.

    Only in the main thread, as Python wants it for signals.
    """
    event = Interruption()
    process = os.getpid()

    def handle(number: int, _: FrameType | None) -> None:
        if os.getpid() != process:
            return  # a data worker, before it ignores them
        if event.is_set():
            raise Interrupted(event.number)
        event.number = number
        event.set()

    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ignore_interrupts() -> None:
    """In a worker process: both signals may reach the whole process group, but the training process ends workers."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
