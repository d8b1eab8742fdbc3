"""Fuzz the readers: each in a process of its own, with bounds on time and memory.

python -m fuzz --seconds 600 --seed 1
python -m fuzz --seconds 60 mcap ros1
python -m fuzz --reproduce mcap out/fuzz/mcap/finding_0123456789ab
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fuzz.engine import Finding, Result, fuzz, limit_memory
from fuzz.targets import TARGETS

HANGS_S = 120.0
"""A process that takes so much longer than it was told is ended; its input is the finding."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 if something was found."""
    parser = argparse.ArgumentParser(
        "python -m fuzz", description="Fuzz everything that reads bytes of strangers."
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)"
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="in all (default: 600)")
    parser.add_argument("--executions", type=float, default=float("inf"), help="of each target, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/fuzz"), help="folder for findings (default: out/fuzz)"
    )
    parser.add_argument("--here", action="store_true", help="all in this one process, which starts sooner")
    parser.add_argument("--json", action="store_true", help="results as JSON")
    parser.add_argument("--reproduce", nargs=2, metavar=("TARGET", "FILE"), help="give one input to a target")
    args = parser.parse_args(argv)
    if args.reproduce:
        return _reproduce(args.reproduce[0], Path(args.reproduce[1]))
    names = args.targets or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}: choose of {', '.join(TARGETS)}")
    if args.here:
        limit_memory()
    results = []
    for number, name in enumerate(names):
        seconds = args.seconds / len(names)
        if args.here:
            results.append(fuzz(TARGETS[name], args.seed, args.out / name, seconds, args.executions))
        else:
            results.append(_in_a_process(name, args, seconds))
        for finding in results[-1].findings:
            print(
                f"{name}: {finding.what} at {finding.where} ({finding.count} times): {finding.file}",
                file=sys.stderr,
            )
        if not args.json:
            print(_row(results[-1], header=number == 0), flush=True)
    if args.json:
        print(json.dumps([dataclasses.asdict(result) for result in results]))
    return int(any(result.findings for result in results))


def _in_a_process(name: str, args: argparse.Namespace, seconds: float) -> Result:
    command = [sys.executable, "-m", "fuzz", name, "--here", "--json"]
    command += [
        f"--seconds={seconds}",
        f"--executions={args.executions}",
        f"--seed={args.seed}",
        f"--out={args.out}",
    ]
    started = time.monotonic()
    try:
        # Image libraries write a line of their own about each file that they refuse.
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=seconds + HANGS_S
        )
        last = done.stdout.strip().splitlines()
        if done.returncode in (0, 1) and last:
            (values,) = json.loads(last[-1])
            findings = [Finding(**finding) for finding in values.pop("findings")]
            return Result(**values, findings=findings)
        what = f"the process ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        what = "the process hangs"
    file = args.out / name / f"finding_{int(time.time())}"
    (args.out / name / "current").rename(file)
    return Result(name, seconds=time.monotonic() - started, findings=[Finding(what, "", str(file))])


def _row(result: Result, header: bool) -> str:
    row = (
        f"| {result.target} | {result.executions:,} | {len(result.findings)} | {result.peak_megabytes:.0f} MB "
        f"| {result.slowest_seconds:.1f} s | {result.covered} of {result.lines} lines |"
    )
    if not header:
        return row
    return f"| reader | executions | findings | peak memory | slowest | coverage |\n|{' --- |' * 6}\n{row}"


def _reproduce(name: str, file: Path) -> int:
    target = TARGETS[name]
    limit_memory()
    with tempfile.TemporaryDirectory() as folder:
        try:
            target.read(file.read_bytes(), Path(folder))
        except target.own_errors as error:
            print(f"refused: {error}")
        else:
            print("read")
    return 0


if __name__ == "__main__":
    sys.exit(main())
