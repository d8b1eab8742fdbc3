"""Weights are read from whatever people wrap them in, and nothing is unpickled."""

import argparse
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rgbt_seg_ros.base.errors import UserError
from training.weights.tensor_file import read_one_tensor, read_weights

TENSORS = {"encoder.weight": torch.arange(6.0).view(2, 3), "encoder.bias": torch.ones(2)}


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in TENSORS.items()}


WRAPPED = {
    "bare": TENSORS,
    "ordered": OrderedDict(TENSORS),
    "data parallel": prefixed("module."),
    "compiled and parallel": prefixed("module._orig_mod."),
    "state_dict": {"state_dict": TENSORS},
    "model": {"model": TENSORS, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "lr": 0.1}},
    "model_state_dict": {"epoch": 3, "model_state_dict": prefixed("module."), "best": np.float64(0.5)},
    "lightning": {"state_dict": prefixed("model."), "hyper_parameters": {"lr": 1e-4}, "epoch": 7},
    "twice": {"model": {"state_dict": TENSORS}},
    "numbers between": {**TENSORS, "epoch": 3, "seen": np.int64(4)},
    "namespace": {"model": TENSORS, "args": argparse.Namespace(lr=0.1, names=["a"], size=None)},
    "arrays": {
        "model": TENSORS,
        "confusion": np.arange(4.0),
        "flags": np.array([True]),
        "small": np.float16(1),
    },
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", WRAPPED)
def test_the_state_dict_is_found(tmp_path: Path, kind: str, legacy: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save(WRAPPED[kind], path, _use_new_zipfile_serialization=not legacy)
    found = read_weights(path)
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(found.tensors[name], tensor)


def test_what_lies_beside_the_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(
        {
            "state_dict": TENSORS,
            "epoch": 3,
            "best": np.float32(1),
            "args": argparse.Namespace(),
            "optimizer": {},
        },
        path,
    )
    assert read_weights(path).note() == (
        "epoch (int), best (numpy.float32), args (argparse.Namespace), optimizer (dict)"
    )
    torch.save(TENSORS, path)
    assert read_weights(path).note() == ""


def test_scalars_of_the_other_numpy_are_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"model": TENSORS, "best": np.float64(0.5)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    other = data.replace(new, old) if new in data else data.replace(old, new)
    assert other != data
    path.write_bytes(other)
    assert "best" in read_weights(path).left_out


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(prefixed("module."), tmp_path / "weights.safetensors")
    assert read_weights(tmp_path / "weights.safetensors").tensors.keys() == TENSORS.keys()
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "weights.safetensors").read_bytes()[:-4])
    with pytest.raises(UserError, match=r"half\.safetensors cannot be read as plain tensors: it is damaged"):
        read_weights(tmp_path / "half.safetensors")


class Marker:
    """Leaves a file behind if anything builds it."""

    path = ""

    def __reduce__(self) -> tuple:
        return (open, (Marker.path, "w"))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("where", ["beside", "in a namespace", "in an array"])
def test_nothing_is_unpickled(tmp_path: Path, where: str, legacy: bool) -> None:
    Marker.path = str(tmp_path / "was_run")
    extra = {
        "beside": Marker(),
        "in a namespace": argparse.Namespace(x=Marker()),
        "in an array": np.array([Marker()], dtype=object),
    }[where]
    path = tmp_path / "weights.pth"
    torch.save({"model": TENSORS, "extra": extra}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError) as error:
        read_weights(path)
    assert not (tmp_path / "was_run").exists()
    assert str(error.value).startswith(f"{path} cannot be read as plain tensors: it ")
    # Of old files torch names the first strange thing alone, and of arrays of objects nothing.
    if not legacy or where != "in an array":
        assert "it holds something else than weights (" in str(error.value)
        assert "open" in str(error.value)
        assert "save the weights alone: torch.save(model.state_dict(), FILE)" in str(error.value)
    assert "weights_only" not in str(error.value)


def test_other_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    contents = {
        "holds weights under state_dict and model": {"model": TENSORS, "state_dict": TENSORS},
        "holds no weights, but epoch, lr": {"epoch": 1, "lr": 0.1},
        "holds tensor": torch.zeros(2),
        "holds list": [torch.zeros(2)],
    }
    for sentence, content in contents.items():
        torch.save(content, path)
        with pytest.raises(UserError, match=sentence) as error:
            read_weights(path)
        assert "\n" not in str(error.value)
    path.write_bytes(pickle.dumps(b"x")[:-3])
    with pytest.raises(UserError, match="it is damaged, or holds something else than weights"):
        read_weights(path)
    with pytest.raises(UserError, match="there is no file"):
        read_weights(tmp_path / "none.pth")


def test_embeddings_are_a_tensor_or_the_one_in_a_dict(tmp_path: Path) -> None:
    path, matrix = tmp_path / "embeddings.pt", torch.eye(3, 8)
    for content in (matrix, {"text_features": matrix}, {"text_features": matrix, "scale": torch.ones(())}):
        torch.save(content, path)
        found = read_one_tensor(path)
        assert found is not None
        assert torch.equal(found, matrix)
    for content in ({"a": matrix, "b": matrix}, torch.zeros(3), {"names": ["a"]}):
        torch.save(content, path)
        assert read_one_tensor(path) is None
