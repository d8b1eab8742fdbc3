"""What `training.train` does, leaves behind and refuses."""

import itertools
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_runs import TINY, losses, train_here, train_tiny

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.segmenter import Segmenter
from training import train
from training.config import load_config
from training.engine import loss_watch, trainer
from training.engine.checkpoint import STATE_FILE, load_state
from training.engine.gradients import StepLoss
from training.engine.processes import check_processes
from training.engine.trainer import Trainer


def test_run_leaves_configuration_metrics_state_and_a_model_that_segments(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train_tiny(run, "train.max_steps=3", "model.short_side=32", "run.half=true") == 0
    assert load_config(run / "config.yaml").train.seed == 5
    assert len(losses(run)) == 3
    assert all(math.isfinite(loss) for loss in losses(run))
    assert load_state(run).numbers["step"] == 3
    card = read_card(run / "best.safetensors")
    assert card.training["steps"] == 3
    assert card.training["scores"]["on"] == "rendered stills"
    assert card.training["config"]["train"]["seed"] == 5
    assert str(tmp_path) not in card.to_json()
    assert card.short_side == 32
    out = Segmenter.load(run / "best.safetensors")(np.zeros((48, 64, 3), np.uint8), None)
    assert out.mask.shape == (48, 64)


def test_tensorboard_shows_losses_scores_and_predictions(tmp_path: Path) -> None:
    run = tmp_path / "run"
    steps = ("train.max_steps=4", "train.eval_every=1", "train.pictures_every=3")
    assert train_tiny(run, *steps, pictures=True) == 0
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    logged = [event.value for event in board.Scalars("train/loss")]
    assert logged == pytest.approx(losses(run), rel=1e-6)
    assert [event.step for event in board.Scalars("val/miou")] == [1, 2, 3, 4]
    # Every third evaluation and the last.
    assert [event.step for event in board.Images("predictions")] == [3, 4]
    with Image.open(run / "pictures/step_000003.png") as picture:
        assert picture.size == (board.Images("predictions")[0].width, board.Images("predictions")[0].height)


def test_training_lowers_the_loss_on_one_still(tmp_path: Path) -> None:
    run = tmp_path / "run"
    plain = ("augment.min_scale=1", "augment.max_scale=1", "augment.flip=0", "augment.drop_rgb=0")
    assert train_tiny(run, "train.max_steps=15", "train.lr=0.003", "data.rendered_stills=1", *plain) == 0
    assert losses(run)[-1] < 0.7 * losses(run)[0]


def test_epochs_are_passes_over_the_training_images(tmp_path: Path) -> None:
    run = tmp_path / "run"
    # 5 epochs of 4 stills, 2 x 3 pairs a step
    assert train_tiny(run, "train.epochs=5", "train.accumulate=3", "train.ema_decay=0") == 0
    assert load_state(run).numbers["step"] == 4
    assert len(losses(run)) == 4


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two steps, which others are compared with."""
    run = tmp_path_factory.mktemp("plain") / "run"
    assert train_tiny(run, "train.max_steps=2") == 0
    return run


def test_bfloat16_trains_and_validates_in_float32(
    tmp_path: Path, two_steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = []
    evaluate = Trainer._evaluate

    def evaluate_and_look(self: Trainer, log: object) -> str:
        with monkeypatch.context() as patch:
            head = self.network.hpd.head
            patch.setattr(head, "forward", lambda x: inputs.append(x.dtype) or type(head).forward(head, x))
            return evaluate(self, log)

    monkeypatch.setattr(Trainer, "_evaluate", evaluate_and_look)
    half = tmp_path / "half"
    assert train_tiny(half, "train.max_steps=2", "train.precision=bf16") == 0
    assert losses(half) == pytest.approx(losses(two_steps), rel=0.05)
    assert losses(half) != losses(two_steps)
    assert set(inputs) == {torch.float32}


def test_checkpointing_trains_the_same(tmp_path: Path, two_steps: Path) -> None:
    checkpointed = tmp_path / "checkpointed"
    assert train_tiny(checkpointed, "train.max_steps=2", "train.checkpointing=true") == 0
    assert losses(checkpointed) == losses(two_steps)


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(
    tmp_path: Path, two_steps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(two_steps, tmp_path / "run"))
    before = (run / STATE_FILE).read_bytes()
    wild = ("train.lr=1e30", "train.max_steps=20", "train.eval_every=1")
    assert train_here("--resume", str(run), *wild) == 1
    error = capsys.readouterr().err
    assert "finite" in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert (run / STATE_FILE).read_bytes() == before


def test_not_finite_loss_names_the_step_and_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_tiny(tmp_path / "run", "train.max_steps=20", "train.lr=1e30", "train.warmup_steps=1") == 1
    error = capsys.readouterr().err
    assert "not finite at step" in error
    assert "lower train.lr" in error
    assert error.count("\n") == 1


def test_diverging_loss_stops_the_run_and_keeps_the_state_of_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, steps = tmp_path / "run", itertools.count(1)

    def diverging(*_: object, **__: object) -> StepLoss:
        return StepLoss({"cross_entropy": 0.2 if next(steps) <= 10 else 3.0}, {})

    monkeypatch.setattr(trainer, "accumulate_gradients", diverging)
    monkeypatch.setattr(loss_watch, "_PATIENCE", 3)
    assert train_tiny(run, "train.max_steps=50", "train.eval_every=5") == 1
    error = capsys.readouterr().err
    assert "the loss has diverged, it stays above 1 at step 17: lower train.lr" in error
    assert error.count("\n") == 1
    # At step 15 it was astray already.
    assert load_state(run).numbers["step"] == 10


def test_run_folder_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert train_tiny(run, "train.max_steps=1") == 0
    assert train_tiny(run, "train.max_steps=1") == 1
    assert f"resume it with --resume {run}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ((), "the run has no length: give train.max_steps=N, train.epochs=N or train.budget_minutes=N"),
        (("train.class_weights=[1,2]",), "train.class_weights has 2 values for 9 classes"),
        (("model.embeddings=none.safetensors",), "there is no class embedding file none.safetensors"),
        (
            ("model.embeddings=config/embeddings/fmb_minilm.safetensors",),
            "but scenes has the classes background",
        ),
        (("model.size=gigantic",), "there is no SHIFNet size 'gigantic'"),
        (("model.size=tiny",), "give Meta's file as model.base_weights=FILE.pt, or --from-scratch"),
        (("model.base_weights=a.pt",), "nano has no pretrained base"),
        (("model.size=tiny", "model.base_weights=a.pt", "--from-scratch"), "is to be trained from scratch"),
        (("model.size=tiny", "model.base_weights=a.pt"), "a.pt"),
        (("train.batchsize=1",), "did you mean train.batch_size?"),
    ],
)
def test_unusable_run_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: tuple[str, ...], sentence: str
) -> None:
    assert train_tiny(tmp_path / "run", *overrides) == 1
    assert not (tmp_path / "run").exists()
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="float16 works on this machine's GPU")
def test_float16_without_a_gpu_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_tiny(tmp_path / "run", "train.max_steps=1", "train.precision=fp16") == 1
    assert "train.precision is fp16, which needs a GPU: choose bf16 or fp32" in capsys.readouterr().err


def test_more_processes_than_gpus_are_refused() -> None:
    with pytest.raises(
        UserError, match="started 2 processes on a machine with 1 CUDA GPU: give --nproc-per-node 1"
    ):
        check_processes(2, 1)
    check_processes(2, 2)


def test_from_scratch_trains_everything(tmp_path: Path) -> None:
    run = tmp_path / "run"
    steps = ("train.max_steps=1", "train.batch_size=1", "train.ema_decay=0")
    assert train_tiny(run, *steps, "model.size=tiny", "--from-scratch") == 0
    trained = load_state(run).tensors["network"]
    assert "encoder.trunk.pos_embed" in trained
    assert "encoder.neck.convs.0.conv.weight" in trained
    assert read_card(run / "best.safetensors").training["base_weights"] is None


def test_configuration_and_resume_exclude_each_other() -> None:
    with pytest.raises(SystemExit) as stop:
        train.main(["--config", "a.yaml", "--resume", "runs/a", *TINY])
    assert stop.value.code == 2


def test_all_that_the_default_recipe_adds_trains_in_bf16(tmp_path: Path) -> None:
    ours = ("model.detail=true", "model.centred=true", "data.rendered_anywhere=true", "data.rendered_uses=2")
    run = tmp_path / "run"
    long = ("train.max_steps=4", "train.precision=bf16", "train.lovasz=1", "data.workers=2")
    assert train_tiny(run, *long, *ours, "augment.smoke=0.5", "augment.thermal_agc=0.5") == 0
    seen = losses(run)
    assert seen[-1] < seen[0]
    card = read_card(run / "best.safetensors")
    assert (card.config["detail"], card.config["centred"]) == (True, True)
    assert load_model(run / "best.safetensors").get_buffer("hpd.centre").shape == (384,)
