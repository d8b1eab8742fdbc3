"""One target, fuzzed in this process: inputs that reach new lines are kept and mutated further."""

import hashlib
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fuzz.coverage import OURS, REPOSITORY, LineCoverage, lines_of
from fuzz.mutations import mutate
from fuzz.target import Target, stored_seeds

MOST_MEGABYTES = 600
"""Of memory that any input may cost, above what the process had before."""

MOST_SECONDS = 5.0
"""Of computing that any input may cost."""

_LONGEST_KEPT = 1 << 13
"""Bytes of inputs that are mutated further: with longer ones there would be few executions."""

_TRACED = 3
"""One of so many mutated inputs is looked at for new lines."""

_GUARD_MEGABYTES = 4000
"""More address space is not given, so that a finding does not take the machine down."""


class TooSlow(BaseException):
    """A call took longer than it may. No reader's `except Exception` swallows it."""


@dataclass
class Finding:
    """What went wrong, where, and with which input; others that end at the same place are counted."""

    what: str
    where: str
    file: str
    count: int = 1


@dataclass
class Result:
    """What came of fuzzing a target; memory above that before the first input, coverage in lines."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    refused: int = 0
    peak_megabytes: float = 0.0
    slowest_seconds: float = 0.0
    covered: int = 0
    lines: int = 0
    findings: list[Finding] = field(default_factory=list)


def fuzz(
    target: Target, seed: int, out: Path, seconds: float = float("inf"), executions: float = float("inf")
) -> Result:
    """Give a target its seeds, then mutations of them, for a time or a number of executions.

    Args:
        target: what is fuzzed.
        seed: of the mutations.
        out: folder for inputs that find something; `current` in it is the one under way.
        seconds: of the clock, seeds not counted.
        executions: at most.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(target, out)
    chance = random.Random(f"{seed} {target.name}")
    corpus = [*target.seeds(), *stored_seeds(target.name)]
    started = time.monotonic()
    try:
        for data in corpus:
            run.execute(data)
        while run.result.executions < executions and time.monotonic() - started < seconds:
            data = mutate(chance, corpus, target.tokens)
            # Tracing takes as long as reading.
            is_traced = run.result.executions % _TRACED == 0
            if run.execute(data, is_traced) and len(data) <= _LONGEST_KEPT:
                corpus.append(data)
    finally:
        run.close()
    run.result.seconds = time.monotonic() - started
    return run.result


class _Run:
    def __init__(self, target: Target, out: Path) -> None:
        self.result = Result(target.name)
        self._target, self._out = target, out
        self._coverage = LineCoverage()
        self._folder = Path(tempfile.mkdtemp(prefix="rgbt_fuzz_", dir=_memory_folder()))
        # The peak so far, as of imports, is forgotten.
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _peak_megabytes()
        self._current = (out / "current").open("wb", buffering=0)
        signal.signal(signal.SIGPROF, _stop)

    def execute(self, data: bytes, is_traced: bool = True) -> bool:
        """Read an input; whether it is known that it reached lines that none had reached before."""
        self._current.seek(0)
        self._current.truncate()
        self._current.write(data)
        known = len(self._coverage.lines)
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        try:
            with self._coverage if is_traced else nullcontext():
                self._target.read(data, self._folder)
        except self._target.own_errors as error:
            self.result.refused += 1
            if not str(error) or not str(error).isprintable():
                self._find(f"a sentence that is none: {str(error)!r}", "", data)
        except (Exception, TooSlow) as error:
            self._find(f"{type(error).__name__}: {error}", _place(error), data, traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        took, peak = time.process_time() - started, _peak_megabytes() - self._before
        self.result.executions += 1
        self.result.slowest_seconds = max(self.result.slowest_seconds, took)
        if peak > MOST_MEGABYTES >= self.result.peak_megabytes:
            self._find(f"{peak:.0f} MB", "memory", data)
        self.result.peak_megabytes = max(self.result.peak_megabytes, peak)
        return len(self._coverage.lines) > known

    def close(self) -> None:
        """Count the lines, and leave nothing behind but findings."""
        lines = lines_of(self._target.modules)
        self.result.lines, self.result.covered = len(lines), len(lines & self._coverage.lines)
        self._current.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find(self, what: str, where: str, data: bytes, trace: str = "") -> None:
        for finding in self.result.findings:
            if (finding.where, finding.what.partition(":")[0]) == (where, what.partition(":")[0]):
                finding.count += 1
                return
        file = self._out / f"finding_{hashlib.sha256(data).hexdigest()[:12]}"
        file.write_bytes(data)
        file.with_suffix(".txt").write_text(f"{what}\n{where}\n{trace}", errors="replace")
        self.result.findings.append(Finding(what[:300], where, str(file)))


def limit_memory() -> None:
    """Have allocations fail that no finding needs to succeed."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (_GUARD_MEGABYTES << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _stop(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"more than {MOST_SECONDS:g} s")


def _peak_megabytes() -> float:
    """Of this process alone: what `getrusage` tells starts at the peak of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _place(error: BaseException) -> str:
    """The last line of the project's that an error went through."""
    steps = traceback.extract_tb(error.__traceback__)
    ours = [step for step in steps if step.filename.startswith(OURS)]
    step = (ours or steps)[-1]
    return f"{step.filename.removeprefix(str(REPOSITORY) + '/')}:{step.lineno}"


def _memory_folder() -> str | None:
    """Where files cost no disk; None: wherever temporary files are."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
