"""A step has one gradient, whatever its batch is cut into."""

from pathlib import Path

import pytest
import torch
from first_gradient import first_gradient
from safetensors.torch import load_file
from torch import Tensor
from training_runs import (
    KILLED_TRAINING,
    REPOSITORY,
    SARTM,
    TINY,
    run_script,
    run_torchrun,
    training_here,
    write_msrs,
)

# Images are shrunk below the crop, so that padding leaves some with few labelled pixels and some with many.
UNEVEN = (
    "augment.min_scale=0.3",
    "augment.max_scale=1.5",
    "train.class_weights=[0.5,1.5,2.5,2.0,2.5,3.0,3.0,3.0,3.0]",
)
# The hard pixels of SARTM are those of a process: all of them, and as many in each, so that their mean is the whole's.
EVEN = (*SARTM, "loss.ohem=1", "loss.prototype=100", "augment.min_scale=1", "augment.max_scale=1")
CONFIGURATIONS = {"shifnet": UNEVEN, "sartm": EVEN}
TERMS = {"shifnet": {"cross_entropy"}, "sartm": {"mask", "auxiliary", "prototype", "similarity"}}


def _words(arch: str, batch_size: int, accumulate: int = 1) -> list[str]:
    parts = (f"train.batch_size={batch_size}", f"train.accumulate={accumulate}", "train.max_steps=1")
    return [*TINY, *CONFIGURATIONS[arch], *parts]


@pytest.fixture(scope="module")
def whole() -> dict[str, dict[str, Tensor]]:
    """The gradients, by architecture, of one process with a batch of four pairs."""
    gradients = {}
    for arch in CONFIGURATIONS:
        with training_here():
            gradients[arch] = first_gradient(_words(arch, 4))
    return gradients


def _assert_same(parts: dict[str, Tensor], whole: dict[str, Tensor], terms: set[str]) -> None:
    assert parts.keys() == whole.keys() >= {f"loss.{term}" for term in terms}
    for name, expected in whole.items():
        # A term is rounded in proportion to its weight: similarity's is 100, and its last digits are those of a CPU.
        rtol = 1e-5 if name.startswith("loss.") else 0.0
        assert torch.allclose(parts[name], expected, rtol=rtol, atol=1e-6), name
        if name.startswith("loss."):
            assert expected > 1e-3, name
    assert max(float(value.abs().max()) for name, value in whole.items() if "loss." not in name) > 0.01


def test_two_processes_give_the_gradient_of_one(tmp_path: Path, whole: dict[str, dict[str, Tensor]]) -> None:
    out = tmp_path / "gradient.safetensors"
    words = [*_words("shifnet", 2), "--", *_words("sartm", 2)]
    done = run_script(REPOSITORY / "test/support/first_gradient.py", str(out), *words, processes=2)
    assert done.returncode == 0, done.stderr
    tensors = load_file(out)
    for number, (arch, expected) in enumerate(whole.items()):
        prefix = f"{number}/"
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        _assert_same(own, expected, TERMS[arch])


def test_accumulated_passes_give_the_gradient_of_one(whole: dict[str, dict[str, Tensor]]) -> None:
    with training_here():
        _assert_same(first_gradient(_words("shifnet", 1, 4)), whole["shifnet"], TERMS["shifnet"])


def test_sample_that_one_process_cannot_read_stops_them_all(tmp_path: Path) -> None:
    path = write_msrs(tmp_path / "msrs") / "ir/00001D.png"
    path.write_bytes(path.read_bytes()[:-40])
    config, run = tmp_path / "tiny.yaml", tmp_path / "run"
    config.write_text("train: {}\n")
    data = ("data.name=msrs", f"data.root={tmp_path / 'msrs'}", "train.batch_size=1", "train.max_steps=50")
    words = ("--config", str(config), *TINY, *data, f"run.dir={run}")
    done = run_torchrun(KILLED_TRAINING, "0", *words, processes=2)
    assert done.returncode == 1
    assert done.stderr.count(f"error: {path} cannot be read") == 1
