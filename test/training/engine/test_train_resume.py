"""A run that is stopped in any way goes on as if it never had been."""

import json
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_disk import small_disk
from torch import Tensor
from training_runs import (
    KILLED_TRAINING,
    SARTM,
    TINY,
    assert_same_state,
    losses,
    metrics,
    run_script,
    train_here,
    train_tiny,
)

from rgbt_seg_ros.base.whole_files import unfinished_path
from rgbt_seg_ros.models import read_card
from training.engine.checkpoint import STATE_FILE, SavedState, load_state, save_state
from training.engine.gradients import StepLoss
from training.engine.loss_watch import LossWatch
from training.engine.trainer import Batch, Trainer

Tensors = Mapping[str, Mapping[str, Tensor]]

ARCHITECTURES = pytest.mark.parametrize("arch", [(), SARTM], ids=["shifnet", "sartm"])
FOUR_STEPS = ("train.max_steps=4", "train.log_every=3")
SIX_STEPS = ("train.max_steps=6", "train.eval_every=3", "train.log_every=2")


def _arguments(run: Path, *overrides: str) -> list[str]:
    config = run.with_name("tiny.yaml")
    config.write_text("train: {}\n")
    return ["--config", str(config), *TINY, f"run.dir={run}", *overrides]


@ARCHITECTURES
def test_run_killed_at_once_resumes_bit_for_bit(tmp_path: Path, arch: tuple[str, ...]) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    overrides = (*SIX_STEPS, "data.workers=1", *arch)
    assert train_tiny(whole, *overrides) == 0
    child = run_script(KILLED_TRAINING, "5", *_arguments(killed, *overrides))
    assert child.returncode == -signal.SIGKILL
    assert load_state(killed).numbers["step"] == 3
    assert train_here("--resume", str(killed)) == 0
    assert_same_state(killed, whole)
    assert losses(killed) == losses(whole)
    best = "best.safetensors"
    assert (killed / best).read_bytes() == (whole / best).read_bytes()
    assert ("loss" in load_state(whole).tensors) == (arch == SARTM)


def test_two_processes_resume_bit_for_bit_with_the_random_numbers_of_each(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # SARTM has all that SHIFNet has to save, and prototypes.
    steps = ("train.max_steps=4", "train.eval_every=2", "train.log_every=2", "train.batch_size=1", *SARTM)
    assert run_script(KILLED_TRAINING, "3", *_arguments(killed, *steps), processes=2).returncode != 0
    state = load_state(killed)
    assert state.numbers["step"] == 2
    first, second = state.tensors["random"]["cpu"]
    assert not first.equal(second)
    both = (*_arguments(whole, *steps), "--", "--resume", str(killed))
    assert run_script(KILLED_TRAINING, "0", *both, processes=2).returncode == 0
    assert metrics(whole)[-1]["val"]["images"] == 2  # counted once each, though two processes shared them
    assert_same_state(killed, whole)
    assert losses(killed) == losses(whole)


def test_killed_while_saving_keeps_the_state_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"

    def written_by_half(descriptor: int) -> None:
        unfinished = unfinished_path(run / STATE_FILE)
        if unfinished.exists() and (run / STATE_FILE).exists() and load_state(run).numbers["step"] == 3:
            os.truncate(unfinished, 1000)
            raise InterruptedError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", written_by_half)
        assert train_tiny(run, *SIX_STEPS) == 1
    assert load_state(run).numbers["step"] == 3
    assert train_here("--resume", str(run)) == 0
    assert load_state(run).numbers["step"] == 6


@pytest.fixture(scope="module")
def four_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert train_tiny(run, *FOUR_STEPS) == 0
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_saves_and_resumes_as_if_never_stopped(
    tmp_path: Path, four_steps: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    stopped = tmp_path / "stopped"
    train_step = Trainer._train_step

    def step_then_signal(self: Trainer, batches: Sequence[Batch]) -> StepLoss:
        loss = train_step(self, batches)
        if self.state.step == 2:
            signal.raise_signal(number)
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", step_then_signal)
        assert train_tiny(stopped, *FOUR_STEPS) == 128 + number
    assert load_state(stopped).numbers["step"] == 2
    # It never validated, so it leaves its last model.
    assert read_card(stopped / "last.safetensors").training["steps"] == 2
    # Lines of a step that is not in the saved state, one of them cut off, as a killed run leaves them.
    with open(stopped / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 3, "loss": 123.0}) + '\n{"step": 4, "lo')
    assert train_here("--resume", str(stopped)) == 0
    assert_same_state(stopped, four_steps)
    assert [line["step"] for line in metrics(stopped)] == [3, 4]
    assert losses(stopped) == losses(four_steps)


def test_second_interrupt_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def signal_twice(self: Trainer, batches: Sequence[Batch]) -> StepLoss:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        steps.append(self.state.step)
        return StepLoss({"cross_entropy": 0.0}, {})

    monkeypatch.setattr(Trainer, "_train_step", signal_twice)
    assert train_tiny(tmp_path / "run", "train.max_steps=4") == 130
    assert steps == []


@pytest.fixture(scope="module")
def one_step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one step; tests change copies of it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    assert train_tiny(run, "train.max_steps=1") == 0
    return run


@pytest.fixture
def finished(one_step: Path, tmp_path: Path) -> Path:
    """A copy of a finished run of one step."""
    return Path(shutil.copytree(one_step, tmp_path / "run"))


