"""Released weights of SARTM under our names: what can be taken over, and what cannot.

The authors' network is another one than the paper's, which is ours. Its answer is the mean of what the mask decoder
makes of each modality alone; the fused maps reach nothing but an auxiliary head, whose weights are drawn anew in every
forward pass. Three LoRA pairs of each projection are added up, and both modalities share them. So the weights are a
start for training on, and score otherwise than theirs.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import build_model
from rgbt_seg_ros.models.sam2_encoder import size_of_trunk

from .name_rules import renamed

_PAIRS = ("", "2", "3")
"""How the authors' names number the LoRA pairs of a projection."""

_LORA = re.compile(
    r"^sam\.image_encoder\.trunk\.(blocks\.\d+\.attn\.qkv)\.linear_([ab])_([qv])([23]?)\.weight$"
)
_BY_CLASS = re.compile(r"^sam\.sam_mask_decoder\.(mask_tokens|output_hypernetworks_mlps)\.(.*)$")
_RULES = (
    (r"^sam\.image_encoder\.trunk\.(blocks\.\d+\.attn\.qkv)\.qkv\.", r"encoder.trunk.\1."),
    (r"^sam\.image_encoder\.(trunk|neck)\.", r"encoder.\1."),
    (r"^FRMs\.(\d)\.", r"fusion.\1.rectify."),
    (r"^FFMs\.(\d)\.", r"fusion.\1.fuse."),
    (r"^sam\.sam_prompt_encoder\.(pe_layer\.positional_encoding_gaussian_matrix)$", r"decoder.\1"),
    (r"^sam\.sam_prompt_encoder\.(no_mask_embed\.weight)$", r"decoder.\1"),
)
_NOT_OURS = {
    "sam.sam_mask_decoder.iou_prediction_head.": "SAM 2's estimate of IoU",
    "sam.sam_mask_decoder.pred_obj_score_head.": "SAM 2's object score",
    "sam.sam_prompt_encoder.": "SAM 2's prompts",
    "sam.mem": "SAM 2's memory",
    "sam.mask": "SAM 2's memory",
    "sam.no_": "SAM 2's memory",
    "sam.obj_ptr": "SAM 2's memory",
    "mlp_": "layers that the authors' forward pass leaves out",
    "linear_": "layers that the authors' forward pass leaves out",
    "model_clip.": "the text encoder",
}
"""Beginnings of names that have no place here, and what they are; looked at after the rules."""


