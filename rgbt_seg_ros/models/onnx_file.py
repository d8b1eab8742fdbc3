"""The exported file: an ONNX network with the card of the model that it was made of. Read without the package onnx.

The file comes from anywhere. It is looked through before a runtime gets it: its size, that it reads no other file, runs
no loop and no foreign operation, and that its card is one.
"""

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_HEADER_BYTES, is_file
from rgbt_seg_ros.base.json_files import MalformedJson, decode_json, encode_json
from rgbt_seg_ros.models.onnx_content import OnnxContent, UnusableOnnx, look_through

SUFFIX = ".onnx"
METADATA_NAME = "rgbt_seg_ros"
"""Under this name the file keeps what it says of itself, as JSON text."""

FORMAT_VERSION = 1
MAX_BYTES = 2**31 - 1
"""Of the file: what protobuf, its format, allows. The largest network has half of it."""

_Side = Annotated[int, msgspec.Meta(ge=8, le=16384)]


@dataclass(frozen=True)
class Vectors:
    """float32 [N, D] as text.

    Attributes:
        shape: (N, D).
        base64: the numbers, little endian, row by row.
    """

    shape: tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=1)]]
    base64: str

    @classmethod
    def of(cls, array: np.ndarray) -> "Vectors":
        rows, width = array.shape
        return cls((rows, width), base64.b64encode(array.astype("<f4").tobytes()).decode())

    def array(self) -> np.ndarray:
        """The numbers; ValueError if they are not those of the shape, or one is not finite."""
        numbers = np.frombuffer(base64.b64decode(self.base64, validate=True), "<f4").astype(np.float32)
        if not np.isfinite(numbers).all():
            raise ValueError("its class embeddings are not finite")
        return numbers.reshape(self.shape)


@dataclass(frozen=True)
class _Metadata:
    """What the file says of itself, as far as it is needed to serve it."""

    format_version: int
    model_hash: str = ""
    size: tuple[_Side, _Side] | None = None
    card: dict[str, Any] = field(default_factory=dict)
    class_embeddings: Vectors | None = None


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An exported file, looked through.

    Attributes:
        path: of the file.
        content: all of it.
        content_hash: its SHA-256.
        card: that of the model file, as JSON.
        model_hash: SHA-256 of the model file, as the exported file says.
        size: (height, width) of its inputs.
        class_embeddings: float32 [N, D], the model's own.
    """

    path: Path
    content: bytes
    content_hash: str
    card: str
    model_hash: str
    size: tuple[int, int]
    class_embeddings: np.ndarray


def is_onnx(path: str | Path) -> bool:
    """Whether a path names an exported file; its name tells."""
    return Path(path).suffix.lower() == SUFFIX


def read_onnx(path: Path) -> OnnxFile:
    """Read an exported file and check all of it but its weights.

    Raises:
        UserError: it is missing, too large, no ONNX file, not of this package or of another version of it, it reads
            other files, or computes what no network of ours does.
    """
    content = _read(path)
    try:
        metadata = _metadata(path, look_through(content))
        if not metadata.card or metadata.size is None or metadata.class_embeddings is None:
            raise UserError(
                f"{path} was exported by an earlier version, without its model's card: "
                "write it again with training.export"
            )
        vectors = metadata.class_embeddings.array()
        card = encode_json(metadata.card)
    except UnusableOnnx as error:
        raise UserError(f"{path} is not used ({error}): write it with training.export") from None
    except (MalformedJson, binascii.Error, ValueError) as error:
        raise UserError(f"{path} has a damaged card ({error}): write it again with training.export") from None
    return OnnxFile(
        path=path,
        content=content,
        content_hash=hashlib.sha256(content).hexdigest(),
        card=card,
        model_hash=metadata.model_hash,
        size=metadata.size,
        class_embeddings=vectors,
    )


def _read(path: Path) -> bytes:
    if not is_file(path):
        raise UserError(f"there is no exported file {path}: write one with training.export")
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
                raise UserError(
                    f"{path} has {status.st_size:,} bytes, and at most {MAX_BYTES:,} are read: "
                    "it is damaged, or no exported network"
                )
            return file.read(MAX_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None


def _metadata(path: Path, content: OnnxContent) -> _Metadata:
    text = content.metadata.get(METADATA_NAME)
    if text is None:
        raise UserError(
            f"{path} is an ONNX file but not an exported network of rgbt_seg_ros: write one with training.export"
        )
    if len(text) > MAX_HEADER_BYTES:
        raise UnusableOnnx(f"its card has {len(text):,} bytes, and at most {MAX_HEADER_BYTES:,} are read")
    version: Any = decode_json(text, dict).get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path} has export format {version}, this version reads {FORMAT_VERSION}: update rgbt_seg_ros"
        )
    return decode_json(text, _Metadata)
