"""Every committed training configuration loads, has its classes' embeddings and builds its model."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rgbt_seg_ros.class_embeddings import load_class_embeddings
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.models import build_model, load_model, read_card
from training.config import Config, load_config
from training.datasets import class_set_of

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "config/train").glob("*.yaml"))
PAPER = {"shifnet_mfnet", "shifnet_pst900", "shifnet_fmb"}
ABLATIONS = {
    "shifnet_pst900_add": {"fusion": "add"},
    "shifnet_pst900_concat": {"fusion": "concat"},
    "shifnet_pst900_segformer": {"decoder": "segformer"},
    "shifnet_pst900_ppm": {"decoder": "ppm"},
    "shifnet_pst900_no_sem": {"sem": False},
    "shifnet_pst900_add_segformer": {"fusion": "add", "decoder": "segformer"},
}


def committed(name: str, *overrides: str) -> Config:
    return load_config(ROOT / f"config/train/{name}.yaml", overrides)


def test_every_row_of_the_paper_has_its_file():
    assert {path.stem for path in FILES} >= PAPER | ABLATIONS.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_builds_its_model_for_its_classes(path):
    config = load_config(path, ["model.size=nano"])
    embeddings = load_class_embeddings(ROOT / config.model.embeddings)
    assert embeddings.names == class_set_of(config.data.name).names
    model = config.model
    choices = {"size": model.size, "fusion": model.fusion, "decoder": model.decoder, "sem": model.sem}
    network = build_model(model.arch, choices, embeddings.vectors).eval()
    images = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        assert network(images, images).shape == (1, len(embeddings.names), 64, 64)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_misspelt_key_of_a_file_is_refused(path, tmp_path):
    for name in FILES:
        (tmp_path / name.name).write_text(name.read_text())
    (tmp_path / path.name).write_text(path.read_text().replace("model:\n", "modle:\n"))
    with pytest.raises(UserError, match=rf"{path.name}: there is no key modle, did you mean model\?"):
        load_config(tmp_path / path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_run_goes_to_the_folder_of_its_file(path):
    assert load_config(path).run.dir == f"runs/{path.stem}"


@pytest.mark.parametrize(
    ("name", "crop", "batch_size"),
    [("shifnet_mfnet", (480, 640), 8), ("shifnet_pst900", (960, 960), 4), ("shifnet_fmb", (1024, 1024), 4)],
)
def test_the_papers_recipe(name, crop, batch_size):
    config = committed(name)
    assert config.model.size == "large"
    assert (config.augment.crop_height, config.augment.crop_width) == crop
    assert (config.augment.min_scale, config.augment.max_scale, config.augment.flip) == (0.5, 2.0, 0.5)
    assert (config.augment.jitter, config.augment.jitter_strength, config.augment.blur) == (0.2, 0.5, 0.2)
    train = config.train
    assert (train.batch_size, train.epochs, train.max_steps, train.lr) == (batch_size, 150, None, 1e-4)
    assert train.precision == "bf16"
    assert train.checkpointing
    assert train.class_weights is None


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_nothing_else(name):
    full, ablated = committed("shifnet_pst900"), committed(name)
    assert ablated.model == dataclasses.replace(full.model, **ABLATIONS[name])
    assert dataclasses.replace(ablated, model=full.model, run=full.run) == full


def test_a_row_trains_from_the_command_line(samples, tmp_path):
    run = tmp_path / "run"
    small = ["model.size=nano", "model.short_side=64", "augment.crop_height=64", "augment.crop_width=64"]
    short = ["train.max_steps=1", "train.batch_size=2", "train.precision=fp32", "data.workers=1"]
    # The sample is one image, the same in both halves.
    data = [f"data.root={samples / 'pst900'}", "data.train_split=train_all", "data.val_split=test"]
    file = ROOT / "config/train/shifnet_pst900_add_segformer.yaml"
    command = [sys.executable, "-m", "training.train", "--config", str(file), *small, *short, *data]
    done = subprocess.run(
        [*command, f"run.dir={run}"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    card = read_card(run / "best.safetensors")
    assert (card.config["fusion"], card.config["decoder"]) == ("add", "segformer")
    network = load_model(run / "best.safetensors")
    assert "segformer.classifier.weight" in network.state_dict()
    assert not any(name.startswith(("sacf", "hpd")) for name in network.state_dict())
