"""One fault each: a command is started, something happens to it, and what it leaves is looked at."""

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.checkpoint_writer import check_states, state
from faults.processes import (
    Failure,
    check_words,
    kill_group,
    sleep_unless,
    start,
    survivors,
    wait,
    wait_until_it_takes_signals,
    words,
)
from faults.victims import Victim, leftovers
from rgbt_seg_ros.base.whole_files import unfinished_path
from training.engine.checkpoint import STATE_FILE, save_state

DISK_ERROR = re.compile(r"^error: .*(No space left on device).*MB free in ", re.MULTILINE)


class Round:
    """The folder of one fault, and the logs of its runs."""

    def __init__(self, folder: Path, victim: Victim, whole: "Whole") -> None:
        self.folder, self.victim, self.whole = folder, victim, whole
        self.out = folder / "out"
        self.out.mkdir(parents=True)
        self.log, self.next_log = folder / "log.txt", folder / "next.txt"

    def kill(self, rng: random.Random) -> str:
        """kill -9 at a random moment; returns what was done."""
        delay = rng.uniform(0.0, self.whole.seconds)
        process = start(self.victim.start(self.out), self.log)
        sleep_unless(process, delay)
        kill_group(process)
        self.look_after()
        return f"killed after {delay:.3f} s"

    def kill_in_checkpoint(self, rng: random.Random) -> str:
        """kill -9 of a training that is writing a checkpoint."""
        unfinished = unfinished_path(self.out / "run" / STATE_FILE)
        number, delay = rng.randrange(1, 4), rng.uniform(0.0, 0.03)
        process = start(self.victim.start(self.out), self.log)
        for _ in range(number):
            while process.poll() is None and not unfinished.exists():
                time.sleep(0.0003)
            begun = time.monotonic()
            while process.poll() is None and unfinished.exists() and time.monotonic() < begun + delay:
                time.sleep(0.0003)
            if _ < number - 1:
                while process.poll() is None and unfinished.exists():
                    time.sleep(0.0003)
        inside = unfinished.exists()
        kill_group(process)
        self.look_after()
        return f"killed {1e3 * delay:.1f} ms into checkpoint {number}" + ("" if inside else ", just written")

    def signal(self, rng: random.Random) -> str:
        """SIGINT or SIGTERM at a random moment from when Python itself has started."""
        number = rng.choice((signal.SIGINT, signal.SIGTERM))
        delay = rng.uniform(0.0, self.whole.seconds)
        process = start(self.victim.start(self.out), self.log)
        wait_until_it_takes_signals(process)
        sleep_unless(process, delay)
        process.send_signal(number)
        code = wait(process, self.log)
        check_words(self.log)
        # Done, or so near to it that Python has put its own handlers away.
        if code not in (0, 128 + number, -number):
            raise Failure(f"exit code {code} after {number.name}: {words(self.log)}")
        if left := survivors(process):
            raise Failure(f"processes {left} outlive it")
        self.look_after()
        return f"{number.name} after {delay:.3f} s: code {code}"

    def fill_disk(self, rng: random.Random) -> str:
        """A disk that becomes full at a random byte of what the command writes."""
        kilobytes = max(4, int(rng.uniform(0.0, 0.98) * self.whole.kilobytes) // 4 * 4)
        with mounted(self.out, kilobytes):
            process = start(self.victim.start(self.out), self.log)
            code = wait(process, self.log)
            check_words(self.log)
            text = self.log.read_text(errors="replace")
            if code != 1 or not DISK_ERROR.search(text):
                raise Failure(f"exit code {code} with {kilobytes} kB: {words(self.log)}")
            if len(re.findall(r"^error: ", text, re.MULTILINE)) != 1:
                raise Failure(f"more than one sentence: {text[-2000:]}")
            # What is looked at needs room as well: the report.
            resize(self.out, 4 * self.whole.kilobytes + 100_000)
            self.look_after()
        return f"{kilobytes} of {self.whole.kilobytes} kB"

    def look_after(self) -> None:
        """What is left is readable, and the next run comes to what a run without a fault comes to."""
        self.victim.check(self.out)
        arguments = self.victim.next_run(self.out)
        if arguments is not None:
            process = start(arguments, self.next_log)
            code = wait(process, self.next_log)
            check_words(self.next_log)
            if code != 0:
                raise Failure(f"the next run ended with {code}: {words(self.next_log)}")
        if (result := self.victim.result(self.out)) != self.whole.result:
            raise Failure(f"the next run came to {str(result)[:200]}, not {str(self.whole.result)[:200]}")
        if arguments is not None and (left := leftovers(self.out)):
            raise Failure(f"the next run leaves {left}")


def kill_writing(folder: Path, rng: random.Random) -> str:
    """kill -9 of a process that writes checkpoints all the time: the newest whole one is there, and the next is."""
    folder.mkdir(parents=True)
    run, log = folder / "run", folder / "log.txt"
    process = start(["faults.checkpoint_writer", str(run)], log)
    delay = rng.uniform(0.0, 0.5)
    while process.poll() is None and "ready" not in log.read_text():
        time.sleep(0.001)
    sleep_unless(process, delay)
    inside = unfinished_path(run / STATE_FILE).exists()
    kill_group(process)
    check_words(log)
    step = check_states(run)
    if step < 1:
        raise Failure(f"no checkpoint is left: {words(log)}")
    save_state(run, state(step + 1))
    if check_states(run) != step + 1 or unfinished_path(run / STATE_FILE).exists():
        raise Failure("the next checkpoint is not whole")
    return f"killed after {step} checkpoints" + (", in the next one" if inside else "")


class Whole:
    """A run without a fault: how long it takes, what it writes, and what it comes to."""

    def __init__(self, folder: Path, victim: Victim) -> None:
        out = folder / "out"
        out.mkdir(parents=True)
        begun = time.monotonic()
        process = start(victim.start(out), folder / "log.txt")
        if wait(process, folder / "log.txt") != 0:
            raise Failure(f"{victim.name} fails without a fault: {words(folder / 'log.txt')}")
        self.seconds = time.monotonic() - begun
        self.result = victim.result(out)
        self.kilobytes = sum(-(-path.stat().st_size // 4096) * 4 for path in out.rglob("*") if path.is_file())
        shutil.rmtree(folder)


@contextmanager
def mounted(folder: Path, kilobytes: int) -> Iterator[None]:
    """A small tmpfs at a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, kilobytes: int) -> None:
    """Change the size of a tmpfs."""
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)
