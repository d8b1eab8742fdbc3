"""Train a model: `python -m training.train --config FILE [key=value ...]`, or `--resume runs/NAME`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.errors import UserError

from .config import Config, load_config, save_config
from .trainer import Trainer


def _start_run(config: Config) -> None:
    run = Path(config.run.dir)
    if (run / "config.yaml").exists():
        raise UserError(
            f"{run} already holds a run: resume it with --resume {run}, or choose another run.dir"
        )
    run.mkdir(parents=True, exist_ok=True)


def _drop_later_metrics(run: Path, step: int) -> None:
    """Forget what was logged after the state that a run goes on from."""
    path = run / "metrics.jsonl"
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))


def _run(args: argparse.Namespace) -> None:
    if args.resume:
        config = load_config(Path(args.resume) / "config.yaml", [*args.overrides, f"run.dir={args.resume}"])
    else:
        config = load_config(args.config, args.overrides)
        _start_run(config)
    trainer = Trainer(config, resume=bool(args.resume))
    if trainer.accelerator.is_main_process:
        _drop_later_metrics(trainer.run, trainer.step)
        save_config(trainer.run / "config.yaml", config)
        count = sum(parameter.numel() for parameter in trainer.network.parameters()) / 1e6
        device = trainer.accelerator.device
        print(f"{config.model.arch} {config.model.size}, {count:.2f} M parameters, on {device}")
    trainer.fit()
    if trainer.accelerator.is_main_process:
        print(f"{trainer.run / 'best.safetensors'}: best mIoU {trainer.best:.3f}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.train",
        "Train a model from a configuration file, or go on with an interrupted run.",
        """python -m training.train --config config/train/shifnet_nano_msrs.yaml data.root=../msrs70
        python -m training.train --config config/train/shifnet_nano_msrs.yaml train.max_steps=100 run.dir=runs/short
        python -m training.train --resume runs/shifnet_nano_msrs""",
    )
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--config", help="YAML file (config/train has ready ones)")
    group.add_argument("--resume", metavar="RUN", help="folder of a run to go on with")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="change a value of the configuration"
    )
    return run_command(parser, _run, argv)


if __name__ == "__main__":
    sys.exit(main())
