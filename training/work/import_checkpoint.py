"""What `training.import_checkpoint` does once its arguments are known to be good."""

import argparse
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.masks.classes import CLASS_SETS
from rgbt_seg_ros.models import ModelCard, save_model
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings

from ..weights.released_sartm import import_sartm
from ..weights.released_shifnet import import_shifnet
from ..weights.tensor_file import read_one_tensor, read_weights


def run(args: argparse.Namespace) -> None:
    weights = read_weights(args.file)
    if weights.left_out:
        print(f"left out beside the weights: {weights.note()}")
    importer = {"shifnet": _shifnet, "sartm": _sartm}[args.source]
    model, card = importer(args, weights.tensors)
    save_model(args.output, model, card)
    title = {"shifnet": "SHIFNet", "sartm": "SARTM"}[card.arch]
    size, rule = card.config["size"], card.scaling.rule
    print(f"{title} {size}, {len(card.class_names)} classes, input scaling {rule}")
    name_files(("model", args.output))


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
