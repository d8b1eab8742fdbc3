"""Tiny training runs on rendered scenes, and what they leave behind."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from places import REPOSITORY

from rgbt_seg_ros.scenes.still import render_still
from training import train
from training.engine.checkpoint import load_state
from training.engine.trainer import Trainer

TIMEOUT_S = 300.0
MSRS_FOLDERS = ("vi", "ir", "Segmentation_labels")
KILLED_TRAINING = REPOSITORY / "test" / "support" / "killed_training.py"
FORKED_PROCESSES = REPOSITORY / "test" / "support" / "forked_processes.py"

# Everything that makes steps random is on: dropout (in the network), missing modalities, workers, moving average.
TINY = (
    "data.name=scenes",
    "data.rendered_height=48",
    "data.rendered_width=64",
    "data.rendered_stills=4",
    "data.rendered_val=2",
    "data.workers=0",
    "augment.crop_height=32",
    "augment.crop_width=64",
    "augment.drop_rgb=0.3",
    "train.batch_size=2",
    "train.warmup_steps=2",
    "train.ema_decay=0.9",
    "train.log_every=1",
    "train.lr=0.001",
    "train.eval_every=100",
    "train.threads=1",
    "train.seed=5",
)

# SARTM at the same size; with several terms in its loss and prototypes in its state.
SARTM = ("model.arch=sartm",)


def train_tiny(run: Path, *overrides: str, pictures: bool = False) -> int:
    """Exit code of `training.train` in this process.

    To draw predictions takes as long as several steps, and is done only where `pictures` asks for it.
    """
    config = run.with_name(run.name + ".yaml")
    config.write_text("train: {}\n")
    with nullcontext() if pictures else patch.object(Trainer, "_save_pictures"):
        return train_here("--config", str(config), *TINY, f"run.dir={run}", *overrides)


@contextmanager
def training_here() -> Iterator[None]:
    """Puts back threads and accelerate's state, which training sets for the whole process."""
    threads = torch.get_num_threads()
    # A test that ran before in this process may have used accelerate by itself.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        AcceleratorState._reset_state(reset_partial_state=True)  # a process has one precision otherwise


def train_here(*arguments: str) -> int:
    """Exit code of `training.train` in this process."""
    with training_here():
        return train.main(arguments)


@dataclass(frozen=True)
class Done:
    """How a script ended: 0, the code that it left with, or minus the signal that killed it; and its stderr."""

    returncode: int
    stderr: str


def run_script(script: Path, *arguments: str, processes: int = 1) -> Done:
    """Run a script of this folder in a process of its own, or in several that find each other as torchrun's do."""
    forker = _forker()
    assert forker.stdin
    assert forker.stdout
    forker.stdin.write(json.dumps([processes, str(script), arguments]) + "\n")
    forker.stdin.flush()
    if not select.select([forker.stdout], [], [], TIMEOUT_S)[0]:
        os.killpg(forker.pid, signal.SIGKILL)
        _forker.cache_clear()
        raise TimeoutError(f"{script.name} did not end within {TIMEOUT_S:.0f} s")
    return Done(*json.loads(forker.stdout.readline()))


@cache
def _forker() -> "subprocess.Popen[str]":
    """What runs scripts, with training imported already; it ends when its input does, with this process."""
    return subprocess.Popen(
        [sys.executable, str(FORKED_PROCESSES)],
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_torchrun(script: Path, *arguments: str, processes: int) -> "subprocess.CompletedProcess[str]":
    """Run a script in several processes by torchrun itself, which takes longer and has a say in how they end."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [sys.executable, *launcher, str(script), *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def write_msrs(root: Path) -> Path:
    """Two rendered pairs in the layout of MSRS: both to train on, one to validate on."""
    for folder in MSRS_FOLDERS:
        (root / folder).mkdir(parents=True)
    for seed, name in enumerate(("00001D", "00002N")):
        still = render_still(seed, (48, 64))
        for folder, image in zip(MSRS_FOLDERS, (still.rgb, still.thermal, still.label), strict=True):
            Image.fromarray(image).save(root / folder / f"{name}.png")
    (root / "train.txt").write_text("00001D 00002N")
    (root / "val.txt").write_text("00002N")
    return root


def write_official_layouts(root: Path, size: tuple[int, int] = (48, 64)) -> Path:
    """`mfnet/`, `pst900/` and `fmb/` as their authors publish them, two random pairs a split, of ids that they have."""
    rng = np.random.default_rng(0)
    halves = {
        "pst900": (("rgb", "thermal", "labels"), 5),
        "fmb": (("Visible", "Infrared", "Label"), 15),
    }

    def write(path: Path, *shape: int, below: int = 256) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, below, (*size, *shape), np.uint8)).save(path)

    for split in ("train", "val", "test"):
        names = [f"{split}{i}D" for i in range(2)]
        for name in names:
            write(root / "mfnet" / "images" / f"{name}.png", 4)
            write(root / "mfnet" / "labels" / f"{name}.png", below=9)
        (root / "mfnet" / f"{split}.txt").write_text("\n".join(names))
    for data, (folders, ids) in halves.items():
        for half in ("train", "test"):
            rgb, thermal, label = (root / data / half / folder for folder in folders)
            for i in range(2):
                write(rgb / f"{i}.png", 3)
                write(thermal / f"{i}.png")
                write(label / f"{i}.png", below=ids)
    return root


def metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[float]:
    """The losses in `metrics.jsonl`."""
    return [line["loss"] for line in metrics(run) if "loss" in line]


def assert_same_state(run: Path, expected: Path) -> None:
    """Two runs have come to the same state, bit for bit: weights, average, optimizer, random numbers, best score."""
    ours, theirs = load_state(run), load_state(expected)
    assert ours.numbers == theirs.numbers
    assert ours.tensors.keys() == theirs.tensors.keys() >= {"network", "average", "optimizer", "random"}
    for part, tensors in theirs.tensors.items():
        assert ours.tensors[part].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(ours.tensors[part][name], tensor), f"{part} {name}"
