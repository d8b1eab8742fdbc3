"""Commands in processes of their own, in an environment of their own, and what they must not say."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TIMEOUT_S = 240.0

FORBIDDEN = ("Traceback (most recent call last)", "Exception ignored", "Segmentation fault", "core dumped")


class Failure(AssertionError):
    """What must not come of a fault."""


def start(
    arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``python -m ARGUMENTS`` from the checkout, in a session of its own, with its output in a file."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=REPOSITORY,
            env={**(environment or os.environ), "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait(process: subprocess.Popen[bytes], log: Path, timeout_s: float = TIMEOUT_S) -> int:
    """The exit code.

    Raises:
        Failure: it did not end in time; it is killed.
    """
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        # Python's own word on where all of its threads are, see `start`.
        process.send_signal(signal.SIGABRT)
        time.sleep(2.0)
        kill_group(process)
        raise Failure(f"it did not end within {timeout_s:.0f} s: {words(log)}") from None


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of a process and of whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def survivors(process: subprocess.Popen[bytes], patience_s: float = 10.0) -> list[int]:
    """Processes of an ended command's session that still run after a while, as data workers."""
    end = time.monotonic() + patience_s
    while (left := _session(process.pid)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def _session(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, *fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def sleep_unless(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait so long, or until a process has ended."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(min(0.002, max(0.0, end - time.monotonic())))


def wait_until_it_takes_signals(process: subprocess.Popen[bytes]) -> None:
    """Wait until a command has its handlers, which is as soon as Python has started it.

    Before that a SIGINT meets Python's own start, and makes a traceback of that.
    """
    caught = re.compile(r"^SigCgt:\s*([0-9a-f]+)$", re.MULTILINE)
    while process.poll() is None:
        found = caught.search(Path(f"/proc/{process.pid}/status").read_text())
        # Python itself takes SIGINT alone.
        if found and int(found[1], 16) & 1 << (signal.SIGTERM - 1):
            return
        time.sleep(0.001)


def words(log: Path) -> str:
    """The end of what a process has said."""
    return log.read_text(errors="replace")[-5000:] if log.exists() else ""


def check_words(log: Path) -> None:
    """Raise where a process has said what nobody should read."""
    text = log.read_text(errors="replace")
    for bad in FORBIDDEN:
        if bad in text:
            raise Failure(f"{bad}: {text[-3000:]}")


def until(condition: Callable[[], bool], what: str, timeout_s: float = 120.0) -> None:
    """Wait for a condition.

    Raises:
        Failure: it did not come true.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"{what} did not come within {timeout_s:.0f} s")
        time.sleep(0.05)
