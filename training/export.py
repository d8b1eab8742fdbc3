"""Write a model's network for runtimes that know nothing of this package: as ONNX, or for `torch.export.load`.

The file is compared with PyTorch before it is there under its name.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, image_size, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import resolve_model

FORMATS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torch-export": ()}
"""What can be written, and the packages that it needs beside PyTorch."""


def _prepare(args: argparse.Namespace) -> Work:
    for package in FORMATS[args.format]:
        if find_spec(package) is None:
            needed = " ".join(FORMATS[args.format])
            raise UserError(
                f"the format {args.format} needs the package {package}: run `pip install {needed}`"
            )
    if args.output.is_dir():
        raise UserError(f"{args.output} is a folder: give the name of a file to write")
    resolve_model(args.model)
    announce(f"exporting the model {args.model} to {args.output}")
    from .work.export import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.export",
        "Write a model's network for runtimes without this package, checked against PyTorch before it is there.",
        """python -m training.export --model default --format onnx -o default.onnx --size 240x320
        python -m training.export --model runs/a/best.safetensors --format torch-export -o a.pt2 --size 480x640""",
    )
    parser.add_argument("--model", default="default", help="model file, or 'default' (packaged)")
    parser.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        help="onnx: one .onnx file; torch-export: for torch.export.load, PyTorch alone",
    )
    parser.add_argument(
        "--size",
        type=image_size,
        required=True,
        help="of the network's inputs, HxW; the file has this one size",
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="file to write")
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