def import_sartm(
    released: Mapping[str, Tensor], class_embeddings: Tensor
) -> tuple[nn.Module, dict[str, str | int | None], dict[str, int]]:
    """A SARTM with the released weights that fit it.

    Args:
        released: state dict under the authors' names.
        class_embeddings: [N, D], for the losses of further training.

    Returns:
        The network in service form; its size and arguments for the card; what was left out, and how many entries of it.

    Raises:
        UserError: no SARTM of this kind, or of other classes; names an entry.
    """
    tensors, left_out = convert_sartm(released, len(class_embeddings))
    prefix = "encoder.trunk."
    size = size_of_trunk({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    if size is None:
        raise UserError("the checkpoint's trunk is none of SAM 2's four sizes: is it a SARTM state dict?")
    rank = len(tensors["encoder.trunk.blocks.0.attn.qkv.q.rgb.lora_A.default.weight"])
    config: dict[str, str | int | None] = {
        "size": size, "rank": rank, "neck": "sum", "auxiliary": "off", "prediction": "mask"
    }  # fmt: skip
    model = build_model("sartm", config, class_embeddings, served=True)
    expected = {name: tensor for name, tensor in model.state_dict().items() if name != "class_embeddings"}
    for name in sorted(expected.keys() | tensors.keys()):
        theirs = list(tensors[name].shape) if name in tensors else "not in the checkpoint"
        ours = list(expected[name].shape) if name in expected else "not in the network"
        if theirs != ours:
            raise UserError(
                f"{name} (our name) is {theirs}, but {ours} is expected: is it a SARTM state dict?"
            )
    model.load_state_dict({**tensors, "class_embeddings": class_embeddings.float()})
    return model.eval(), config, left_out


def convert_sartm(released: Mapping[str, Tensor], classes: int) -> tuple[dict[str, Tensor], dict[str, int]]:
    """A released SARTM state dict under our names, and what was left out of it.

    Raises:
        UserError: an entry that no rule knows, by name, or another number of classes.
    """
    ours: dict[str, Tensor] = {}
    factors: dict[tuple[str, str], dict[str, Tensor]] = {}
    left_out: dict[str, int] = {}
    first = _first_token(released, classes)
    for name, tensor in released.items():
        if match := _LORA.match(name):
            layer, factor, projection, pair = match.groups()
            factors.setdefault((layer, projection), {})[factor + pair] = tensor
        elif match := _BY_CLASS.match(name):
            ours |= _of_classes(match[1], match[2], tensor, first)
        elif (key := _our_key(name)) is not None:
            ours[key] = tensor
        else:
            _leave_out(left_out, name)
    for (layer, projection), pairs in factors.items():
        ours |= _lora(layer, projection, pairs, dim_out=len(ours[f"encoder.trunk.{layer}.weight"]) // 3)
    left_out["SAM 2's mask tokens before the classes'"] = first
    return ours, left_out


def _our_key(name: str) -> str | None:
    if (key := renamed(name, _RULES)) is not None:
        return key
    decoder = "sam.sam_mask_decoder."
    if name.startswith(decoder) and not any(name.startswith(start) for start in _NOT_OURS):
        return f"decoder.{name.removeprefix(decoder)}"
    return None


def _leave_out(left_out: dict[str, int], name: str) -> None:
    what = next((what for start, what in _NOT_OURS.items() if name.startswith(start)), None)
    if what is None:
        raise UserError(f"the checkpoint has {name}, unknown to SARTM: is it a SARTM state dict?")
    left_out[what] = left_out.get(what, 0) + 1


def _first_token(released: Mapping[str, Tensor], classes: int) -> int:
    """Which mask token is class 0: the authors' answer leaves the first out, and FMB's background is no class here."""
    tokens = released.get("sam.sam_mask_decoder.mask_tokens.weight")
    if tokens is None:
        raise UserError(
            "the checkpoint has no sam.sam_mask_decoder.mask_tokens.weight: is it a SARTM state dict?"
        )
    first = len(tokens) - classes
    if first not in (1, 2):
        raise UserError(
            f"the checkpoint has {len(tokens) - 1} classes, not {classes}: choose another data set with --classes"
        )
    return first


def _of_classes(part: str, rest: str, tensor: Tensor, first: int) -> dict[str, Tensor]:
    """Entries of the mask decoder that there is one of for each class."""
    if part == "mask_tokens":
        return {f"decoder.mask_tokens.{rest}": tensor[first:]}
    token, _, rest = rest.partition(".")
    place = int(token) - first
    return {} if place < 0 else {f"decoder.output_hypernetworks_mlps.{place}.{rest}": tensor}


def _lora(layer: str, projection: str, pairs: Mapping[str, Tensor], dim_out: int) -> dict[str, Tensor]:
    """A and B of both modalities: a sum of three products is one of three times the rank.

    Where a block widens its input, the authors add LoRA to the first channels of the query and the last of the value.
    """
    names = [pair for pair in _PAIRS if f"a{pair}" in pairs]
    down = torch.cat([pairs[f"a{pair}"] for pair in names])
    narrow = torch.cat([pairs[f"b{pair}"] for pair in names], dim=1)
    up = narrow.new_zeros(dim_out, narrow.shape[1])
    up[: len(narrow)] = narrow
    if projection == "v":
        up = up.roll(dim_out - len(narrow), dims=0)
    return {
        f"encoder.trunk.{layer}.{projection}.{modality}.lora_{factor}.default.weight": value.clone()
        for modality in ("rgb", "thermal")
        for factor, value in (("A", down), ("B", up))
    }
