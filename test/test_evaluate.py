import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from random_model import write_model

from rgbt_seg_ros.class_selection import ClassSelection
from rgbt_seg_ros.classes import FMB, MFNET
from rgbt_seg_ros.models import ModelCard, build_model, read_card, save_model
from rgbt_seg_ros.scenes import render_still
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from training import evaluate
from training.datasets import KeptInMemory, MsrsDataset, Sample
from training.scoring import score

NAMES = ("00001D", "00002N", "00003N")

MSRS_FOLDERS = ("vi", "ir", "Segmentation_labels")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three rendered stills in MSRS layout, one by day and two by night."""
    root = tmp_path_factory.mktemp("msrs")
    for folder in MSRS_FOLDERS:
        (root / folder).mkdir()
    for seed, name in enumerate(NAMES):
        still = render_still(seed, (96, 128))
        for folder, image in zip(MSRS_FOLDERS, (still.rgb, still.thermal, still.label), strict=True):
            Image.fromarray(image).save(root / folder / f"{name}.png")
    (root / "val.txt").write_text("\n".join(NAMES))
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "random.safetensors")


class _Oracle:
    """Answers with the labels themselves, but calls one image entirely class 0; notes what it was given."""

    class_names = MFNET.names

    def __init__(self, samples: list[Sample], wrong: str) -> None:
        self.samples = samples
        self.wrong = wrong
        self.given: set[tuple[bool, bool]] = set()

    def __call__(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, thermal_valid: np.ndarray | None = None
    ) -> Segmentation:
        self.given.add((rgb is not None, thermal is not None))
        (sample,) = (known for known in self.samples if known.rgb is rgb or known.thermal is thermal)
        label = np.zeros_like(sample.label) if sample.name == self.wrong else sample.label
        classes = ClassSelection(MFNET.names, MFNET.things)
        return Segmentation(label, np.ones(label.shape, np.float32), {}, classes)


def test_scores_are_exact_and_day_and_night_apart(root: Path) -> None:
    source = KeptInMemory(MsrsDataset(root, "val"))
    samples = [source[i] for i in range(len(source))]
    perfect = score(_Oracle(samples, wrong=""), source)
    assert perfect["miou"] == perfect["macc"] == 1.0
    assert {name: part["images"] for name, part in perfect["subsets"].items()} == {"day": 1, "night": 2}

    flawed = score(_Oracle(samples, wrong="00002N"), source)
    assert flawed["subsets"]["day"]["miou"] == 1.0
    car = [int((sample.label == 1).sum()) for sample in samples]
    assert car[1] > 0, "the second still must hold a car for this test to say something"
    assert flawed["iou"]["car"] == pytest.approx(1 - car[1] / sum(car))
    assert flawed["subsets"]["night"]["iou"]["car"] == pytest.approx(1 - car[1] / (car[1] + car[2]))


@pytest.mark.parametrize(
    ("modality", "given"), [("both", (True, True)), ("rgb", (True, False)), ("thermal", (False, True))]
)
def test_model_is_given_the_chosen_modality_alone(
    root: Path, modality: str, given: tuple[bool, bool]
) -> None:
    source = KeptInMemory(MsrsDataset(root, "val"))
    oracle = _Oracle([source[i] for i in range(len(source))], wrong="")
    assert score(oracle, source, modality)["miou"] == 1.0
    assert oracle.given == {given}


def test_command_writes_what_other_programs_read(
    root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out/scores.json"
    arguments = ["--model", str(model), "--data", "msrs", "--root", str(root), "--split", "val"]
    assert evaluate.main([*arguments, "--json", str(path)]) == 0
    scores = json.loads(path.read_text())
    assert scores["protocol"] == "native"
    assert (scores["split"], scores["images"], scores["modality"]) == ("val", 3, "both")
    assert scores["model_hash"] == Segmenter.load(model).model_hash
    assert list(scores["iou"]) == list(scores["acc"]) == list(MFNET.names)
    assert 0.0 <= scores["miou"] <= 1.0
    assert set(scores["subsets"]) == {"day", "night"}
    assert "person" in capsys.readouterr().out


def test_model_of_other_classes_is_refused(
    root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    card = read_card(model)
    other = tmp_path / "fmb.safetensors"
    network = build_model(card.arch, card.config, torch.eye(len(FMB.names), 384))
    save_model(other, network, ModelCard("shifnet", card.config, FMB.names, FMB.things, card.embeddings))
    arguments = ["--model", str(other), "--data", "msrs", "--root", str(root), "--split", "val"]
    assert evaluate.main(arguments) == 1
    assert "give a model of this data set's classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--root": "/nowhere"}, "expected /nowhere/vi"),
        ({"--split": "test"}, "test.txt"),
        ({"--model": "none.safetensors"}, "there is no model file none.safetensors"),
    ],
)
def test_wrong_argument_is_one_sentence(
    root: Path, model: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], sentence: str
) -> None:
    arguments = {"--model": str(model), "--data": "msrs", "--root": str(root), "--split": "val", **change}
    assert evaluate.main([text for pair in arguments.items() for text in pair]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
