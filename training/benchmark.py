"""Measure a model in service beside plain PyTorch, networks side by side, or a step of a training configuration."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import (
    Work,
    announce,
    command_parser,
    image_size,
    positive_count,
    positive_number,
    run_command,
)
from rgbt_seg_ros.base.shared_files import resolve_model
from rgbt_seg_ros.models.choices import WORDS, check_architecture, check_size

from .config import load_config


def _network_name(text: str) -> tuple[str, str]:
    """ARCH/SIZE as both."""
    arch, slash, size = text.partition("/")
    if not (arch and slash and size):
        raise argparse.ArgumentTypeError(f"{text!r} is not a network such as sartm/base_plus")
    return arch, size


def _prepare(args: argparse.Namespace) -> Work:
    if args.train is not None:
        load_config(args.train, args.overrides)
        announce(f"measuring a training step of {args.train}")
    elif args.suite:
        announce(f"measuring every size of SHIFNet in every form, {args.budget:g} s at the most")
    elif args.compare is not None:
        for arch, size in args.compare:
            check_architecture(arch)
            check_size(WORDS[arch].title, size)
        announce(f"measuring {', '.join('/'.join(network) for network in args.compare)}")
    else:
        resolve_model(args.model)
        announce(f"measuring the model {args.model} beside plain PyTorch")
    from .work.benchmark import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.benchmark",
        "Measure a model in service, beside plain PyTorch in the same run; or networks side by side; or one training "
        "step of a configuration.",
        """python -m training.benchmark --model default --size 480x640 --json speed.json
        python -m training.benchmark --suite --json gpu.json
        python -m training.benchmark --compare shifnet/nano sartm/nano --size 480x640 --device cpu
        python -m training.benchmark --train config/train/shifnet/mfnet.yaml train.batch_size=1 train.precision=fp32
        python -m training.benchmark --train config/train/nano/default.yaml data.root=DIR --samples 500
        python -m training.benchmark --train config/train/shifnet/fmb.yaml --count-only --tflops 50""",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--model", default="default", help="model file, or 'default' (packaged)")
    what.add_argument(
        "--compare",
        nargs="+",
        type=_network_name,
        metavar="ARCH/SIZE",
        help="measure these networks side by side, on random pairs and weights, float32",
    )
    what.add_argument(
        "--train", metavar="CONFIG", help="measure a step of this configuration, on random pairs and weights"
    )
    what.add_argument(
        "--suite",
        action="store_true",
        help="measure every size of SHIFNet in every form, with stages, ceilings and checks; for a GPU",
    )
    parser.add_argument(
        "--budget",
        type=positive_number,
        default=330.0,
        help="with --suite: begin nothing more after so many seconds (default: 330)",
    )
    parser.add_argument(
        "--machine", metavar="WORDS", help="with --suite: what to call the machine on the page"
    )
    parser.add_argument(
        "--size", type=image_size, default=(480, 640), help="of the images, HxW (default: 480x640)"
    )
    parser.add_argument("--pairs", type=positive_count, default=50, help="pairs to segment (default: 50)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16, of the served model")
    parser.add_argument("--steps", type=positive_count, default=2, help="timed training steps (default: 2)")
    parser.add_argument(
        "--samples",
        type=positive_count,
        metavar="N",
        help="with --train: also make N samples as the run does, with and without its worker processes",
    )
    parser.add_argument(
        "--count-only", action="store_true", help="with --train: count multiply-adds, compute nothing"
    )
    parser.add_argument(
        "--tflops",
        type=positive_number,
        help="with --train: tell the hours of the whole run on a machine that sustains so many 10^12 operations/s",
    )
    parser.add_argument(
        "-o",
        "--output",
        "--json",
        dest="json",
        type=Path,
        metavar="FILE",
        help="write everything to this file",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="with --train: change a value of the configuration"
    )

    def prepare(args: argparse.Namespace) -> Work:
        if args.train is None and (args.overrides or args.count_only or args.tflops or args.samples):
            parser.error(
                "key=value, --count-only, --tflops and --samples belong to --train CONFIG: give it as well"
            )
        return _prepare(args)

    return run_command(parser, prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
