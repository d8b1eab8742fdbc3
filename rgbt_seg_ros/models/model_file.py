"""The model file: one safetensors file with weights, class embeddings and a JSON card. Nothing is unpickled."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.models.registry import build_model
from rgbt_seg_ros.models.scaling import InputScaling

FORMAT_VERSION = 1
_METADATA_KEY = "rgbt_seg_ros"


@dataclass(frozen=True)
class ModelCard:
    """What a model file says about itself (its metadata, as JSON).

    Attributes:
        arch: a key of `rgbt_seg_ros.models.registry.ARCHITECTURES`.
        config: the architecture's arguments, for instance `{"size": "nano"}`.
        class_names: names in the order of the ids.
        thing_classes: those of them that are countable objects and become detections.
        embeddings: origin of the class embeddings: encoder, templates.
        scaling: from pixel values to network inputs.
        short_side: images are shrunk until their short side has this many pixels before they enter the network;
            None: never.
        training: data, steps and scores.
    """

    arch: str
    config: dict[str, Any]
    class_names: tuple[str, ...]
    thing_classes: tuple[str, ...]
    embeddings: dict[str, Any]
    scaling: InputScaling = field(default_factory=InputScaling)
    short_side: int | None = None
    training: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}, sort_keys=True)


def resolve_model(model: str | Path) -> Path:
    """Path of a model file; `default` is the packaged one.

    Raises:
        UserError: there is no such file.
    """
    path = share_path("resource/default.safetensors") if str(model) == "default" else Path(model).expanduser()
    if not path.is_file():
        raise UserError(f"there is no model file {path}: give the path of a .safetensors file, or 'default'")
    return path


def save_model(path: str | Path, model: nn.Module, card: ModelCard, half: bool = False) -> None:
    """Write a model file; `half` stores floating-point tensors as float16 (they are float32 again when loaded).

    Raises:
        UserError: it cannot be written; a file that is there stays as it is.
    """
    tensors = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor.half() if half and tensor.is_floating_point() else tensor
    # (safetensors' own save_file would make it readable by its owner alone.)
    write_file(path, save(tensors, metadata={_METADATA_KEY: card.to_json()}))


def read_card(model: str | Path) -> ModelCard:
    """The card of a model file, without its weights.

    Raises:
        UserError: missing, damaged or foreign file, or one of a later format.
    """
    path = resolve_model(model)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    if _METADATA_KEY not in metadata:
        raise UserError(
            f"{path} is a safetensors file but not a model file of rgbt_seg_ros: "
            "import foreign weights with training.import_checkpoint"
        )
    try:
        fields = json.loads(metadata[_METADATA_KEY])
        version = fields.pop("format_version")
        if version != FORMAT_VERSION:
            raise UserError(
                f"{path} has model format {version}, this version reads {FORMAT_VERSION}: update rgbt_seg_ros"
            )
        fields["scaling"] = InputScaling(**fields["scaling"])
        fields["class_names"] = tuple(fields["class_names"])
        fields["thing_classes"] = tuple(fields["thing_classes"])
        return ModelCard(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} has a damaged card ({error}): write the model file again") from error


def load_model(model: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """The network of a model file, for service, in evaluation mode and float32.

    Returns:
        A module `model(rgb [B, 3, H, W], thermal [B, 3, H, W]) -> logits [B, N, H, W]` on scaled floats, any H, W.

    Raises:
        UserError: missing, truncated or foreign file, or weights that do not fit its card.
    """
    path = resolve_model(model)
    card = read_card(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    embeddings = tensors.get("class_embeddings")
    if embeddings is None or embeddings.ndim != 2 or len(embeddings) != len(card.class_names):
        rows = "no class embeddings" if embeddings is None else f"class embeddings {list(embeddings.shape)}"
        raise UserError(
            f"{path} names {len(card.class_names)} classes but has {rows}: write the model file again"
        )
    network = build_model(card.arch, card.config, embeddings, served=True)
    _check_fit(path, network, tensors)
    network.load_state_dict(tensors)
    return network.eval().to(device)


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def misfits(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    """How tensors differ in names and shapes from the expected ones, one phrase each."""
    faults = [f"{name} is missing" for name in expected if name not in tensors]
    faults += [f"{name} is unknown" for name in tensors if name not in expected]
    return faults + [
        f"{name} is {list(tensors[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]


def _check_fit(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    faults = misfits(network.state_dict(), tensors)
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise UserError(
            f"the weights in {path} do not fit its card ({faults[0]}{more}): write the file again"
        )


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged or not a safetensors file ({error}): copy or write it again")
