"""Comfort of long runs: kept models, a rate that falls on plateaus, an estimate beforehand, Weights & Biases."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from places import REPOSITORY
from training_runs import (
    TIMEOUT_S,
    TINY,
    assert_same_state,
    losses,
    metrics,
    train_here,
    train_tiny,
    write_msrs,
)

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import duration
from rgbt_seg_ros.models import load_model, read_card
from training.config import load_config
from training.config.schema import TrainConfig
from training.engine.checkpoint import load_state
from training.engine.kept_models import KeptModels
from training.engine.optimizer import learning_rate
from training.engine.plateau import Plateau
from training.work.train import _estimate

# --- kept models ---


def test_the_last_models_are_kept(tmp_path: Path) -> None:
    run = tmp_path / "run"
    few = ("train.max_steps=7", "train.checkpoint_every=2", "train.checkpoints_kept=2")
    assert train_tiny(run, *few) == 0
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert kept == ["step_000004.safetensors", "step_000006.safetensors"]
    card = read_card(run / "checkpoints/step_000006.safetensors")
    assert card.training["steps"] == 6
    # The average, as best.safetensors has it; the run went on to step 7.
    best, last = load_model(run / "best.safetensors"), load_model(run / "checkpoints/step_000006.safetensors")
    same = [
        torch.equal(a, b) for a, b in zip(best.state_dict().values(), last.state_dict().values(), strict=True)
    ]
    assert any(same)
    assert not all(same)


def test_a_kept_model_is_no_other_run(tmp_path: Path) -> None:
    """Keeping changes nothing of the training, and a run can go on from where the last one was kept."""
    plain, kept = tmp_path / "plain", tmp_path / "kept"
    assert train_tiny(plain, "train.max_steps=4") == 0
    assert train_tiny(kept, "train.max_steps=4", "train.checkpoint_every=1") == 0
    assert_same_state(kept, plain)


def test_passes_over_the_images_become_steps(tmp_path: Path) -> None:
    kept = KeptModels(tmp_path, TrainConfig(checkpoint_epochs=2), images=10, pairs_a_step=4)
    assert [step for step in range(1, 12) if kept.due(step)] == [5, 10]
    half = KeptModels(tmp_path, TrainConfig(checkpoint_epochs=0.01), images=10, pairs_a_step=4)
    assert half.due(1)
    never = KeptModels(tmp_path, TrainConfig(), images=10, pairs_a_step=4)
    assert not any(never.due(step) for step in range(1, 100))


def test_only_own_files_are_removed(tmp_path: Path) -> None:
    kept = KeptModels(tmp_path, TrainConfig(checkpoint_every=1, checkpoints_kept=2), images=1, pairs_a_step=1)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("step_000001", "step_999999", "step_1000000", "mine"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    kept.remove_old()
    left = {path.stem for path in folder.iterdir()}
    assert left == {"step_999999", "step_1000000", "mine"}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["train.checkpoint_every=2", "train.checkpoint_epochs=1"], "are both given: leave one out"),
        (["train.checkpoint_every=0"], "train.checkpoint_every is 0: it must be at least 1"),
        (["train.checkpoints_kept=0"], "train.checkpoints_kept is 0"),
        (["train.checkpoint_epochs=0"], "train.checkpoint_epochs is 0: it must be above 0"),
        (["train.plateau_factor=1"], "train.plateau_factor is 1: it must be above 0 and below 1"),
        (["train.plateau_patience=-1"], "train.plateau_patience is -1"),
        (["train.schedule=step"], "it must be one of poly, cosine, plateau"),
    ],
)
def test_values_that_no_run_can_have_are_refused(overrides: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load_config(None, overrides)


# --- plateau ---


@pytest.mark.parametrize(("factor", "patience"), [(0.8, 4), (0.5, 0), (0.1, 2)])
def test_the_rate_falls_as_pytorchs_own_scheduler_lets_it(factor: float, patience: int) -> None:
    scores = np.random.default_rng(0).random(60).cumsum() ** 0.2 + np.random.default_rng(1).normal(0, 0.1, 60)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=factor, patience=patience
    )
    ours = Plateau(factor, patience)
    for score in scores:
        ours.add(float(score))
        theirs.step(float(score))
        again = Plateau(factor, patience)
        again.restore(json.loads(json.dumps(ours.numbers())))
        ours = again
        if ours.scale > 1e-6:  # theirs stops where a change is below 1e-8
            assert ours.scale == pytest.approx(optimizer.param_groups[0]["lr"])
    assert ours.scale < 1.0


def test_the_schedule_warms_up_and_then_stays_but_for_the_factor() -> None:
    train = TrainConfig(lr=0.1, warmup_steps=4, schedule="plateau")
    assert [learning_rate(train, step / 100, step) for step in (0, 3, 99)] == pytest.approx([0.025, 0.1, 0.1])
    assert learning_rate(train, 0.99, 99, 0.64) == pytest.approx(0.064)
    assert learning_rate(TrainConfig(lr=0.1, schedule="poly"), 0.5, 50, 0.5) == learning_rate(
        TrainConfig(lr=0.1, schedule="poly"), 0.5, 50
    )


def test_a_run_lowers_its_rate_and_goes_on_with_it(tmp_path: Path) -> None:
    """Validated at every step with no patience, it must fall within a few."""
    overrides = ("train.schedule=plateau", "train.plateau_patience=0", "train.eval_every=1", "train.lr=1e-5")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train_tiny(whole, *overrides, "train.max_steps=3") == 0
    rates = [line["lr"] for line in metrics(whole) if "lr" in line]
    assert rates[-1] < 1e-5
    assert train_tiny(stopped, *overrides, "train.max_steps=2") == 0
    assert train_here("--resume", str(stopped), "train.max_steps=3") == 0
    assert [line["lr"] for line in metrics(stopped) if "lr" in line] == pytest.approx(rates)
    assert_same_state(stopped, whole)


def test_a_state_of_before_there_were_plateaus_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train_tiny(run, "train.max_steps=1") == 0
    numbers = load_state(run).numbers
    assert numbers["plateau"]["scale"] == 1.0
    file = run / "last/state.safetensors"
    file.write_bytes(_without(file.read_bytes(), "plateau"))
    assert "plateau" not in load_state(run).numbers
    assert train_here("--resume", str(run), "train.max_steps=2") == 0
    assert len(losses(run)) == 2


def _without(data: bytes, key: str) -> bytes:
    """A state file whose numbers lack a key."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    numbers = json.loads(header["__metadata__"]["rgbt_seg_ros_training"])
    del numbers[key]
    header["__metadata__"]["rgbt_seg_ros_training"] = json.dumps(numbers)
    changed = json.dumps(header).encode()
    changed += b" " * (-len(changed) % 8)
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]


