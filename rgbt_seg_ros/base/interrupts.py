"""SIGINT and SIGTERM in commands: no traceback, 128 plus the signal's number as exit code, nothing left running.

A process of ours takes them in three ways, one after the other:

while it imports     it ends at once (`end_at_once`, by the package's __init__): nothing has begun
while a command runs the first one raises `Interrupted`, so that files and child processes are ended (`raised`)
where it is orderly  nodes and training set their own handlers, and end when it suits them
"""

import os
import re
import signal
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

PATIENCE_S = 2.0
"""Time after the first signal in which others change nothing: a launcher and a terminal may both send one."""

GRACE_S = 60.0
"""Time after the first signal in which a command must have ended: a library may wait for something for ever."""

_SOON_S = 0.005
_TAKING = frozenset({"__enter__", "__exit__", "acquire", "release", "_acquire_restore", "_release_save"})
"""Functions in which the exception waits: a lock that was being taken would stay taken, and others wait for it."""

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_LARGEST_SCRIPT = 2000  # bytes
_SCRIPT = re.compile(rb"from rgbt_seg_ros\.[\w.]+ import main|rgbt[_-]seg[_-]ros==[^\n]*console_scripts")

at_once: list[Callable[[], None]] = []
"""What is done before a process ends at once, as killing its children."""


class Interrupted(KeyboardInterrupt):
    """The process was told to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + self.number

    def __str__(self) -> str:
        return _WORDS[self.number]


def is_own_process() -> bool:
    """Whether this process is a command of this package, and no program that imports it; asked while it starts."""
    arguments = getattr(sys, "argv", [])
    if arguments[:1] == ["-m"]:
        # Python's word for "the module of -m is still being looked for": packages are imported for that.
        return _module_of_m(sys.orig_argv[1:]).partition(".")[0] in ("rgbt_seg_ros", "training")
    try:
        with open(arguments[0], "rb") as file:
            script = file.read(_LARGEST_SCRIPT + 1)
    except (IndexError, OSError, ValueError):
        return False
    return len(script) <= _LARGEST_SCRIPT and _SCRIPT.search(script) is not None


def _module_of_m(options: Sequence[str]) -> str:
    """What follows ``-m`` in Python's own command line, as it was written: ``-m x``, ``-um x`` or ``-mx``."""
    words = iter(options)
    for word in words:
        if word in ("-X", "-W"):
            next(words, "")
        elif not word.startswith(("-X", "-W")) and (found := re.fullmatch(r"-[a-zA-Z]*?m(.*)", word)):
            return found[1] or next(words, "")
    return ""


def end_at_once() -> None:
    """From now on both signals end the process without cleaning up, but for `at_once`."""
    for number in SIGNALS:
        signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    for act in at_once:
        with suppress(Exception):
            act()
    with suppress(Exception):
        sys.stdout.flush()
    # Not print: the signal may have come in the middle of one.
    with suppress(OSError):
        os.write(2, f"{_WORDS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


class Raising:
    """The handler in `raised`: at most one `Interrupted`, which cannot get lost, and a way out if that hangs.

    Attributes:
        taken: the first signal's number, None before.
        over: whether the context has ended, and its process lives on.
    """

    def __init__(self) -> None:
        self.taken: int | None = None
        self.over = False
        self._since = 0.0
        self._deferrals = 0
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A worker process that was forked: a terminal sends to the whole group, but the parent ends its workers.
            return
        if frame is not None and frame.f_code.co_name in _TAKING:
            _in_a_while(_SOON_S, self._send, number)
        elif self.taken is None:
            self.taken, self._since = number, time.monotonic()
            _in_a_while(GRACE_S, self._end_unless_over, number)
            if not self._deferrals:
                raise Interrupted(number)
        elif time.monotonic() - self._since > PATIENCE_S:
            _end(number, frame)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """See the function of this name."""
        self._deferrals += 1
        try:
            yield
        finally:
            self._deferrals -= 1
        if self.taken is not None and not self._deferrals:
            raise Interrupted(self.taken)

    def raise_again(self) -> None:
        """After the exception was lost in a destructor or a callback, which Python only reports."""
        number, self.taken = self.taken, None
        if number is not None:
            _in_a_while(_SOON_S, self._send, number)

    def _send(self, number: int) -> None:
        if not self.over:
            os.kill(self._process, number)

    def _end_unless_over(self, number: int) -> None:
        if not self.over:
            _end(number, None)


def _in_a_while(seconds: float, act: Callable[[int], None], number: int) -> None:
    """Do something in another thread; not one of `threading`, in whose locks the signal may have come."""

    def wait_and_act() -> None:
        time.sleep(seconds)
        act(number)

    start_new_thread(wait_and_act, ())


_raising: Raising | None = None


@contextmanager
def raised() -> Iterator[Raising | None]:
    """In the context the first of both signals raises `Interrupted` in the main thread.

    In another thread, where Python takes no handlers, and within another such context it does nothing.
    """
    global _raising
    if threading.current_thread() is not threading.main_thread() or _raising is not None:
        yield _raising
        return
    handler = _raising = Raising()
    hook = sys.unraisablehook

    def unraisable(lost: Any) -> None:
        if issubclass(lost.exc_type, Interrupted):
            handler.raise_again()
        else:
            hook(lost)

    sys.unraisablehook = unraisable
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield handler
    finally:
        for number, previous in before.items():
            # Who has set another one meanwhile ends in order, and goes on to want it.
            if signal.getsignal(number) is handler:
                signal.signal(number, previous)
        # A process of our own may still hang in its last steps; another one goes on to live.
        handler.over = _end not in before.values()
        sys.unraisablehook = hook
        _raising = None


@contextmanager
def deferred() -> Iterator[None]:
    """In the context `Interrupted` waits, as between starting a process and noting that it must be ended.

    Raises:
        Interrupted: at the end, if a signal came.
    """
    if _raising is None:
        yield
        return
    with _raising.deferred():
        yield
