"""Model files and class embeddings: the header of safetensors, and the JSON in it."""

import functools
import json
import struct
from pathlib import Path

import torch
from safetensors.torch import save

from fuzz.target import Target
from rgbt_seg_ros.models.model_file import FORMAT_VERSION, ModelCard, load_model, read_card
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings

_CARD = ModelCard("shifnet", {"size": "nano"}, ("unlabeled", "car"), ("car",), {"encoder": "x"})


_RAW = b"raw"
_SEPARATOR = b"\n=====\n"


def _seeds(*files: bytes) -> list[bytes]:
    """Files whose header may be of any length, and one whose length is told wrongly by mutations."""
    found = [_RAW + files[0]]
    for file in files:
        (length,) = struct.unpack_from("<Q", file)
        found.append(file[8 : 8 + length] + _SEPARATOR + file[8 + length :])
    return found


def _file(data: bytes) -> bytes:
    if data.startswith(_RAW):
        return data[len(_RAW) :]
    header, _, tensors = data.partition(_SEPARATOR)
    return struct.pack("<Q", len(header)) + header + tensors


@functools.cache
def _model_files() -> list[bytes]:
    tensors = {"class_embeddings": torch.zeros(2, 16)}
    return _seeds(
        save(tensors, {"rgbt_seg_ros": _CARD.to_json()}),
        save(tensors, {"rgbt_seg_ros": json.dumps({"format_version": FORMAT_VERSION + 1})}),
        save(tensors, {}),
    )


@functools.cache
def _embedding_files() -> list[bytes]:
    metadata = {
        "names": '["car", "person"]',
        "templates": '["a {}"]',
        "encoder": "minilm",
        "encoder_hash": "0" * 64,
    }
    return _seeds(save({"class_embeddings": torch.zeros(2, 16)}, metadata), save({}, metadata))


def _read_model(data: bytes, folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(_file(data))
    read_card(file)
    load_model(file)


def _read_embeddings(data: bytes, folder: Path) -> None:
    file = folder / "embeddings.safetensors"
    file.write_bytes(_file(data))
    embeddings = load_class_embeddings(file)
    embeddings.key()


def _message(number: int, content: bytes) -> bytes:
    """A field of protobuf that holds bytes."""
    length, head = len(content), [number << 3 | 2]
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*head, length]) + content


@functools.cache
def _exported_files() -> list[bytes]:
    metadata = {
        "format_version": 1,
        "model_hash": "0" * 64,
        "size": [64, 96],
        "class_embeddings": {"shape": [2, 1], "base64": "AAAAAAAAgD8="},
        "card": json.loads(_CARD.to_json()),
    }
    weight = _message(5, _message(9, b"\0" * 8) + _message(8, b"weight"))
    node = _message(1, _message(1, b"weight") + _message(4, b"Relu") + _message(5, _message(5, weight)))
    card = _message(14, _message(1, b"rgbt_seg_ros") + _message(2, json.dumps(metadata).encode()))
    return [_message(7, node + weight) + card, _message(7, node), card]


def _read_exported(data: bytes, folder: Path) -> None:
    file = folder / "model.onnx"
    file.write_bytes(data)
    read_card(file)


TARGETS = (
    Target(
        "exported",
        _read_exported,
        _exported_files,
        ("rgbt_seg_ros.models.onnx_file", "rgbt_seg_ros.models.onnx_content"),
        (b"rgbt_seg_ros", b"format_version", b"Loop", b"base64", b"\x70\x01", b"\x6a"),
    ),
    Target(
        "models",
        _read_model,
        _model_files,
        ("rgbt_seg_ros.models.model_file",),
        (
            b"__metadata__",
            b"dtype",
            b"F32",
            b"F16",
            b"BF16",
            b"I64",
            b"shape",
            b"data_offsets",
            b'\\"arch\\": ',
            b"sartm",
        ),
    ),
    Target(
        "embeddings",
        _read_embeddings,
        _embedding_files,
        ("rgbt_seg_ros.segmenter.class_embeddings",),
        (b"__metadata__", b"names", b"templates", b"class_embeddings", b"F64", b"BOOL"),
    ),
)
