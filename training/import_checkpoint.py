"""Turn released weights of SHIFNet or SARTM, of any of the four sizes, into a model file of ours."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.masks.classes import CLASS_SETS
from rgbt_seg_ros.models import ModelCard, save_model
from rgbt_seg_ros.models.sam2_encoder import SAM2_TRUNKS
from rgbt_seg_ros.models.scaling import RULES, InputScaling
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings

from .weights.released_sartm import import_sartm
from .weights.released_shifnet import import_shifnet
from .weights.tensor_file import read_one_tensor, read_weights


def run(args: argparse.Namespace) -> None:
    weights = read_weights(args.file)
    if weights.left_out:
        print(f"left out beside the weights: {weights.note()}")
    importer = {"shifnet": _shifnet, "sartm": _sartm}[args.source]
    model, card = importer(args, weights.tensors)
    save_model(args.output, model, card)
    title = {"shifnet": "SHIFNet", "sartm": "SARTM"}[card.arch]
    size, rule = card.config["size"], card.scaling.rule
    print(f"{title} {size}, {len(card.class_names)} classes, input scaling {rule}: {args.output}")


def _shifnet(args: argparse.Namespace, tensors: Mapping[str, Tensor]) -> tuple[nn.Module, ModelCard]:
    if args.class_embeddings is None:
        raise UserError(
            "SHIFNet compares with its own class embeddings: give the file with --class-embeddings"
        )
    rule = args.scaling or {"fmb": "shifnet-fmb", "pst900": "shifnet-pst900"}.get(args.classes, "standard")
    embeddings = _own_embeddings(args)
    model, size = import_shifnet(tensors, embeddings, args.size)
    return model, _card(args, "shifnet", {"size": size}, {"origin": args.class_embeddings.name}, rule)


def _sartm(args: argparse.Namespace, tensors: Mapping[str, Tensor]) -> tuple[nn.Module, ModelCard]:
    if args.class_embeddings is None:
        shipped = load_class_embeddings(
            share_path(f"config/embeddings/{args.classes}_minilm_photo.safetensors")
        )
        vectors, origin = shipped.vectors, {"encoder": shipped.encoder, "templates": list(shipped.templates)}
    else:
        vectors, origin = _own_embeddings(args), {"origin": args.class_embeddings.name}
    model, config, left_out = import_sartm(tensors, vectors)
    for what, count in left_out.items():
        print(f"not taken over: {what} ({count} {'entry' if count == 1 else 'entries'})")
    print(
        "warning: the authors' network answers without its fusion, this one with it: train on from this model "
        "(model.start_from), its scores are not theirs"
    )
    return model, _card(args, "sartm", config, origin, args.scaling or "standard")


def _own_embeddings(args: argparse.Namespace) -> Tensor:
    classes = CLASS_SETS[args.classes]
    embeddings = read_one_tensor(args.class_embeddings)
    if embeddings is None or len(embeddings) != len(classes.names):
        found = "no such tensor, or several" if embeddings is None else list(embeddings.shape)
        raise UserError(
            f"{args.class_embeddings} must hold one tensor [{len(classes.names)}, D] for {args.classes}, found {found}"
        )
    return embeddings


def _card(
    args: argparse.Namespace,
    arch: str,
    config: Mapping[str, str | int | None],
    embeddings: dict[str, Any],
    rule: str,
) -> ModelCard:
    classes = CLASS_SETS[args.classes]
    return ModelCard(
        arch=arch,
        config=dict(config),
        class_names=classes.names,
        thing_classes=classes.things,
        embeddings=embeddings,
        scaling=InputScaling(rule),
        training={"data": args.classes, "origin": f"released weights, {args.file.name}"},
    )


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
        choices=["auto", *SAM2_TRUNKS],
        help="of SHIFNet's encoder; auto tells it from the weights (default: auto)",
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
