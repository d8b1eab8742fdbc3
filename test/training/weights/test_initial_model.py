"""What a run starts from: weights of a model file, and the scaling that its model file will tell."""

from pathlib import Path

import pytest
import torch

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, save_model
from rgbt_seg_ros.models.model_file import file_hash
from rgbt_seg_ros.models.scaling import InputScaling
from training.config import Config, load_config
from training.weights.initial_model import initial_model

NANO = ["model.size=nano"]


def _config(*overrides: str) -> Config:
    return load_config(None, [*NANO, *overrides])


def test_thermal_statistics_are_those_of_the_configuration() -> None:
    _, card = initial_model(_config("model.thermal_mean=0.1", "model.thermal_std=0.05"))
    assert card.scaling == InputScaling(thermal_mean=0.1, thermal_std=0.05)
    _, plain = initial_model(_config())
    assert plain.scaling == InputScaling()
    with pytest.raises(UserError, match="both thermal_mean and thermal_std"):
        initial_model(_config("model.thermal_mean=0.1"))


def test_a_run_starts_from_a_model_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, card = initial_model(_config())
    path = tmp_path / "before.safetensors"
    save_model(path, network, card)
    torch.manual_seed(1)
    started, told = initial_model(_config(f"model.start_from={path}"))
    assert told.training["start_from"] == file_hash(path)
    assert card.training["start_from"] is None
    assert str(tmp_path) not in told.to_json()
    for name, tensor in load_model(path).state_dict().items():
        assert torch.equal(started.state_dict()[name], tensor), name


def test_other_networks_are_refused(tmp_path: Path) -> None:
    network, card = initial_model(_config("model.fusion=add"))
    path = tmp_path / "added.safetensors"
    save_model(path, network, card)
    with pytest.raises(UserError, match=r"model\.start_from.*do not fit"):
        initial_model(_config(f"model.start_from={path}"))


def test_a_network_with_the_other_head_starts_from_all_but_the_head(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network, card = initial_model(_config())
    path = tmp_path / "stride_4.safetensors"
    save_model(path, network, card)
    finer, _ = initial_model(_config(f"model.start_from={path}", "model.detail=true", "model.centred=true"))
    assert "head starts from random numbers" in caplog.text
    before, after = network.state_dict(), finer.state_dict()
    for name, tensor in before.items():
        if not name.startswith("hpd.head."):
            assert torch.equal(after[name], tensor), name
    assert set(after) - set(before) == {
        name for name in after if name.startswith(("hpd.detail.", "hpd.centre"))
    }


def test_a_network_of_another_size_has_no_head_to_start_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network, card = initial_model(_config("model.detail=true", "model.fusion=add"))
    path = tmp_path / "added.safetensors"
    save_model(path, network, card)
    with pytest.raises(UserError, match=r"model\.start_from.*do not fit"):
        initial_model(_config(f"model.start_from={path}"))
    assert "head" not in caplog.text
