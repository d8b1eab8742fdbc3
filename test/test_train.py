import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rgbt_seg_ros.models import read_card
from rgbt_seg_ros.scenes import render_still
from rgbt_seg_ros.segmenter import Segmenter
from training import train
from training.config import load_config
from training.trainer import Trainer

EMBEDDINGS = Path(__file__).resolve().parent.parent / "config/embeddings/mfnet_minilm.safetensors"
MSRS_FOLDERS = ("vi", "ir", "Segmentation_labels")
TINY = (
    "data.name=scenes",
    "data.rendered_height=48",
    "data.rendered_width=64",
    "data.rendered_stills=4",
    "data.rendered_val=2",
    "data.workers=0",
    "augment.crop_height=32",
    "augment.crop_width=64",
    "augment.drop_rgb=0.3",
    "train.batch_size=2",
    "train.warmup_steps=2",
    "train.ema_decay=0.9",
    "train.log_every=1",
    "train.lr=0.001",
    "train.eval_every=100",
    f"model.embeddings={EMBEDDINGS}",
)


@pytest.fixture
def config_file(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text("train: {seed: 5}\n")
    return str(path)


def _train(config_file: str, run: Path, *overrides: str) -> int:
    return train.main(["--config", config_file, *TINY, f"run.dir={run}", *overrides])


def _state(run: Path) -> dict[str, Any]:
    return torch.load(run / "last/state.pt", weights_only=True)


def _metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_run_leaves_configuration_metrics_state_and_a_model_that_segments(
    config_file: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert _train(config_file, run, "train.max_steps=3", "model.short_side=32", "run.half=true") == 0
    assert load_config(run / "config.yaml").train.seed == 5
    losses = [line["loss"] for line in _metrics(run) if "loss" in line]
    assert len(losses) == 3
    assert all(math.isfinite(loss) for loss in losses)
    assert _state(run)["step"] == 3
    card = read_card(run / "best.safetensors")
    assert card.training["steps"] == 3
    assert card.training["scores"]["on"] == "rendered stills"
    assert card.training["config"]["train"]["seed"] == 5
    assert str(tmp_path) not in card.to_json()
    assert card.short_side == 32
    out = Segmenter.load(run / "best.safetensors")(np.zeros((48, 64, 3), np.uint8), None)
    assert out.mask.shape == (48, 64)


def test_interrupted_run_saves_and_resumes_as_if_never_stopped(
    config_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert _train(config_file, whole, "train.max_steps=4") == 0
    log = Trainer._log

    def log_then_interrupt(self: Trainer, **values: Any) -> None:
        log(self, **values)
        if self.step == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_log", log_then_interrupt)
        assert _train(config_file, broken, "train.max_steps=4") == 130
    assert _state(broken)["step"] == 2
    # A line of a step that is not in the saved state, as a killed run leaves one.
    with open(broken / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 3, "loss": 123.0}) + "\n")
    assert train.main(["--resume", str(broken)]) == 0
    expected, resumed = _state(whole), _state(broken)
    assert resumed["step"] == 4
    for part in ("network", "ema"):
        for name, tensor in expected[part].items():
            assert torch.equal(resumed[part][name], tensor), name
    assert [line["step"] for line in _metrics(broken)] == [1, 2, 3, 4, 4]
    assert [line.get("loss") for line in _metrics(broken)] == [line.get("loss") for line in _metrics(whole)]


def test_training_lowers_the_loss_on_one_still(config_file: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    plain = ("augment.min_scale=1", "augment.max_scale=1", "augment.flip=0", "augment.drop_rgb=0")
    assert (
        _train(config_file, run, "train.max_steps=15", "train.lr=0.003", "data.rendered_stills=1", *plain)
        == 0
    )
    losses = [line["loss"] for line in _metrics(run) if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]


def test_diverging_run_stops_with_a_sentence(
    config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert _train(config_file, run, "train.max_steps=20", "train.lr=1e30", "train.warmup_steps=1") == 1
    error = capsys.readouterr().err
    assert "not finite at step" in error
    assert "lower train.lr" in error
    assert "Traceback" not in error


def test_run_folder_is_never_overwritten(
    config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert _train(config_file, run, "train.max_steps=1") == 0
    assert _train(config_file, run, "train.max_steps=1") == 1
    assert f"resume it with --resume {run}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.name=msrs", "data.root=/nowhere"], "expected /nowhere/vi, found nothing"),
        (["data.name=msrs"], "data.root"),
        (["train.class_weights=[1,2]"], "train.class_weights has 2 values for 9 classes"),
        (["model.embeddings=none.safetensors"], "there is no class embedding file none.safetensors"),
        (["model.size=gigantic"], "there is no SHIFNet size 'gigantic'"),
        (["train.batchsize=1"], "did you mean train.batch_size?"),
    ],
)
def test_unusable_run_is_refused_in_one_sentence(
    config_file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    sentence: str,
) -> None:
    assert _train(config_file, tmp_path / "run", *overrides) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def _write_msrs(root: Path) -> Path:
    for folder in MSRS_FOLDERS:
        (root / folder).mkdir(parents=True)
    for seed, name in enumerate(("00001D", "00002N")):
        still = render_still(seed, (48, 64))
        for folder, image in zip(MSRS_FOLDERS, (still.rgb, still.thermal, still.label), strict=True):
            Image.fromarray(image).save(root / folder / f"{name}.png")
    (root / "train.txt").write_text("00001D 00002N")
    (root / "val.txt").write_text("00002N")
    return root


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_sample_is_named_in_one_sentence(
    config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    root = _write_msrs(tmp_path / "msrs")
    path = root / "ir/00001D.png"
    path.write_bytes(path.read_bytes()[:-40])
    data = ("data.name=msrs", f"data.root={root}", f"data.workers={workers}")
    assert _train(config_file, tmp_path / "run", *data, "train.max_steps=20") == 1
    error = capsys.readouterr().err
    assert f"{path} cannot be read" in error
    assert error.count("\n") == 1


def test_data_set_and_renderer_train_together(config_file: str, tmp_path: Path) -> None:
    data = ("data.name=msrs", f"data.root={_write_msrs(tmp_path / 'msrs')}", "data.rendered_share=0.5")
    run = tmp_path / "run"
    assert _train(config_file, run, *data, "data.workers=2", "train.max_steps=2") == 0
    assert read_card(run / "best.safetensors").training["scores"]["on"] == "msrs val"


def test_nothing_to_resume_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--resume", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_damaged_state_is_said(config_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert _train(config_file, run, "train.max_steps=1") == 0
    path = run / "last/state.pt"
    path.write_bytes(path.read_bytes()[:1000])
    assert train.main(["--resume", str(run)]) == 1
    error = capsys.readouterr().err
    assert f"{path} is damaged" in error
    assert error.count("\n") == 1


def test_configuration_and_resume_exclude_each_other(config_file: str) -> None:
    with pytest.raises(SystemExit) as stop:
        train.main(["--config", config_file, "--resume", "runs/a"])
    assert stop.value.code == 2
