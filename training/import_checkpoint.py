"""Turn released SHIFNet weights, of any of the four sizes, into a model file of ours."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from torch import Tensor

from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import CLASS_SETS
from rgbt_seg_ros.models import ModelCard, save_model
from rgbt_seg_ros.models.sam2_encoder import SAM2_TRUNKS
from rgbt_seg_ros.models.scaling import RULES, InputScaling

from .weights.released_shifnet import import_shifnet
from .weights.tensor_file import read_tensors


def run(args: argparse.Namespace) -> None:
    classes = CLASS_SETS[args.classes]
    released = read_tensors(args.file)
    if not isinstance(released, dict) or not all(isinstance(value, Tensor) for value in released.values()):
        raise UserError(
            f"{args.file} is not a bare state dict (name -> tensor): take it out of its wrapper first"
        )
    embeddings = read_tensors(args.class_embeddings)
    if not isinstance(embeddings, Tensor) or embeddings.ndim != 2 or len(embeddings) != len(classes.names):
        found = list(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise UserError(
            f"{args.class_embeddings} must hold one tensor [{len(classes.names)}, D] for {args.classes}, found {found}"
        )
    rule = args.scaling or {"fmb": "shifnet-fmb", "pst900": "shifnet-pst900"}.get(args.classes, "standard")
    model, size = import_shifnet(released, embeddings, args.size)
    card = ModelCard(
        arch="shifnet",
        config={"size": size},
        class_names=classes.names,
        thing_classes=classes.things,
        embeddings={"origin": args.class_embeddings.name},
        scaling=InputScaling(rule),
        training={"data": args.classes, "origin": f"released weights, {args.file.name}"},
    )
    save_model(args.output, model, card)
    Console().print(f"SHIFNet {size}, {len(classes.names)} classes, input scaling {rule}: {args.output}")


def main() -> int:
    parser = command_parser(
        "python -m training.import_checkpoint",
        "Turn released SHIFNet weights into a model file.",
        "python -m training.import_checkpoint --from shifnet SHIFNet_FMB.pth --class-embeddings fmb.pt --classes fmb "
        "-o shifnet_fmb.safetensors",
    )
    parser.add_argument(
        "--from", dest="source", choices=["shifnet"], required=True, help="whose names the file uses"
    )
    parser.add_argument("file", type=Path, help="state dict, .pth")
    parser.add_argument(
        "--class-embeddings",
        metavar="FILE",
        type=Path,
        required=True,
        help="tensor [N, D] of the class embeddings that belong to the weights, .pt",
    )
    parser.add_argument(
        "--classes", required=True, choices=CLASS_SETS, help="data set whose classes they are"
    )
    parser.add_argument(
        "--size",
        default="auto",
        choices=["auto", *SAM2_TRUNKS],
        help="of the encoder; auto tells it from the weights (default: auto)",
    )
    parser.add_argument(
        "--scaling", choices=RULES, help="input scaling (default: that of the released weights)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="model file to write, .safetensors"
    )
    return run_command(parser, run)


if __name__ == "__main__":
    sys.exit(main())
