"""A short fuzzing of every target, and the fuzzer itself: `make fuzz` goes on for longer."""

import json
import mmap
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from places import REPOSITORY

from fuzz import engine
from fuzz.coverage import lines_of
from fuzz.mutations import LONGEST, mutate
from fuzz.target import Target
from rgbt_seg_ros.base.errors import UserError

SECONDS = 15
"""Beside starting and the seeds; split between the targets."""


def test_no_reader_ends_with_another_error_than_the_projects(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "fuzz",
        "--here",
        "--json",
        f"--seconds={SECONDS}",
        "--executions=300",
        "--seed=11",
    ]
    done = subprocess.run(
        [*command, f"--out={tmp_path}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    results = json.loads(done.stdout.splitlines()[-1])
    assert [result["findings"] for result in results if result["findings"]] == []
    assert done.returncode == 0
    assert len(results) > 20
    for result in results:
        assert result["executions"] > 0, result
        assert result["covered"] > 0.3 * result["lines"], result


def fuzz_reader(read: Any, tmp_path: Path, **bounds: Any) -> engine.Result:
    target = Target("planted", read, lambda: [b"ab", b"cdef"], ("rgbt_seg_ros.base.text",))
    return engine.fuzz(target, 0, tmp_path, **{"executions": 200, **bounds})


def test_errors_of_the_project_are_answers_and_all_others_findings(tmp_path: Path) -> None:
    def read(data: bytes, folder: Path) -> None:
        if data[:1] == b"a":
            raise UserError(f"this is {data!r}: give another")
        if data[:1] != b"c":
            raise KeyError(data)

    result = fuzz_reader(read, tmp_path)
    assert result.executions == 200
    assert result.refused > 10
    (finding,) = result.findings
    assert finding.what.startswith("KeyError")
    assert finding.count > 10
    assert Path(finding.file).read_bytes()[:1] not in (b"a", b"c")
    assert "KeyError" in Path(finding.file).with_suffix(".txt").read_text()


def test_what_takes_too_long_or_too_much_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(engine, "MOST_MEGABYTES", 100)

    def read(data: bytes, folder: Path) -> None:
        started = time.process_time()
        try:
            while data == b"ab" and time.process_time() - started < 30:
                pass
        except Exception:
            raise UserError("swallowed") from None
        if data == b"cdef":
            # A map of its own: what an earlier test has freed would be used again.
            with mmap.mmap(-1, 150 << 20) as memory:
                memory[:: mmap.PAGESIZE] = b"x" * (len(memory) // mmap.PAGESIZE)

    result = fuzz_reader(read, tmp_path, executions=2)
    assert [finding.what.partition(":")[0].split()[-1] for finding in result.findings] == ["TooSlow", "MB"]
    assert result.peak_megabytes > 140


def test_a_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    def inputs() -> list[bytes]:
        seen: list[bytes] = []
        fuzz_reader(lambda data, folder: seen.append(data), tmp_path)
        return seen

    first = inputs()
    assert first == inputs()
    assert len(set(first)) > 150
    assert max(map(len, first)) <= LONGEST


def test_an_empty_input_can_be_mutated() -> None:
    chance = random.Random(0)
    assert any(mutate(chance, [b""], ()) for _ in range(50))


def test_only_lines_within_functions_count() -> None:
    lines = lines_of(["rgbt_seg_ros.base.text"])
    source = (REPOSITORY / "rgbt_seg_ros" / "base" / "text.py").read_text().splitlines()
    shown = {source[number - 1].strip() for _, number in lines}
    assert "short = shortened(str(text), longest)" in shown
    assert not any(line.startswith(("import", "LONGEST", "def")) for line in shown)