# --- what a run will take ---


def test_a_long_run_tells_beforehand_what_it_will_take(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("training.work.train._LONG", 3)
    assert train_tiny(tmp_path / "long", "train.max_steps=3") == 0
    said = capsys.readouterr().out
    head, estimate, *_ = [line for line in said.splitlines() if "steps of" in line or "estimated" in line]
    assert "3 steps of 2 pairs" in head
    assert estimate.startswith("estimated by a trial step: ")
    assert "GB of memory at the peak" in estimate
    assert train_tiny(tmp_path / "short", "train.max_steps=2") == 0
    assert "estimated" not in capsys.readouterr().out


def test_a_trial_step_changes_nothing_of_the_run(tmp_path: Path, monkeypatch) -> None:
    assert train_tiny(tmp_path / "plain", "train.max_steps=3") == 0
    monkeypatch.setattr("training.work.train._LONG", 3)
    assert train_tiny(tmp_path / "tried", "train.max_steps=3") == 0
    assert_same_state(tmp_path / "tried", tmp_path / "plain")


def test_durations_and_memory_are_readable() -> None:
    assert [duration(seconds) for seconds in (42, 600, 90_000)] == ["42 s", "10 min", "25.0 h"]
    text = _estimate({"seconds_per_step": 0.25, "peak_memory": 4_650_000_000}, 14_400)
    assert "60 min (0.25 s a step)" in text
    assert "4.7 GB" in text


# --- Weights & Biases ---

STAND_IN = '''
"""What accelerate's tracker needs of wandb; keeps what it is told in a file."""
import json, pathlib

class Run:
    def log(self, values, step=None, **_):
        tell(kind="log", values=values, step=step)
    def finish(self):
        tell(kind="finish")

class config:
    @staticmethod
    def update(values, **_):
        tell(kind="config", seed=values["train"]["seed"])

def tell(**line):
    with open(pathlib.Path(__file__).with_name("told.jsonl"), "a") as file:
        file.write(json.dumps(line) + "\\n")

def init(**options):
    tell(kind="init", **options)
    return Run()
'''


def test_wandb_gets_what_tensorboard_gets(tmp_path: Path) -> None:
    """Through accelerate's own tracker, which looks for the package once, when a process starts."""
    if find_spec("wandb") is not None:
        pytest.skip("the package wandb itself is here: it would want an account")
    packages, run = tmp_path / "packages", tmp_path / "run"
    (packages / "wandb").mkdir(parents=True)
    (packages / "wandb/__init__.py").write_text(STAND_IN)
    (packages / "wandb-0.1.dist-info").mkdir()
    (packages / "wandb-0.1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: wandb\nVersion: 0.1\n"
    )
    (tmp_path / "run.yaml").write_text("train: {}\n")
    overrides = (*TINY, f"run.dir={run}", "train.max_steps=2", "train.eval_every=2", "run.wandb=robots")
    done = subprocess.run(
        [sys.executable, "-m", "training.train", "--config", str(tmp_path / "run.yaml"), *overrides],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{packages}:{REPOSITORY}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    start, setup, *rest = [
        json.loads(line) for line in (packages / "wandb/told.jsonl").read_text().splitlines()
    ]
    assert (start["kind"], start["project"], start["name"], start["resume"]) == (
        "init",
        "robots",
        "run",
        "allow",
    )
    assert start["id"] == (run / "wandb_id.txt").read_text()
    assert setup == {"kind": "config", "seed": 5}
    logged = [line for line in rest if line["kind"] == "log"]
    assert [line["step"] for line in logged] == [1, 2, 2]
    assert logged[0]["values"]["train/loss"] == metrics(run)[0]["loss"]
    assert "val/miou" in logged[2]["values"]
    assert rest[-1] == {"kind": "finish"}


def test_wandb_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("wandb") is not None:
        pytest.skip("the package wandb is here")
    assert train_tiny(tmp_path / "run", "train.max_steps=2", "run.wandb=robots") == 1
    assert "run.wandb needs the package wandb: run `pip install wandb`" in capsys.readouterr().err


def test_a_run_by_time_ends_with_it_and_keeps_models_meanwhile(tmp_path: Path) -> None:
    """Rendered scenes only at first, then the data set, new stills all the time; it goes on after an interrupt."""
    run = tmp_path / "run"
    data = (
        "data.name=msrs",
        f"data.root={write_msrs(tmp_path / 'msrs')}",
        "data.rendered_until=0.5",
        "data.rendered_uses=2",
        "data.workers=1",
    )
    minutes = ("train.budget_minutes=0.1", "train.eval_minutes=0.04", "train.checkpoint_minutes=0.02")
    assert train_tiny(run, *data, *minutes, "train.precision=auto", "augment.paste=0.5") == 0
    lines = metrics(run)
    rates = [line["lr"] for line in lines if "lr" in line]
    assert rates[-1] < 0.2 * max(rates)
    assert sum("val" in line for line in lines) >= 2
    assert 1 <= len(list((run / "checkpoints").iterdir())) <= 3
    last = read_card(run / "last.safetensors").training["steps"]
    state = load_state(run).numbers
    assert last == state["step"] == lines[-1]["step"] > 1
    assert state["seconds"] >= 6.0
    assert train_here("--resume", str(run)) == 0
    assert load_state(run).numbers["step"] == last
    assert train_here("--resume", str(run), "train.budget_minutes=0.15") == 0
    assert load_state(run).numbers["step"] > last


def test_a_length_is_a_number_of_steps_or_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_tiny(tmp_path / "both", "train.max_steps=3", "train.budget_minutes=1") == 1
    assert "train.max_steps and train.budget_minutes are both given" in capsys.readouterr().err
    assert train_tiny(tmp_path / "none") == 1
    assert "train.budget_minutes=N" in capsys.readouterr().err
