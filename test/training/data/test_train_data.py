"""Training from the command line on data sets on disk, and what it says of broken ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_runs import TINY, losses, train_here, train_tiny, write_msrs

from rgbt_seg_ros.masks.classes import MFNET, PST900
from rgbt_seg_ros.models import read_card

ON_DISK = {
    "msrs": ("msrs70", MFNET, "mfnet", ("train", "val")),
    "mfnet": ("mfnet", MFNET, "mfnet", ("train", "val")),
    # One image, the same in both halves; a split of it is empty.
    "pst900": ("pst900", PST900, "pst900", ("train_all", "test")),
}


@pytest.mark.parametrize("name", ON_DISK)
def test_command_trains_on_real_samples(tmp_path: Path, samples: Path, name: str) -> None:
    folder, classes, embeddings, (train_split, val_split) = ON_DISK[name]
    run, config = tmp_path / "run", tmp_path / "run.yaml"
    config.write_text(f"data: {{name: {name}, train_split: {train_split}, val_split: {val_split}}}\n")
    overrides = [value for value in TINY if not value.startswith("data.name")]
    overrides += [f"data.root={samples / folder}", f"run.dir={run}", "train.max_steps=2", "data.workers=1"]
    overrides += [
        "model.short_side=64",
        f"model.embeddings=config/embeddings/{embeddings}_minilm.safetensors",
    ]
    assert train_here("--config", str(config), *overrides) == 0
    assert len(losses(run)) == 2
    card = read_card(run / "best.safetensors")
    assert card.class_names == classes.names
    assert card.thing_classes == classes.things
    assert card.training["data"] == name
    assert card.training["scores"]["on"] == f"{name} {val_split}"
    assert card.training["scores"]["images"] == {"msrs": 18, "mfnet": 1, "pst900": 1}[name]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _label_out_of_range(path: Path) -> None:
    label = np.array(Image.open(path))
    label[0, 0] = 9
    Image.fromarray(label).save(path)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("folder", "damage", "sentence"),
    [
        ("ir", _truncate, "{path} cannot be read"),
        ("Segmentation_labels", _label_out_of_range, "{path} has label id 9"),
        ("vi", Path.unlink, "{path} is missing"),
    ],
    ids=["truncated", "label id", "missing"],
)
def test_broken_sample_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int, folder: str, damage, sentence: str
) -> None:
    root = write_msrs(tmp_path / "msrs")
    path = root / folder / "00001D.png"
    damage(path)
    data = ("data.name=msrs", f"data.root={root}", f"data.workers={workers}")
    assert train_tiny(tmp_path / "run", *data, "train.max_steps=20") == 1
    error = capsys.readouterr().err
    assert sentence.format(path=path) in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            ("data.name=msrs", "data.root=/nowhere"),
            "expected /nowhere/vi or /nowhere/train/vi, found nothing",
        ),
        (("data.name=msrs",), "data.root"),
        (("data.name=mscoco",), "there is no data set 'mscoco'"),
    ],
)
def test_missing_data_set_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: tuple[str, ...], sentence: str
) -> None:
    assert train_tiny(tmp_path / "run", *data, "train.max_steps=1") == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_data_set_and_renderer_train_together(tmp_path: Path) -> None:
    data = ("data.name=msrs", f"data.root={write_msrs(tmp_path / 'msrs')}", "data.rendered_share=0.5")
    run = tmp_path / "run"
    assert train_tiny(run, *data, "data.workers=2", "train.max_steps=2") == 0
    assert read_card(run / "best.safetensors").training["scores"]["on"] == "msrs val"


def test_objects_are_pasted_in_training_alike_with_and_without_workers(tmp_path: Path) -> None:
    data = ("data.name=msrs", f"data.root={write_msrs(tmp_path / 'msrs')}", "train.max_steps=2")
    trials = {"plain": (0, 0), "pasted": (1, 0), "pasted by workers": (1, 2)}
    seen = {}
    for name, (share, workers) in trials.items():
        run = tmp_path / name
        assert train_tiny(run, *data, f"augment.paste={share}", f"data.workers={workers}") == 0
        seen[name] = losses(run)
    assert seen["pasted"] == seen["pasted by workers"]
    assert seen["pasted"] != seen["plain"]
