"""`python -m training.model_card`; that the committed card is right is tested with the packaged model."""

from pathlib import Path

import pytest
import torch

from rgbt_seg_ros.models import read_card, save_model
from rgbt_seg_ros.models.model_file import file_hash
from rgbt_seg_ros.runs.evaluation import SplitScores, SubsetScores
from rgbt_seg_ros.scenes.__main__ import main as render
from training.config import load_config
from training.model_card import main
from training.weights.initial_model import initial_model
from training.work.model_card import score_section, training_section


def _scores(iou: float, images: int) -> SplitScores:
    day = SubsetScores({"road": iou + 0.1, "person": None}, {}, 1)
    return SplitScores({"road": iou, "person": None}, {}, images, {"day": day, "night": None})


def test_tables_have_a_column_for_each_modality_and_subset_that_is_known() -> None:
    text = score_section({"both": _scores(0.5, 3), "thermal": _scores(0.25, 3)})
    assert text.splitlines() == [
        "| IoU in % | RGB+T | T only |",
        "| --- | ---: | ---: |",
        "| road | 50.0 | 25.0 |",
        "| person | - | - |",
        "| **mean** | **50.0** | **25.0** |",
        "| images | 3 | 3 |",
        "",
        "| IoU in % | day, RGB+T | day, T only |",
        "| --- | ---: | ---: |",
        "| road | 60.0 | 35.0 |",
        "| person | - | - |",
        "| **mean** | **60.0** | **35.0** |",
        "| images | 1 | 1 |",
        "",
        "-: a class without labels, which enters no mean.",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of five pairs (one in val), an untrained model and notes on it."""
    folder = tmp_path_factory.mktemp("card")
    assert render(["-o", str(folder / "data"), "--stills", "5", "--size", "64x96"]) == 0
    torch.manual_seed(0)
    network, card = initial_model(load_config(None, ["model.size=nano"]))
    card.training.update(steps=7, scores={"on": "msrs val"})
    save_model(folder / "model.safetensors", network, card)
    (folder / "notes.md").write_text("## Intended use\n\nNone.\n")
    return folder


def _arguments(folder: Path, out: Path) -> list[str]:
    return [
        *("--model", str(folder / "model.safetensors"), "--data", "msrs", "--root", str(folder / "data")),
        *("--notes", str(folder / "notes.md"), "--rendered", "1", "-o", str(out)),
    ]


def test_card_holds_the_file_its_notes_its_scores_and_its_training(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "docs" / "card.md"
    assert main(_arguments(folder, out)) == 0
    text = out.read_text()
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Intended use",
        "The file",
        "Scores on real images, msrs val",
        "Scores on rendered stills that it was not trained on",
        "How it was trained",
    ]
    assert file_hash(folder / "model.safetensors") in text
    assert text.count("| IoU in % | RGB+T | RGB only | T only |") == 2
    assert "for 7 steps, starting from random numbers" in text
    assert training_section(read_card(folder / "model.safetensors")) in text


def test_missing_notes_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*_arguments(folder, tmp_path / "card.md"), "--notes", str(tmp_path / "none.md")]
    assert main(arguments) == 1
    assert "none.md" in capsys.readouterr().err
    assert not (tmp_path / "card.md").exists()
