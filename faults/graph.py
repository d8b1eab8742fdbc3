"""Player, node and recorder on a private ROS graph, of which one is killed at random moments while the others go on."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from faults.processes import (
    Failure,
    check_words,
    kill_group,
    sleep_unless,
    start,
    until,
    wait,
    wait_until_it_takes_signals,
    words,
)
from faults.rounds import DISK_ERROR, mounted, resize
from faults.victims import Material, check_run
from rgbt_seg_ros.ros.dds import private_graph_environment

ORDERLY = {"player": {0, 130}, "node": {0}, "recorder": {0}}
"""Exit codes after SIGINT."""

SMALL_DISK_KB = 3000


class Graph:
    """The three processes; a context that ends them."""

    def __init__(self, folder: Path, material: Material) -> None:
        folder.mkdir(parents=True)
        self.folder, self._bag = folder, material.bag
        self.run = folder / "out" / "run"
        self._environment = private_graph_environment()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}
        self._starts = 0

    def __enter__(self) -> "Graph":
        for name in ("node", "recorder", "player"):
            self.start(name)
        self.wait_for_masks(1)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            kill_group(process)

    def start(self, name: str, run: Path | None = None) -> None:
        """Start one of them anew."""
        arguments = {
            "node": ["rgbt_seg_ros.node"],
            "recorder": ["rgbt_seg_ros.record", "--bag", "-o", str(run or self.run)],
            "player": [
                "rgbt_seg_ros.play",
                str(self._bag),
                "--loop",
                "100000",
                "--wait-for-subscribers",
                "120",
            ],
        }
        self._starts += 1
        self._logs[name] = self.folder / f"{self._starts:03}_{name}.txt"
        self._processes[name] = start(arguments[name], self._logs[name], self._environment)

    def kill(self, rng: random.Random) -> str:
        """kill -9 of one of them; the others live, it starts again, and masks come again."""
        name = rng.choice(("player", "node", "recorder"))
        delay = rng.uniform(0.0, 6.0)
        self._stop(name)
        self.start(name)
        sleep_unless(self._processes[name], delay)
        kill_group(self._processes[name])
        for other in self._processes.keys() - {name}:
            if self._processes[other].poll() is not None:
                raise Failure(f"the {other} ended with the {name}: {words(self._logs[other])}")
        if name == "recorder":
            check_run(self.folder / "out")
        self.start(name)
        self.wait_for_masks(1)
        check_words(self._logs[name])
        return f"the {name} after {delay:.3f} s"

    def signal(self, rng: random.Random) -> str:
        """SIGINT or SIGTERM to one of them at a random moment; it ends in order, or by the signal while it imports."""
        name, number = rng.choice(("player", "node", "recorder")), rng.choice((signal.SIGINT, signal.SIGTERM))
        delay = rng.uniform(0.0, 6.0)
        self._stop(name)
        self.start(name)
        process, log = self._processes[name], self._logs[name]
        wait_until_it_takes_signals(process)
        sleep_unless(process, delay)
        process.send_signal(number)
        code = wait(process, log, 60)
        check_words(log)
        if code not in (*ORDERLY[name], 128 + number, -number):
            raise Failure(f"exit code {code} of the {name} after {number.name}: {words(log)}")
        if name == "recorder":
            check_run(self.folder / "out")
        self.start(name)
        self.wait_for_masks(1)
        return f"{number.name} to the {name} after {delay:.3f} s: code {code}"

    def fill_disk(self, rng: random.Random) -> str:
        """A recorder whose disk becomes full; a second one, so that the others are not disturbed."""
        kilobytes = rng.randrange(16, SMALL_DISK_KB, 4)
        out = self.folder / "small"
        out.mkdir()
        name = "recorder"
        before = self._processes[name], self._logs[name]
        with mounted(out, kilobytes):
            try:
                self.start(name, out / "run")
                code = wait(self._processes[name], self._logs[name], 120)
                check_words(self._logs[name])
                text = words(self._logs[name])
                if code != 1 or not DISK_ERROR.search(text):
                    raise Failure(f"exit code {code} of the recorder with {kilobytes} kB: {text}")
                resize(out, 200_000)
                check_run(out)
            finally:
                kill_group(self._processes[name])
                self._processes[name], self._logs[name] = before
        shutil.rmtree(out)
        return f"the recorder with {kilobytes} kB"

    def end(self) -> str:
        """SIGINT to all of them, as at the end of a day; the recording is whole."""
        for name, process in self._processes.items():
            process.send_signal(signal.SIGINT)
            code = wait(process, self._logs[name], 60)
            check_words(self._logs[name])
            if code not in ORDERLY[name]:
                raise Failure(f"exit code {code} of the {name} at the end: {words(self._logs[name])}")
        check_run(self.folder / "out")
        return "ended in order"

    def wait_for_masks(self, more: int) -> None:
        """Wait until the recorder has got so many masks more."""
        path = self.run / "masks.jsonl"
        begun = time.monotonic()

        def lines() -> int:
            # A recorder that starts replaces the file.
            try:
                return path.read_text(errors="replace").count("\n")
            except OSError:
                return 0

        first = lines()
        last = first

        def come() -> bool:
            nonlocal first, last
            now = lines()
            if now < last:
                first = 0
            last = now
            for name, process in self._processes.items():
                if process.poll() is not None and time.monotonic() > begun:
                    raise Failure(f"the {name} ended with {process.returncode}: {words(self._logs[name])}")
            return now >= first + more

        until(come, f"{more} masks more")

    def _stop(self, name: str) -> None:
        """End it in order, so that the next one is killed at a random time from its start on."""
        process = self._processes[name]
        process.send_signal(signal.SIGINT)
        code = wait(process, self._logs[name], 60)
        if code not in ORDERLY[name] | {130}:
            raise Failure(f"exit code {code} of the {name} after SIGINT: {words(self._logs[name])}")
        check_words(self._logs[name])
