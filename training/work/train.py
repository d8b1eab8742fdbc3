"""What `training.train` does once its arguments are known to be good."""

import argparse
from pathlib import Path
from typing import Any

import torch

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.text import duration

from ..config import Config, save_config
from ..engine.checkpoint import is_unsaved
from ..engine.trainer import Trainer
from ..measure.training_cost import measure_steps

_LONG = 100
"""Steps from which on a run tells beforehand what it will take."""


def run(args: argparse.Namespace, config: Config) -> None:
    """Train by a configuration, or go on with the run that it is of."""
    unsaved = bool(args.resume) and is_unsaved(Path(args.resume))
    if config.train.threads is not None:
        torch.set_num_threads(config.train.threads)
    cost = None if args.resume or _is_short(config) else measure_steps(config, 1, description="a trial step")
    trainer = Trainer(config, resume=bool(args.resume) and not unsaved)
    main_process = trainer.accelerator.is_main_process
    if main_process:
        if unsaved:
            print(f"{args.resume} was stopped before it had saved anything: it begins anew")
        save_config(trainer.run / "config.yaml", config)
        print(_headline(trainer))
        if cost is not None:
            print(_estimate(cost, trainer.length.steps))
    if not trainer.is_over:
        trainer.fit()
    elif main_process:
        print(
            f"the run is complete: step {trainer.state.step} of {trainer.length.steps or trainer.state.step}"
        )
    if main_process:
        print(f"best mIoU {trainer.state.best:.3f}")
        best = trainer.run / "best.safetensors"
        model = best if best.is_file() else trainer.run / "last.safetensors"
        name_files(("model", model if model.is_file() else None), ("all files of the run", trainer.run))


def _is_short(config: Config) -> bool:
    """Whether a run is over before its estimate is worth two steps, or its time is known."""
    train = config.train
    return train.budget_minutes is not None or (train.max_steps is not None and train.max_steps < _LONG)


def _estimate(cost: dict[str, Any], steps: int | None) -> str:
    """Time and memory of a run, by a step that was tried on random pairs."""
    assert steps is not None  # a run by time needs no estimate
    seconds = cost["seconds_per_step"]
    memory = cost["peak_memory"] / 1e9
    return (
        f"estimated by a trial step: {duration(steps * seconds)} ({seconds:.3g} s a step), validations and reading of "
        f"data not counted; {memory:.2g} GB of memory at the peak"
    )


def _headline(trainer: Trainer) -> str:
    """What is trained, how much of it, where and for how long."""
    model, accelerator = trainer.config.model, trainer.accelerator
    count = sum(parameter.numel() for parameter in trainer.network.parameters()) / 1e6
    trained = sum(parameter.numel() for parameter in trainer.state.parameters.values()) / 1e6
    processes = accelerator.num_processes
    return (
        f"{model.arch} {model.size}: {trained:.3f} of {count:.3f} M parameters trained, {trainer.length} of "
        f"{trainer.pairs_a_step} pairs, on {accelerator.device.type}"
        + (f" by {processes} processes" if processes > 1 else "")
    )
