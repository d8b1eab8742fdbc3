"""SAM 2's own weights stay as they are, and outside of everything that training keeps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor, nn
from training_runs import train_here, train_tiny

from rgbt_seg_ros.models import build_model, file_hash, read_card
from training.engine.checkpoint import STATE_FILE, load_state
from training.engine.optimizer import decay_groups
from training.engine.trained_state import trained_parameters

SMALL_BATCH = ("model.size=tiny", "train.max_steps=2", "train.batch_size=1")


def _write_base_weights(path: Path, seed: int) -> dict[str, Tensor]:
    """A file as Meta's, of random numbers; its tensors under the names that they have in our models."""
    network = build_model("shifnet", {"size": "tiny"}, torch.eye(9, 384))
    base = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name.startswith("encoder.") and ".adapter." not in name
    }
    generator = torch.Generator().manual_seed(seed)
    base = {name: 0.02 * torch.randn(tensor.shape, generator=generator) for name, tensor in base.items()}
    torch.save({"model": {f"image_{name}": tensor for name, tensor in base.items()}}, path)
    return base


def test_frozen_weights_are_neither_changed_nor_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Accelerator.prepare
    wrapped: list[set[str]] = []

    def remember_what_wants_gradients(self: Accelerator, *parts: Any) -> Any:
        for part in parts:
            if isinstance(part, nn.Module):
                wrapped.append({name for name, p in part.named_parameters() if p.requires_grad})
        return prepare(self, *parts)

    monkeypatch.setattr(Accelerator, "prepare", remember_what_wants_gradients)
    path, run = tmp_path / "sam2.1_hiera_tiny.pt", tmp_path / "run"
    base = _write_base_weights(path, seed=0)
    assert train_tiny(run, *SMALL_BATCH, f"model.base_weights={path}") == 0
    model = load_file(run / "best.safetensors")
    for name, tensor in base.items():
        assert torch.equal(model[name], tensor), name
    assert read_card(run / "best.safetensors").training["base_weights"] == file_hash(path)

    state = load_state(run)
    for part in ("network", "average"):
        assert not state.tensors[part].keys() & base.keys()
        assert "encoder.trunk.blocks.0.attn.adapter.up.weight" in state.tensors[part]
    trained = {name.split(".", 1)[1] for name in state.tensors["optimizer"]}
    assert trained == state.tensors["network"].keys() - _batch_statistics(model)
    # Data-parallel training puts into its buckets whatever wants a gradient when it wraps the network.
    assert wrapped == [trained]
    # The adapters' up-projections start at zero, so that one alone tells whether anything was trained.
    assert model["encoder.trunk.blocks.0.attn.adapter.up.weight"].any()

    other, before = tmp_path / "other.pt", (run / STATE_FILE).read_bytes()
    _write_base_weights(other, seed=1)
    capsys.readouterr()
    assert train_here("--resume", str(run), "train.max_steps=3", f"model.base_weights={other}") == 1
    error = capsys.readouterr().err
    assert f"the frozen weights or class embeddings are not those that {run} was started with" in error
    assert error.count("\n") == 1
    assert (run / STATE_FILE).read_bytes() == before


def _batch_statistics(names: dict[str, Tensor]) -> set[str]:
    return {name for name in names if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}


def test_optimizer_holds_the_papers_trained_weights_of_large() -> None:
    # 768 numbers a class, as the paper's text encoder gives.
    network = build_model("shifnet", {"size": "large"}, torch.eye(9, 768))
    optimizer = torch.optim.AdamW(decay_groups(network, weight_decay=0.01))
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert sum(parameter.numel() for parameter in held) == 32_268_145
    assert {id(parameter) for parameter in held} == {id(p) for p in trained_parameters(network).values()}
