"""`python -m faults`, or `make faults`: kills, signals and full disks at random moments of a seed; a table at the end.

It needs the right to mount a tmpfs for the full disks. Without it, it enters a user namespace of its own (unshare), and
without that leaves them out, which it says.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from faults.graph import Graph
from faults.processes import REPOSITORY
from faults.rounds import Round, Whole, kill_writing
from faults.victims import Material, Victim, victims

SHARES = {
    "kill": {
        **{"graph": 18, "writing": 8, "offline": 4, "checkpoint": 2, "training": 2},
        **{"make_bag": 3, "render_bag": 3},
    },
    "signal": {
        **{"graph": 8, "offline": 2, "training": 2, "make_bag": 4, "render_bag": 4, "scenes": 4},
        **{"segment": 2, "embed_classes": 1},
    },
    "disk": {
        **{"graph": 4, "offline": 2, "training": 1, "make_bag": 2, "render_bag": 2, "scenes": 2},
        **{"segment": 1, "embed_classes": 1},
    },
}
"""How often each command is chosen, of each fault."""


NAMES = sorted({name for shares in SHARES.values() for name in shares})


class Faults:
    """Faults one after another, counted by what they came over."""

    def __init__(self, folder: Path, seed: int, only: Collection[str]) -> None:
        self.folder, self.seed, self._only = folder, seed, only
        self.done: Counter[tuple[str, str]] = Counter()
        self.failures: list[str] = []
        self.material = Material(folder / "material")
        self.victims = {victim.name: victim for victim in victims(self.material)}
        self._whole: dict[str, Whole] = {}

    def run(self, kind: str, count: int) -> None:
        """So many faults of a kind."""
        rng = random.Random(f"{self.seed} {kind}")
        shares = {name: share for name, share in SHARES[kind].items() if not self._only or name in self._only}
        if not shares:
            return
        names = rng.choices([*shares], [*shares.values()], k=count)
        if graphs := names.count("graph"):
            self._run_graph(kind, graphs, rng)
        for number, name in enumerate(name for name in names if name != "graph"):
            if name == "writing":
                act = partial(kill_writing, self.folder / f"writing_{number}", rng)
            else:
                victim = self.victims["training" if name == "checkpoint" else name]
                act = partial(self._round, kind, name, number, victim, rng)
            self._one(kind, name, number, act)

    def _run_graph(self, kind: str, count: int, rng: random.Random) -> None:
        number = 0
        while number < count:
            # A failure may have left the graph unusable: the next faults get a new one.
            folder = self.folder / f"{kind}_graph_{number}"
            with Graph(folder, self.material) as graph:
                act = {"kill": graph.kill, "signal": graph.signal, "disk": graph.fill_disk}[kind]
                while number < count:
                    number += 1
                    if not self._one(kind, "graph", number, partial(act, rng)):
                        break
                else:
                    self._one(kind, "graph", number + 1, graph.end, counted=False)

    def _round(self, kind: str, name: str, number: int, victim: Victim, rng: random.Random) -> str:
        if victim.name not in self._whole:
            self._whole[victim.name] = Whole(self.folder / f"whole_{victim.name}", victim)
        folder = self.folder / f"{kind}_{name}_{number}"
        round_ = Round(folder, victim, self._whole[victim.name])
        act = {"kill": round_.kill, "signal": round_.signal, "disk": round_.fill_disk}[kind]
        if name == "checkpoint":
            act = round_.kill_in_checkpoint
        said = act(rng)
        shutil.rmtree(folder, ignore_errors=True)
        return said

    def _one(self, kind: str, name: str, number: int, act: Callable[[], str], counted: bool = True) -> bool:
        begun = time.monotonic()
        self.done[kind, name] += counted
        try:
            said, failed = act(), False
        except Exception as error:
            said, failed = f"FAILED {type(error).__name__}: {error}", True
            if not isinstance(error, AssertionError):
                said += f"\n{traceback.format_exc()}"
            self.failures.append(f"{kind} {name} {number}: {said}")
        print(f"{kind} {name} {number}: {said} ({time.monotonic() - begun:.1f} s)", flush=True)
        return not failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of all moments (default 0)")
    parser.add_argument("--kills", type=int, default=200, help="kill -9 (default 200)")
    parser.add_argument("--signals", type=int, default=60, help="SIGINT and SIGTERM (default 60)")
    parser.add_argument("--full-disks", type=int, default=50, help="full disks (default 50)")
    parser.add_argument("--only", nargs="+", default=(), choices=NAMES, help="faults of these alone")
    parser.add_argument("--folder", type=Path, help="what failed stays here (default: a temporary folder)")
    args = parser.parse_args()
    if args.full_disks and not _may_mount():
        if os.environ.get("FAULTS_UNSHARED") is None and _may_unshare():
            command = [
                "unshare",
                "--user",
                "--map-root-user",
                "--mount",
                sys.executable,
                "-m",
                "faults",
                *sys.argv[1:],
            ]
            return subprocess.run(
                command, cwd=REPOSITORY, env={**os.environ, "FAULTS_UNSHARED": "1"}
            ).returncode
        print("no tmpfs may be mounted here: the full disks are left out")
        args.full_disks = 0
    folder = args.folder or Path(tempfile.mkdtemp(prefix="rgbt_seg_ros_faults_"))
    faults = Faults(folder, args.seed, args.only)
    for kind, count in (("kill", args.kills), ("disk", args.full_disks), ("signal", args.signals)):
        if count:
            faults.run(kind, count)
    for (kind, name), count in sorted(faults.done.items()):
        print(f"{kind:8} {name:14} {count}")
    print(f"seed {args.seed}: {sum(faults.done.values())} faults, {len(faults.failures)} findings")
    for failure in faults.failures:
        print(f"\n{failure}")
    if faults.failures:
        print(f"what is left of them: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if faults.failures else 0


def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return done.returncode == 0


def _may_unshare() -> bool:
    command = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return (
        shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0
    )


if __name__ == "__main__":
    sys.exit(main())
