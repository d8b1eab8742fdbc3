"""Steps of the set-up: each leaves a mark that lets later runs skip it, and keeps a log.

Each says its name, while it runs how far it is and how long all will still take, and at its end its seconds.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LOG_LINES_SHOWN = 15
PROGRESS_WIDTH = 100

TOLD_EVERY_S = 10.0
EARLIEST_FRACTION = 0.05
"""Of a step that must be done before its end is guessed."""


class SetupError(Exception):
    """The set-up cannot go on; the message is what the user reads."""


class Step:
    """One step, done when the mark it left holds its key.

    Args:
        name: file name of its mark and of its log.
        title: what the user reads while it runs.
        key: differs when the step must run again.
        marks: folder of the marks; it lies inside the environment, so the marks vanish with it.
        logs: folder of the logs.
        fraction: how much of it is done, 0 to 1, by its log; None: nobody knows.
        later: how long the steps after it take, in times of its own.
    """

    def __init__(
        self,
        name: str,
        title: str,
        key: str,
        marks: Path,
        logs: Path,
        fraction: Callable[[str], float] | None = None,
        later: float = 0.0,
    ) -> None:
        self.fraction = fraction
        self.later = later
        self.title = title
        self.key = key
        self.mark = marks / name
        self.log = logs / (name + ".log")

    def ever_finished(self) -> bool:
        return self.mark.is_file()

    def is_done(self) -> bool:
        return self.mark.is_file() and self.mark.read_text() == self.key

    def run(self, commands: list[list[str]], environment: dict[str, str]) -> None:
        """Runs the commands one after the other. While they run there is no mark, so an interruption shows.

        Raises:
            SetupError: one of them failed; the message holds the end of the log.
        """
        if self.mark.is_file():
            self.mark.unlink()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        say(f"{self.title} ...")
        start = time.monotonic()
        ended = threading.Event()
        threading.Thread(target=self._tell, args=(ended, start), daemon=True).start()
        try:
            with self.log.open("w") as log:
                for command in commands:
                    self._run_logged(command, environment, log)
        finally:
            ended.set()
        self.mark.parent.mkdir(parents=True, exist_ok=True)
        self.mark.write_text(self.key)
        say(f"{self.title}: done in {time.monotonic() - start:.0f} s")

    def _tell(self, ended: threading.Event, start: float) -> None:
        """Say every few seconds how far the step is, until it has ended."""
        while not ended.wait(TOLD_EVERY_S):
            fraction = self.fraction(self.log.read_text(errors="replace")) if self.fraction else 0.0
            told = progress(time.monotonic() - start, fraction, self.later)
            show_progress("")
            say(f"{self.title}: {told}")

    def _run_logged(self, command: list[str], environment: dict[str, str], log) -> None:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with process:
            for line in process.stdout:
                log.write(line)
                log.flush()
                show_progress(line)
        show_progress("")
        if process.returncode != 0:
            log.flush()
            raise SetupError(self._failure())

    def _failure(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        shown = [line for line in lines if line.strip() and not line.startswith("WARNING:")][
            -LOG_LINES_SHOWN:
        ]
        return f"{self.title} failed; all of it is in {self.log}, it ends with\n  " + "\n  ".join(shown)


def progress(seconds: float, fraction: float, later: float = 0.0) -> str:
    """How far a step is and how long all will still take, guessed by what is done, in words.

    Args:
        seconds: since it began.
        fraction: of it that is done, 0 to 1.
        later: as in `Step`.
    """
    if fraction < EARLIEST_FRACTION:
        return f"{duration(seconds)} so far"
    whole = seconds / fraction
    return f"{100 * fraction:.0f} % done, about {duration(whole * (1 - fraction + later))} left"


def duration(seconds: float) -> str:
    """Seconds up to 90, and from there on minutes."""
    return f"{max(seconds, 1):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def show_progress(line: str) -> None:
    """On a terminal, shows the line in place of the one before; an empty line clears it."""
    if sys.stdout.isatty() and not line.startswith("WARNING:"):
        print("\r\033[K" + line.strip()[:PROGRESS_WIDTH], end="", flush=True)
