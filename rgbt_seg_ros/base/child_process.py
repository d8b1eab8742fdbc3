"""Child processes of a command: output in a log file, ended by SIGINT, and their last words if they die."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import naming_file

_END_S = 10.0


class ChildProcess:
    """A module of this package run by this Python, as a context that no process outlives.

    Attributes:
        name: what messages call it.
        log: the file that its output and errors go to.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        """Start ``python -m rgbt_seg_ros.<module>``.

        Args:
            name: what messages call it.
            module: name within the package.
            arguments: its command line.
            environment: all of its environment variables.
            log: replaced if it is there.
        """
        self.name = name
        self.log = log
        with naming_file(log):
            # A link of that name is not followed.
            log.unlink(missing_ok=True)
            file = log.open("x")
        with file, interrupts.deferred():
            # A session of its own: a Ctrl-C in the terminal is for the parent, which ends its children in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"rgbt_seg_ros.{module}", *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            interrupts.at_once.append(self._process.kill)

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._process.poll() is None:
                # In order, as a process that is killed leaves shared memory of the middleware behind. Not SIGINT: of
                # that a Python which has only just started makes a traceback.
                self._process.terminate()
                self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            interrupts.at_once.remove(self._process.kill)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def require_running(self) -> None:
        """Raises:
        UserError: it ended; with its last lines.
        """
        if self.exit_code is not None:
            raise UserError(f"the {self.name} ended early with code {self.exit_code}: {last_words(self.log)}")

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended well.

        Raises:
            UserError: it did not end in time, or failed.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"the {self.name} did not end within {timeout_s:.0f} s: {last_words(self.log)}"
            ) from None
        if code != 0:
            raise UserError(f"the {self.name} failed with code {code}: {last_words(self.log)}")

    def interrupt(self, timeout_s: float) -> None:
        """Send SIGINT and wait until it has ended well.

        Raises:
            UserError: it did not end in time, or failed.
        """
        if self.exit_code is None:
            self._process.send_signal(signal.SIGINT)
        self.wait(timeout_s)


def last_words(log: Path, lines: int = 3) -> str:
    """The last lines of a log in one, and where the rest is."""
    text = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"{' | '.join(text[-lines:]) or 'it said nothing'} (all of it in {log})"


def wait_until(
    condition: Callable[[], bool], children: Sequence[ChildProcess], timeout_s: float, what: str
) -> None:
    """Wait for a condition while the children run.

    Raises:
        UserError: a child ended, or the condition did not come true in time; `what` says what was waited for.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        for child in children:
            child.require_running()
        if time.monotonic() > end:
            words = "; ".join(f"{child.name}: {last_words(child.log)}" for child in children)
            raise UserError(f"{what} did not come within {timeout_s:.0f} s; {words}")
        time.sleep(0.2)
