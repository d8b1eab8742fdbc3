"""Training gives the numbers that it gave before."""

import json
from pathlib import Path

import pytest
import torch
from places import GOLDEN
from training_runs import losses, train_tiny

LOSSES = GOLDEN / "golden_losses.json"
RUN = (
    "train.max_steps=5",
    # Adam's first steps turn rounding into whole steps where a gradient is almost zero; small ones keep that small.
    "train.lr=1e-4",
    # Every random change of a sample takes part.
    "augment.gamma=0.5",
    "augment.jitter=0.5",
    "augment.blur=0.5",
    "augment.thermal_stripes=0.02",
)


@pytest.mark.skipif(
    not torch.backends.cpu.get_cpu_capability().startswith("AVX"),
    reason="PyTorch rounds resized 8-bit images otherwise on CPUs without AVX2",
)
def test_first_losses_of_a_seeded_run_are_the_committed_ones(tmp_path: Path) -> None:
    """A change that is meant to alter them (another initialisation, another augmentation) commits new ones."""
    run = tmp_path / "run"
    assert train_tiny(run, *RUN) == 0
    # AVX2 or AVX-512, one thread or two: at most 1.3e-5 apart.
    assert losses(run) == pytest.approx(json.loads(LOSSES.read_text()), rel=1e-4)
