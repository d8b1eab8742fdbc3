"""Released weights of SHIFNet as a model file of ours: names, sizes, one pure conversion."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import build_model
from rgbt_seg_ros.models.sam2_encoder import size_of_trunk

from .name_rules import renamed

_RULES = (
    (
        r"^image_encoder\.trunk\.(blocks\.\d+)\.Space_Adapter\.D_fc1\.",
        r"encoder.trunk.\1.attn.adapter.down.",
    ),
    (
        r"^image_encoder\.trunk\.(blocks\.\d+)\.Space_Adapter\.D_fc2\.",
        r"encoder.trunk.\1.attn.adapter.up.",
    ),
    (
        r"^image_encoder\.trunk\.(blocks\.\d+)\.MLP_Adapter\.D_fc1\.",
        r"encoder.trunk.\1.mlp.adapter.down.",
    ),
    (r"^image_encoder\.trunk\.(blocks\.\d+)\.MLP_Adapter\.D_fc2\.", r"encoder.trunk.\1.mlp.adapter.up."),
    (r"^image_encoder\.(trunk|neck)\.", r"encoder.\1."),
    (r"^fuse_block\.(\d)\.layers\.", r"sacf.\1.blocks."),
    (r"^fuse_block\.(\d)\.x_proj\.", r"sacf.\1.thermal_proj."),
    (r"^fuse_block\.(\d)\.(rgb_proj|out_proj)\.", r"sacf.\1.\2."),
    (r"^decoder\.ContextModule\.(\d)\.conv1_1\.", r"hpd.sem.\1.reduce."),
    (r"^decoder\.ContextModule\.(\d)\.inception\.branch1x1\.", r"hpd.sem.\1.branch1."),
    (r"^decoder\.ContextModule\.(\d)\.inception\.final_conv\.", r"hpd.sem.\1.squeeze."),
    (r"^decoder\.ContextModule\.(\d)\.upsample\.conv\.", r"hpd.sem.\1.expand."),
    (r"^decoder\.GlobalFeatureConcat2D\.(\d)\.project\.0\.", r"hpd.merge.\1."),
    (r"^decoder\.postprocess1\.(\d)\.project\.0\.proj\.", r"hpd.level_proj.\1."),
    (r"^decoder\.linear_fuse\.", "hpd.fuse."),
    (r"^decoder\.head\.", "hpd.head."),
    (r"^decoder\.logit_scale$", "hpd.logit_scale"),
)
_BRANCH = re.compile(r"^decoder\.ContextModule\.(\d)\.inception\.branch7x7(dbl)?_(\d)\.")


def our_key(released: str) -> str | None:
    """Our name of an entry of a released SHIFNet state dict; None if no rule knows it."""
    if match := _BRANCH.match(released):
        level, double, step = match.groups()
        branch = "branch3" if double else "branch2"
        return f"hpd.sem.{level}.{branch}.{int(step) - 1}." + released[match.end() :]  # theirs count from 1
    return renamed(released, _RULES)


def convert_state_dict(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A released SHIFNet state dict under our names.

    Raises:
        UserError: an entry that no rule knows, by name.
    """
    unknown = [name for name in released if our_key(name) is None]
    if unknown:
        raise UserError(
            f"the checkpoint has {_list(unknown)}, unknown to SHIFNet: is it a SHIFNet state dict?"
        )
    return {str(our_key(name)): tensor for name, tensor in released.items()}


def size_of(released: Mapping[str, Tensor]) -> str:
    """Which of the four sizes a released state dict is, from its shapes.

    Raises:
        UserError: none of them.
    """
    prefix = "image_encoder.trunk."
    trunk = {name.removeprefix(prefix): t for name, t in released.items() if name.startswith(prefix)}
    size = size_of_trunk(trunk)
    if size is None:
        raise UserError("the checkpoint's trunk is none of SAM 2's four sizes: is it a SHIFNet state dict?")
    return size


def import_shifnet(
    released: Mapping[str, Tensor], class_embeddings: Tensor, size: str = "auto"
) -> tuple[torch.nn.Module, str]:
    """A SHIFNet with released weights, and its size.

    Args:
        released: state dict under the released names.
        class_embeddings: [N, D], kept unchanged.
        size: a key of `SAM2_TRUNKS`, or `auto` to tell it from the shapes.

    Raises:
        UserError: unknown, missing or misshapen entries, by name.
    """
    tensors = convert_state_dict(released)
    size = size_of(released) if size == "auto" else size
    model = build_model("shifnet", {"size": size}, class_embeddings)
    expected = {name: tensor for name, tensor in model.state_dict().items() if name != "class_embeddings"}
    missing = [name for name in expected if name not in tensors]
    if missing:
        raise UserError(
            f"the checkpoint lacks {_list(missing)} (our names) of SHIFNet {size}: is it complete?"
        )
    for name, tensor in tensors.items():
        if name not in expected:
            raise UserError(
                f"the checkpoint has {name} (our name), which SHIFNet {size} has not: try --size auto"
            )
        if tensor.shape != expected[name].shape:
            raise UserError(
                f"{name} (our name) is {list(tensor.shape)} in the checkpoint and {list(expected[name].shape)} "
                f"in SHIFNet {size}: try --size auto"
            )
    model.load_state_dict({**tensors, "class_embeddings": class_embeddings.float()})
    return model.eval(), size


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
