"""Train a model: `python -m training.train --config FILE [key=value ...]`, or `--resume runs/NAME`."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.errors import UserError

from .config import Config, load_config


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


def _prepare(args: argparse.Namespace) -> Work:
    overrides = [*args.overrides, *(["model.from_scratch=true"] if args.from_scratch else [])]
    if args.output and args.resume:
        raise UserError("--resume goes on in the folder of its run: leave --output out")
    if args.output:
        overrides.append(f"run.dir={args.output}")
    if args.resume:
        config = _config_of_run(Path(args.resume), overrides)
    else:
        config = load_config(args.config, overrides)
        _check_new(config)
    if config.data.name != "scenes":
        from .data.sources import open_dataset

        data = config.data
        open_dataset(data.name, data.root, data.train_split, data.thermal, data.thermal_palette)
    announce(f"training {config.model.arch} {config.model.size} on {config.data.name}, into {config.run.dir}")
    from .work.train import run

    return partial(run, config=config)


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
    parser.add_argument("-o", "--output", metavar="RUN", help="folder of a new run (run.dir=RUN)")
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
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
