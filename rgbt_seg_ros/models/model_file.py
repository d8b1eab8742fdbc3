"""The model file: one safetensors file with weights, class embeddings and a JSON card. Nothing is unpickled."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import MalformedJson, decode_json, encode_json
from rgbt_seg_ros.base.shared_files import resolve_model
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.classes import current_names
from rgbt_seg_ros.models.onnx_file import is_onnx, read_onnx
from rgbt_seg_ros.models.registry import build_model, state_shapes
from rgbt_seg_ros.models.safetensors_file import open_tensors, shapes_of
from rgbt_seg_ros.models.scaling import InputScaling

FORMAT_VERSION = 1
_METADATA_KEY = "rgbt_seg_ros"
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


WEAK_IOU = 0.15
"""A class with less on real images is more noise than help."""

MAX_CLASSES = 65534
"""Ids of masks have 16 bits, and the last one is of no class."""

_Argument = str | bool | Annotated[int, msgspec.Meta(ge=0, le=65536)] | None
"""Of an architecture: a word, a switch, or a number of channels or the like."""


@dataclass(frozen=True)
class _Format:
    format_version: int


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
        weak_classes: those that it hardly finds on real images, IoU below `WEAK_IOU`; a node does not look for them
            unless they are asked for.
    """

    arch: str
    config: dict[str, _Argument]
    class_names: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_CLASSES)]
    thing_classes: tuple[str, ...]
    embeddings: dict[str, Any]
    scaling: InputScaling = field(default_factory=InputScaling)
    short_side: Annotated[int, msgspec.Meta(ge=1, le=65536)] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    weak_classes: tuple[str, ...] = ()

    def to_json(self) -> str:
        return encode_json({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}, sort_keys=True)


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
    """The card of a model file, or of a network exported as ONNX, without its weights.

    Raises:
        UserError: missing, damaged or foreign file, or one of a later format.
    """
    path = resolve_model(model)
    return parse_card(path, read_onnx(path).card if is_onnx(path) else _card_text(path))


def _card_text(path: Path) -> str:
    try:
        with open_tensors(path) as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    if _METADATA_KEY not in metadata:
        raise UserError(
            f"{path} is a safetensors file but not a model file of rgbt_seg_ros: "
            "import foreign weights with training.import_checkpoint"
        )
    return metadata[_METADATA_KEY]


def parse_card(path: Path, text: str) -> ModelCard:
    """A card from the JSON text that a file has of it.

    Raises:
        UserError: it is damaged, or of a later format.
    """
    try:
        version = decode_json(text, _Format).format_version
        # Whatever else a later format holds is not looked at.
        card = decode_json(text, ModelCard) if version == FORMAT_VERSION else None
    except (MalformedJson, UserError) as error:
        raise UserError(f"{path} has a damaged card ({error}): write the model file again") from error
    if card is None:
        raise UserError(
            f"{path} has model format {version}, this version reads {FORMAT_VERSION}: update rgbt_seg_ros"
        )
    _check_classes(path, card)
    return _in_current_names(card)


def _in_current_names(card: ModelCard) -> ModelCard:
    """A card with names of classes as we spell them, whenever the file was made."""
    names = current_names(card.class_names)
    renamed = dict(zip(card.class_names, names, strict=True))
    return dataclasses.replace(
        card, class_names=names, thing_classes=tuple(renamed[name] for name in card.thing_classes)
    )


def _check_classes(path: Path, card: ModelCard) -> None:
    twice = [name for name, count in Counter(card.class_names).items() if count > 1]
    strange = [name for name in (*card.thing_classes, *card.weak_classes) if name not in card.class_names]
    if twice or strange:
        fault = f"lists the class {twice[0]!r} twice" if twice else f"has no class {strange[0]!r} to detect"
        raise UserError(f"{path} has a damaged card (it {fault}): write the model file again")


def load_model(model: str | Path, device: str | torch.device = "cpu", head: str | None = None) -> nn.Module:
    """The network of a model file, for service, in evaluation mode and float32.

    Args:
        model: path, or `default` for the packaged model.
        device: where its weights go.
        head: of a SARTM, what answers (its argument `prediction`); None: what the card says.

    Returns:
        A module `model(rgb [B, 3, H, W], thermal [B, 3, H, W]) -> logits [B, N, H, W]` on scaled floats, any H, W.

    Raises:
        UserError: missing, truncated or foreign file, weights that do not fit its card, or a network without heads to
            choose from.
    """
    path = resolve_model(model)
    if is_onnx(path):
        raise UserError(f"{path} is an exported network: give the model file that it was made of")
    card = read_card(path)
    config = card.config if head is None else {**card.config, "prediction": head}
    if head is not None and card.arch != "sartm":
        raise UserError(f"{path} is a {card.arch}, which has one head alone: leave the head out")
    try:
        with open_tensors(path) as file:
            # Before any weight is read or made: a card may claim a network of any size.
            _check_shapes(path, card, shapes_of(file))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    _check_types(path, {"class_embeddings": torch.empty(0)}, tensors)
    network = build_model(card.arch, config, tensors["class_embeddings"], served=True)
    _check_types(path, network.state_dict(), tensors)
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
    return _shape_misfits(
        {name: tuple(tensor.shape) for name, tensor in expected.items()},
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
    )


def _shape_misfits(
    expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]
) -> list[str]:
    faults = [f"{name} is missing" for name in expected if name not in shapes]
    faults += [f"{name} is unknown" for name in shapes if name not in expected]
    return faults + [
        f"{name} is {list(shapes[name])}, not {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and shapes[name] != shape
    ]


def _check_shapes(path: Path, card: ModelCard, shapes: Mapping[str, tuple[int, ...]]) -> None:
    embeddings = shapes.get("class_embeddings")
    if embeddings is None or len(embeddings) != 2 or embeddings[0] != len(card.class_names):
        rows = "no class embeddings" if embeddings is None else f"class embeddings {list(embeddings)}"
        raise UserError(
            f"{path} names {len(card.class_names)} classes but has {rows}: write the model file again"
        )
    try:
        expected = state_shapes(card.arch, card.config, embeddings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    _refuse(path, _shape_misfits(expected, shapes))


def _check_types(path: Path, expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    _refuse(
        path,
        (
            f"{name} is of {str(tensors[name].dtype).removeprefix('torch.')}"
            for name, tensor in expected.items()
            if tensors[name].dtype not in (_FLOATS if tensor.is_floating_point() else (tensor.dtype,))
        ),
    )


def _refuse(path: Path, faults: Iterable[str]) -> None:
    faults = list(faults)
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise UserError(
            f"the weights in {path} do not fit its card ({faults[0]}{more}): write the file again"
        )


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is damaged or not a safetensors file ({error}): copy or write it again")
