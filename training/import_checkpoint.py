"""Turn released weights of SHIFNet or SARTM, of any of the four sizes, into a model file of ours."""

import argparse
import sys
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.file_limits import require_weights
from rgbt_seg_ros.masks.classes import CLASS_SETS
from rgbt_seg_ros.models.choices import SAM2_SIZES, SCALINGS


def _prepare(args: argparse.Namespace) -> Work:
    for path in filter(None, (args.file, args.class_embeddings)):
        require_weights(path)
    announce(f"reading {args.file}")
    from .work.import_checkpoint import run

    return run


def main() -> int:
    parser = command_parser(
        "python -m training.import_checkpoint",
        "Turn released weights of SHIFNet or SARTM into a model file.",
        "python -m training.import_checkpoint --from shifnet SHIFNet_FMB.pth --class-embeddings fmb.pt --classes fmb "
        "-o shifnet_fmb.safetensors\n"
        "python -m training.import_checkpoint --from sartm SARTM_PST900.pth --classes pst900 -o sartm.safetensors",
    )
    parser.add_argument(
        "--from", dest="source", choices=["shifnet", "sartm"], required=True, help="whose names the file uses"
    )
    parser.add_argument("file", type=Path, help="state dict, bare or wrapped: .pth, .pt or .safetensors")
    parser.add_argument(
        "--class-embeddings",
        metavar="FILE",
        type=Path,
        help="tensor [N, D] of the class embeddings that belong to the weights, .pt; needed for SHIFNet (default for "
        "SARTM: the shipped ones, which further training alone reads)",
    )
    parser.add_argument(
        "--classes", required=True, choices=CLASS_SETS, help="data set whose classes they are"
    )
    parser.add_argument(
        "--size",
        default="auto",
        choices=["auto", *SAM2_SIZES],
        help="of SHIFNet's encoder; auto tells it from the weights (default: auto)",
    )
    parser.add_argument(
        "--scaling", choices=SCALINGS, help="input scaling (default: that of the released weights)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="model file to write, .safetensors"
    )
    return run_command(parser, _prepare)


if __name__ == "__main__":
    sys.exit(main())
