"""A step has one gradient, whatever its batch is cut into."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from training_runs import FIRST_GRADIENT, KILLED_TRAINING, TINY, run_script, write_msrs

# Images are shrunk below the crop, so that padding leaves some with few labelled pixels and some with many.
UNEVEN = (
    "augment.min_scale=0.3",
    "augment.max_scale=1.5",
    "train.class_weights=[0.5,1.5,2.5,2.0,2.5,3.0,3.0,3.0,3.0]",
    "train.max_steps=1",
)


def _first_gradient(out: Path, processes: int, batch_size: int, accumulate: int) -> dict[str, Tensor]:
    parts = (f"train.batch_size={batch_size}", f"train.accumulate={accumulate}")
    done = run_script(FIRST_GRADIENT, str(out), *TINY, *UNEVEN, *parts, processes=processes)
    assert done.returncode == 0, done.stderr
    return load_file(out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The gradient of one process with a batch of four pairs."""
    return _first_gradient(tmp_path_factory.mktemp("whole") / "gradient.safetensors", 1, 4, 1)


@pytest.mark.parametrize(
    ("processes", "batch_size", "accumulate"), [(2, 2, 1), (1, 1, 4)], ids=["processes", "accumulation"]
)
def test_parts_of_a_batch_give_its_gradient(
    tmp_path: Path, whole: dict[str, Tensor], processes: int, batch_size: int, accumulate: int
) -> None:
    parts = _first_gradient(tmp_path / "gradient.safetensors", processes, batch_size, accumulate)
    assert parts.keys() == whole.keys()
    assert float(parts["loss"]) == pytest.approx(float(whole["loss"]), abs=1e-6)
    for name, gradient in whole.items():
        assert torch.allclose(parts[name], gradient, rtol=0.0, atol=1e-6), name
    assert max(float(gradient.abs().max()) for gradient in whole.values()) > 0.01


def test_sample_that_one_process_cannot_read_stops_them_all(tmp_path: Path) -> None:
    path = write_msrs(tmp_path / "msrs") / "ir/00001D.png"
    path.write_bytes(path.read_bytes()[:-40])
    config, run = tmp_path / "tiny.yaml", tmp_path / "run"
    config.write_text("train: {}\n")
    data = ("data.name=msrs", f"data.root={tmp_path / 'msrs'}", "train.batch_size=1", "train.max_steps=50")
    done = run_script(
        KILLED_TRAINING, "0", "--config", str(config), *TINY, *data, f"run.dir={run}", processes=2
    )
    assert done.returncode == 1
    assert done.stderr.count(f"error: {path} cannot be read") == 1
