"""The class embedding file: text vectors of class names, computed once by `training.embed_classes`.

Reading one needs no text encoder: a node gets new classes from such a file.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_file
from rgbt_seg_ros.base.json_files import MalformedJson, convert_json, decode_json, encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.classes import current_names
from rgbt_seg_ros.models.safetensors_file import open_tensors, shapes_of

MAX_NUMBERS = 1 << 26
"""Of all vectors of a file: a quarter of a gigabyte, or 80 000 classes in the width of CLIP's large size."""


@dataclass(frozen=True)
class _Metadata:
    names: str
    templates: str
    encoder: str
    encoder_hash: str


@dataclass(frozen=True)
class ClassEmbeddings:
    """Vectors [N, D] of class names, rows of unit norm, with where they come from."""

    vectors: torch.Tensor
    names: tuple[str, ...]
    templates: tuple[str, ...]
    encoder: str
    encoder_hash: str

    def key(self) -> str:
        """Hash of what the vectors are a function of: encoder content, templates and names."""
        return content_key(self.encoder_hash, self.templates, self.names)


def content_key(encoder_hash: str, templates: Sequence[str], names: Sequence[str]) -> str:
    text = encode_json([encoder_hash, list(templates), list(names)])
    return hashlib.sha256(text.encode()).hexdigest()


def save_class_embeddings(path: str | os.PathLike[str], embeddings: ClassEmbeddings) -> None:
    """Write a `.safetensors` with the tensor `class_embeddings` [N, D]; names and origin are its metadata.

    Raises:
        UserError: it cannot be written.
    """
    metadata = {
        "names": encode_json(embeddings.names),
        "templates": encode_json(embeddings.templates),
        "encoder": embeddings.encoder,
        "encoder_hash": embeddings.encoder_hash,
    }
    write_file(Path(path), save({"class_embeddings": embeddings.vectors}, metadata))


def load_class_embeddings(path: str | os.PathLike[str]) -> ClassEmbeddings:
    """Read what `save_class_embeddings` wrote; names are spelled as in `rgbt_seg_ros.masks.classes`.

    Raises:
        UserError: no such file, or it is not one of class embeddings.
    """
    if not is_file(Path(path)):
        raise UserError(f"there is no class embedding file {path}: make one with training.embed_classes")
    try:
        with open_tensors(path) as file:
            metadata = convert_json(file.metadata() or {}, _Metadata)
            shape = shapes_of(file).get("class_embeddings")
            names, templates = (
                decode_json(text, tuple[str, ...]) for text in (metadata.names, metadata.templates)
            )
            if shape is None or len(shape) != 2 or shape[0] != len(names):
                held = "no vectors" if shape is None else f"vectors {list(shape)}"
                raise UserError(
                    f"{path} names {len(names)} classes but holds {held}: "
                    "make it again with training.embed_classes"
                )
            if shape[0] * shape[1] > MAX_NUMBERS:
                raise SafetensorError(f"its vectors {list(shape)} are more than {MAX_NUMBERS:,} numbers")
            vectors = file.get_tensor("class_embeddings")
    except (SafetensorError, OSError, MalformedJson) as error:
        raise UserError(
            f"{path} is not a class embedding file ({error}): make one with training.embed_classes"
        ) from error
    if not vectors.is_floating_point() or not torch.isfinite(vectors.float()).all():
        raise UserError(
            f"{path} holds vectors that are not finite numbers: make it again with training.embed_classes"
        )
    return ClassEmbeddings(vectors, current_names(names), templates, metadata.encoder, metadata.encoder_hash)
