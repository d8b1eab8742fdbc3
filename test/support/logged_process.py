"""A running program whose output goes to a file."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from waiting import TIMEOUT_S, wait_for


class LoggedProcess:
    """Started at once; ended with the context, by SIGTERM first: a ROS graph lists what was killed for many seconds.

    Attributes:
        patience_s: how long it may take to end after that [s].
    """

    patience_s = 10.0

    def __init__(self, log: Path, command: Sequence[str], cwd: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for_output(self, text: str, timeout_s: float = TIMEOUT_S) -> None:
        wait_for(
            lambda: text in self.output or self.process.poll() is not None, f"{text!r} in the log", timeout_s
        )
        assert text in self.output, self.output

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """The exit code."""
        return self.process.wait(timeout_s)
