"""Train a model: `python -m training.train --config FILE [key=value ...]`, or `--resume runs/NAME`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.base.errors import UserError

from .config import Config, load_config, save_config
from .engine.checkpoint import is_unsaved
from .engine.trainer import Trainer


def _check_new(config: Config) -> None:
    run = Path(config.run.dir)
    if (run / "config.yaml").exists():
        raise UserError(
            f"{run} already holds a run: resume it with --resume {run}, or choose another run.dir"
        )


def _config_of_run(run: Path, overrides: Sequence[str]) -> Config:
    path = run / "config.yaml"
    if not path.is_file():
        raise UserError(
            f"{run} holds no run to resume ({path} is missing): give the folder of one, runs/NAME"
        )
    return load_config(path, [*overrides, f"run.dir={run}"])


def _run(args: argparse.Namespace) -> None:
    overrides = [*args.overrides, *(["model.from_scratch=true"] if args.from_scratch else [])]
    unsaved = False
    if args.resume:
        config = _config_of_run(Path(args.resume), overrides)
        unsaved = is_unsaved(Path(args.resume))
    else:
        config = load_config(args.config, overrides)
        _check_new(config)
    if config.train.threads is not None:
        torch.set_num_threads(config.train.threads)
    trainer = Trainer(config, resume=bool(args.resume) and not unsaved)
    main_process = trainer.accelerator.is_main_process
    if main_process:
        if unsaved:
            print(f"{args.resume} was stopped before it had saved anything: it begins anew")
        save_config(trainer.run / "config.yaml", config)
        print(_headline(trainer))
    if trainer.state.step < trainer.steps:
        trainer.fit()
    elif main_process:
        print(f"the run is complete: step {trainer.state.step} of {trainer.steps}")
    if main_process:
        print(f"{trainer.run / 'best.safetensors'}: best mIoU {trainer.state.best:.3f}")


def _headline(trainer: Trainer) -> str:
    """What is trained, how much of it, where and for how long."""
    model, accelerator = trainer.config.model, trainer.accelerator
    count = sum(parameter.numel() for parameter in trainer.network.parameters()) / 1e6
    trained = sum(parameter.numel() for parameter in trainer.state.parameters.values()) / 1e6
    processes = accelerator.num_processes
    return (
        f"{model.arch} {model.size}: {trained:.3f} of {count:.3f} M parameters trained, {trainer.steps} steps of "
        f"{trainer.pairs_a_step} pairs, on {accelerator.device.type}"
        + (f" by {processes} processes" if processes > 1 else "")
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.train",
        "Train a model from a configuration file, or go on with an interrupted run.",
        """python -m training.train --config config/train/nano/shifnet_msrs.yaml data.root=../msrs70
        python -m training.train --config config/train/nano/shifnet_msrs.yaml train.max_steps=100 run.dir=runs/short
        python -m training.train --config config/train/nano/sartm_msrs.yaml data.root=../msrs70 loss.prototype=0
        torchrun --nproc-per-node 2 -m training.train --config config/train/nano/shifnet_msrs.yaml data.root=../msrs70
        python -m training.train --resume runs/shifnet_nano_msrs""",
    )
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--config", help="YAML file (config/train has ready ones)")
    group.add_argument("--resume", metavar="RUN", help="folder of a run to go on with")
    parser.add_argument(
        "--from-scratch",
        action="store_true",
        help="also train SAM 2's trunk and neck, from random numbers (model.from_scratch=true)",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="change a value of the configuration; training/config/schema.py describes all keys",
    )
    return run_command(parser, _run, argv)


if __name__ == "__main__":
    sys.exit(main())
