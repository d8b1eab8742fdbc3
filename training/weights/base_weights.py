"""Meta's SAM 2 and SAM 2.1 weights for what a network takes over: the image encoder and, in SARTM, the mask decoder."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import file_hash
from rgbt_seg_ros.models.model_file import misfits
from rgbt_seg_ros.models.sam2_encoder import is_added, size_of_trunk
from rgbt_seg_ros.models.sartm.mask_decoder import ClassTokenDecoder

from .tensor_file import NoWeights, read_weights

_ENCODER = "image_encoder."
_DECODER = "sam_mask_decoder."
# Class tokens start fresh, and nothing asks for the IoU and the object score.
_REPLACED = tuple(
    f"{_DECODER}{part}." for part in ("mask_tokens", "iou_prediction_head", "pred_obj_score_head")
)
_HYPER_NETWORK = re.compile(r"^sam_mask_decoder\.output_hypernetworks_mlps\.([0-3])\.(.*)$")
_PROMPTS = re.compile(
    r"^sam_prompt_encoder\.(pe_layer\.positional_encoding_gaussian_matrix|no_mask_embed\.weight)$"
)


def load_base_weights(network: nn.Module, path: str | Path) -> str:
    """Fill what a network takes over from SAM 2; everything else is left as it is.

    That is trunk and neck of its encoder and, where its decoder is a `ClassTokenDecoder`, all of that but the class
    tokens.

    Args:
        network: a model with an encoder of one of SAM 2's sizes.
        path: `sam2_hiera_*.pt` or `sam2.1_hiera_*.pt`, or a bare state dict; read as plain tensors, never unpickled.

    Returns:
        SHA-256 of the file.

    Raises:
        UserError: no such file, damaged, none of SAM 2, of another size, or not exactly the weights to be filled.
    """
    path = Path(path).expanduser()
    released = _released(path)
    tensors = encoder_weights(released)
    decoder = dict(network.named_children()).get("decoder")
    if isinstance(decoder, ClassTokenDecoder):
        tensors.update(decoder_weights(released, decoder.num_mask_tokens))
    expected = {name: tensor for name, tensor in network.state_dict().items() if _is_sam2s(name)}
    ours, theirs = _size(expected), _size(tensors)
    if ours is None:
        raise UserError(f"only SAM 2's own sizes have base weights: leave model.base_weights out, not {path}")
    if theirs not in (ours, None):
        raise UserError(
            f"{path} is SAM 2 {theirs}, the model is {ours}: give the file of {ours}, or set model.size={theirs}"
        )
    faults = misfits(expected, tensors)
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UserError(
            f"{path} does not fill SAM 2's part of the model ({'; '.join(faults[:3])}{more}): "
            "download Meta's file again"
        )
    network.load_state_dict(tensors, strict=False)  # strict but for our own parts, by the check above
    return file_hash(path)


def encoder_weights(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of Meta's image encoder under our names."""
    return {
        f"encoder.{name.removeprefix(_ENCODER)}": tensor
        for name, tensor in released.items()
        if name.startswith(_ENCODER)
    }


def decoder_weights(released: Mapping[str, Tensor], classes: int) -> dict[str, Tensor]:
    """Entries of Meta's mask decoder and prompt encoder for a `ClassTokenDecoder` of N classes, under our names.

    SAM 2 has four mask tokens, each with its hyper-network: that of class i is a copy of number i mod 4.
    """
    ours = {}
    for name, tensor in released.items():
        if match := _HYPER_NETWORK.match(name):
            token, rest = match.groups()
            for i in range(int(token), classes, 4):
                ours[f"decoder.output_hypernetworks_mlps.{i}.{rest}"] = tensor
        elif match := _PROMPTS.match(name):
            ours[f"decoder.{match[1]}"] = tensor
        elif name.startswith(_DECODER) and not name.startswith(_REPLACED):
            ours[f"decoder.{name.removeprefix(_DECODER)}"] = tensor
    return ours


def _released(path: Path) -> dict[str, Tensor]:
    """Tensors of Meta's `{"model": {name: tensor}}`, or of the same weights in another wrapper or in none."""
    try:
        released = read_weights(path).tensors
    except NoWeights:
        released = {}
    if not any(name.startswith(_ENCODER) for name in released):
        raise UserError(
            f"{path} is not a SAM 2 file (there is no image encoder in it): "
            "give one of Meta's sam2_hiera_*.pt or sam2.1_hiera_*.pt"
        )
    return released


def _is_sam2s(name: str) -> bool:
    """Whether an entry of a network's state dict is taken over from SAM 2."""
    if name.startswith("encoder."):
        return not is_added(name)
    return name.startswith("decoder.") and not name.startswith("decoder.mask_tokens.")


def _size(weights: Mapping[str, Tensor]) -> str | None:
    prefix = "encoder.trunk."
    return size_of_trunk({n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)})