def test_nothing_to_resume_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_here("--resume", str(tmp_path)) == 1
    assert f"{tmp_path} holds no run to resume" in capsys.readouterr().err


def test_a_run_killed_before_it_saved_anything_begins_anew(
    tmp_path: Path, four_steps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(four_steps / "config.yaml", run)
    (run / "metrics.jsonl").write_text(json.dumps({"step": 3, "loss": 123.0}) + '\n\0\0\n{"step": 4, "lo')
    assert train_here("--resume", str(run)) == 0
    assert "had saved anything: it begins anew" in capsys.readouterr().out
    assert losses(run) == losses(four_steps)


def test_a_full_disk_keeps_the_state_of_before(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_state(finished)
    with small_disk(tmp_path / "disk", kilobytes=1 << 20) as disk:
        run = disk / "run"
        shutil.copytree(finished, run)
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - 100_000))
        assert train_here("--resume", str(run), "train.max_steps=2") == 1
        error = capsys.readouterr().err
        assert error.startswith(f"error: cannot write {run}/")
        assert f"(No space left on device): there are 0.1 MB free in {run}" in error
        assert error.count("\n") == 1
        assert_same_tensors(load_state(run).tensors, before.tensors)
        (disk / "others").unlink()
        assert train_here("--resume", str(run), "train.max_steps=2") == 0
        assert load_state(run).numbers["step"] == 2


def assert_same_tensors(one: Tensors, other: Tensors) -> None:
    assert {part: named.keys() for part, named in one.items()} == {
        part: named.keys() for part, named in other.items()
    }
    assert all(torch.equal(tensor, other[part][name]) for part in one for name, tensor in one[part].items())


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"step": "many"}, r"$.step: expected a whole number, got text"),
        ({"step": 10**30}, r"$.step: expected a whole number"),
        ({"watch": {"recent": []}}, "$.watch: object missing required field"),
        ({"format_version": "1"}, "$.format_version: expected a whole number"),
    ],
)
def test_a_state_is_checked_field_by_field(
    finished: Path, capsys: pytest.CaptureFixture[str], change: dict[str, object], clause: str
) -> None:
    state = load_state(finished)
    save_state(finished, SavedState(state.tensors, {**state.numbers, **change}))
    assert train_here("--resume", str(finished)) == 1
    error = capsys.readouterr().err
    assert f"{STATE_FILE} is damaged ({clause}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("part", ["network", "optimizer", "random"])
def test_a_state_without_a_part_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    state = load_state(finished)
    tensors = {name: named for name, named in state.tensors.items() if name != part}
    if part == "optimizer":
        tensors["optimizer"] = {"exp_avg.nobody": torch.zeros(1)}
    save_state(finished, SavedState(tensors, state.numbers))
    assert train_here("--resume", str(finished)) == 1
    error = capsys.readouterr().err
    assert "is of another network" in error if part == "network" else f"{STATE_FILE} is damaged (" in error
    assert error.count("\n") == 1


def test_numbers_of_a_state_that_are_not_finite_come_back(finished: Path) -> None:
    """Before ten steps the lowest median of losses is infinity, which JSON does not have."""
    state = load_state(finished)
    assert state.numbers["watch"]["lowest"] is None
    assert LossWatch.from_numbers(state.numbers["watch"]).lowest == float("inf")


def test_a_run_that_is_done_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert train_tiny(run, "train.max_steps=1") == 0
    left = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert train_here("--resume", str(run)) == 0
    assert "the run is complete: step 1 of 1" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == left


def test_damaged_state_is_said(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished / STATE_FILE
    path.write_bytes(path.read_bytes()[:1000])
    assert train_here("--resume", str(finished)) == 1
    error = capsys.readouterr().err
    assert f"{path} is damaged" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.fusion=add", "the state in {run} is of another network"),
        ("train.ema_decay=0", "or with another train.ema_decay"),
    ],
)
def test_resume_that_would_be_another_run_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str], override: str, sentence: str
) -> None:
    assert train_here("--resume", str(finished), override) == 1
    error = capsys.readouterr().err
    assert sentence.format(run=finished) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ({"processes": 2}, "was trained by 2 processes, now there are 1: start as many"),
        ({"scaler": {}}, "was trained in another precision"),
        ({"format_version": 0}, "has format 0, this version reads 1"),
    ],
    ids=["processes", "precision", "format"],
)
def test_resume_on_other_terms_is_refused(
    finished: Path, capsys: pytest.CaptureFixture[str], number: dict[str, object], sentence: str
) -> None:
    state = load_state(finished)
    save_state(finished, SavedState(state.tensors, {**state.numbers, **number}))
    assert train_here("--resume", str(finished)) == 1
    assert sentence in capsys.readouterr().err


def test_the_state_holds_tensors_alone(finished: Path) -> None:
    assert [path.name for path in (finished / "last").iterdir()] == ["state.safetensors"]
    assert load_file(finished / STATE_FILE).keys() >= {
        "network/hpd.logit_scale",
        "network/hpd.sem.0.reduce.bn.running_mean",
        "average/hpd.logit_scale",
        "optimizer/exp_avg.hpd.logit_scale",
        "optimizer/step.hpd.logit_scale",
        "random/cpu",
    }
