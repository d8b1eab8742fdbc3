"""Meta's SAM 2 and SAM 2.1 weights for the frozen part of a network: trunk and neck of the image encoder."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.models import file_hash
from rgbt_seg_ros.models.model_file import misfits
from rgbt_seg_ros.models.shifnet import size_of_trunk

from .import_checkpoint import read_tensors

_PREFIX = "image_encoder."


def load_base_weights(network: nn.Module, path: str | Path) -> str:
    """Fill trunk and neck of `network.encoder` from one of Meta's files; everything else is left as it is.

    Args:
        network: a model with an `Encoder`, of one of SAM 2's sizes.
        path: `sam2_hiera_*.pt` or `sam2.1_hiera_*.pt`, read as plain tensors, never unpickled.

    Returns:
        SHA-256 of the file.

    Raises:
        UserError: no such file, damaged, none of SAM 2, of another size, or not exactly the encoder's weights.
    """
    path = Path(path).expanduser()
    tensors = encoder_weights(path, read_tensors(path))
    encoder = network.get_submodule("encoder")
    expected = {name: tensor for name, tensor in encoder.state_dict().items() if ".adapter." not in name}
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
            f"{path} does not fill SAM 2's encoder ({'; '.join(faults[:3])}{more}): download Meta's file again"
        )
    encoder.load_state_dict(tensors, strict=False)  # strict but for the adapters, by the check above
    return file_hash(path)


def encoder_weights(path: Path, content: object) -> dict[str, Tensor]:
    """Entries of the image encoder in what Meta's file holds, under the names of our `Encoder`.

    Raises:
        UserError: the content is not `{"model": {name: tensor}}` with an image encoder in it.
    """
    released = content.get("model") if isinstance(content, Mapping) else None
    encoder = {
        str(name).removeprefix(_PREFIX): tensor
        for name, tensor in (released.items() if isinstance(released, Mapping) else ())
        if str(name).startswith(_PREFIX) and isinstance(tensor, Tensor)
    }
    if not encoder:
        raise UserError(
            f"{path} is not a SAM 2 file (there is no image encoder in it): "
            "give one of Meta's sam2_hiera_*.pt or sam2.1_hiera_*.pt"
        )
    return encoder


def _size(encoder: Mapping[str, Tensor]) -> str | None:
    prefix = "trunk."
    return size_of_trunk({n.removeprefix(prefix): t for n, t in encoder.items() if n.startswith(prefix)})
