"""What `training.inspect_weights` does once its arguments are known to be good."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import build_model, file_hash
from rgbt_seg_ros.models.sam2_encoder import size_of_trunk

from ..weights.base_weights import encoder_weights, load_base_weights
from ..weights.released_sartm import import_sartm
from ..weights.released_shifnet import import_shifnet
from ..weights.tensor_file import read_weights

_TOKENS = "sam.sam_mask_decoder.mask_tokens.weight"
_HEAD = "decoder.head.weight"


def describe_weights(path: Path) -> str:
    """What weights a file holds, after a check that they are complete.

    Raises:
        UserError: unreadable, incomplete, or none that this program takes over; names an entry.
    """
    weights = read_weights(path)
    tensors = weights.tensors
    if _TOKENS in tensors:
        classes = len(tensors[_TOKENS]) - 1
        _, config, _ = import_sartm(tensors, torch.zeros(classes, 8))
        found = f"SARTM {config['size']} of its authors, {classes} classes"
    elif _HEAD in tensors:
        width = len(tensors[_HEAD])
        _, size = import_shifnet(tensors, torch.zeros(2, width))
        found = f"SHIFNet {size} of its authors, for class embeddings of width {width}"
    else:
        found = f"SAM 2 {_check_sam2(path, tensors)}"
    parameters = sum(tensor.numel() for tensor in tensors.values()) / 1e6
    beside = f"; beside the weights: {weights.note()}" if weights.left_out else ""
    return f"{path}: {found}, {parameters:.1f} M values, complete; SHA-256 {file_hash(path)}{beside}"


def _check_sam2(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Its size, if it fills the encoder of that size."""
    prefix = "encoder.trunk."
    encoder = encoder_weights(tensors)
    size = size_of_trunk({n.removeprefix(prefix): t for n, t in encoder.items() if n.startswith(prefix)})
    if size is None:
        raise UserError(
            f"{path} is none of SAM 2, SHIFNet and SARTM: a model file is looked at by training.model_card, and "
            "class embeddings by training.embed_classes"
        )
    load_base_weights(build_model("shifnet", {"size": size}, torch.zeros(2, 8)), path)
    return size


def run(args: argparse.Namespace) -> None:
    for file in args.files:
        print(describe_weights(file))
