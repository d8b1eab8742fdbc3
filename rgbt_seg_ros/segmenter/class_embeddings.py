"""The class embedding file: text vectors of class names, computed once by `training.embed_classes`.

Reading one needs no text encoder: a node gets new classes from such a file.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import write_file


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
    text = json.dumps([encoder_hash, list(templates), list(names)])
    return hashlib.sha256(text.encode()).hexdigest()


def save_class_embeddings(path: str | os.PathLike[str], embeddings: ClassEmbeddings) -> None:
    """Write a `.safetensors` with the tensor `class_embeddings` [N, D]; names and origin are its metadata.

    Raises:
        UserError: it cannot be written.
    """
    metadata = {
        "names": json.dumps(embeddings.names),
        "templates": json.dumps(embeddings.templates),
        "encoder": embeddings.encoder,
        "encoder_hash": embeddings.encoder_hash,
    }
    write_file(Path(path), save({"class_embeddings": embeddings.vectors}, metadata))


def load_class_embeddings(path: str | os.PathLike[str]) -> ClassEmbeddings:
    """Read what `save_class_embeddings` wrote.

    Raises:
        UserError: no such file, or it is not one of class embeddings.
    """
    if not Path(path).is_file():
        raise UserError(f"there is no class embedding file {path}: make one with training.embed_classes")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            embeddings = ClassEmbeddings(
                vectors=file.get_tensor("class_embeddings"),
                names=tuple(json.loads(metadata["names"])),
                templates=tuple(json.loads(metadata["templates"])),
                encoder=metadata["encoder"],
                encoder_hash=metadata["encoder_hash"],
            )
    except (SafetensorError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} is not a class embedding file ({error}): make one with training.embed_classes"
        ) from error
    if embeddings.vectors.ndim != 2 or len(embeddings.vectors) != len(embeddings.names):
        raise UserError(
            f"{path} names {len(embeddings.names)} classes but holds vectors {list(embeddings.vectors.shape)}: "
            "make it again with training.embed_classes"
        )
    return embeddings
