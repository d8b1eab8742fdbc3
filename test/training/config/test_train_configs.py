"""Every committed training configuration loads, has its classes' embeddings and builds its model."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from places import REPOSITORY
from training_runs import train_here

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings
from training.config import Config, load_config
from training.config.schema import LossConfig
from training.data.sources import class_set_of
from training.measure.training_cost import training_images
from training.weights.initial_model import untrained_model

FOLDER = REPOSITORY / "config/train"
FILES = sorted(FOLDER.glob("*/*.yaml"))
PAPERS = {f"{arch}/{data}" for arch in ("shifnet", "sartm") for data in ("mfnet", "pst900", "fmb")}
OTHER_MODELS = {
    "shifnet/pst900_add": {"fusion": "add"},
    "shifnet/pst900_concat": {"fusion": "concat"},
    "shifnet/pst900_segformer": {"decoder": "segformer"},
    "shifnet/pst900_ppm": {"decoder": "ppm"},
    "shifnet/pst900_no_sem": {"sem": False},
    "shifnet/pst900_add_segformer": {"fusion": "add", "decoder": "segformer"},
    **{f"sartm/pst900_rank{rank}": {"rank": rank} for rank in (4, 8, 32, 64)},
    **{f"sartm/{data}_no_auxiliary": {"auxiliary": "off"} for data in ("mfnet", "pst900", "fmb")},
    "sartm/pst900_deeplab": {"auxiliary": "deeplab"},
    "sartm/pst900_segformer": {"auxiliary": "segformer"},
}
OTHER_LOSSES = {
    **{
        f"sartm/{data}_no_language": {"prototype": 0.0, "similarity": 0.0}
        for data in ("mfnet", "pst900", "fmb")
    },
    "sartm/pst900_no_prototype": {"prototype": 0.0},
    "sartm/pst900_no_similarity": {"similarity": 0.0},
}
# Paths that scripts have used since before there were folders.
KEPT_PATHS = {name.replace("/", "_"): name for name in sorted(PAPERS)} | {
    f"{arch}_nano_msrs": f"nano/{arch}_msrs" for arch in ("shifnet", "sartm")
}


def committed(name: str, *overrides: str) -> Config:
    return load_config(FOLDER / f"{name}.yaml", overrides)


def name_of(path: Path) -> str:
    """`shifnet/pst900_add` of config/train/shifnet/pst900_add.yaml."""
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def run_of(path: Path) -> str:
    """The name of a file's run: `shifnet_pst900_add`, `shifnet_nano_msrs_2` of nano/shifnet_msrs_2.yaml."""
    folder, name = path.parent.name, path.stem
    return name.replace("_", "_nano_", 1) if folder == "nano" else f"{folder}_{name}"


def test_every_row_of_the_papers_has_its_file():
    nano = {"nano/shifnet_msrs", "nano/sartm_msrs"}
    assert {name_of(path) for path in FILES} >= PAPERS | OTHER_MODELS.keys() | OTHER_LOSSES.keys() | nano


def test_only_the_kept_paths_are_outside_the_folders():
    files = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert files == {f"{name}.yaml" for name in KEPT_PATHS}


@pytest.mark.parametrize(("kept", "name"), KEPT_PATHS.items())
def test_a_kept_path_trains_the_same(kept, name):
    assert committed(kept) == committed(name)
    comment, base = (FOLDER / f"{kept}.yaml").read_text().splitlines()
    assert comment.startswith("#")
    assert base == f"base: {name}.yaml"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_builds_its_model_for_its_classes(path):
    config = load_config(path, ["model.size=nano"])
    embeddings = load_class_embeddings(REPOSITORY / config.model.embeddings)
    assert embeddings.names == class_set_of(config.data.name).names
    network, card = untrained_model(config)
    assert card.arch == config.model.arch == run_of(path).split("_")[0]
    images = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        assert network.eval()(images, images).shape == (1, len(embeddings.names), 64, 64)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_misspelt_key_of_a_file_is_refused(path, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "train")
    copy = tmp_path / "train" / path.relative_to(FOLDER)
    copy.write_text(path.read_text().replace("run:\n", "rnu:\n"))
    with pytest.raises(UserError, match=rf"{path.name}: there is no key rnu, did you mean run\?"):
        load_config(copy)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_run_goes_to_the_folder_of_its_file(path):
    assert load_config(path).run.dir == f"runs/{run_of(path)}"


@pytest.mark.parametrize(
    ("name", "crop", "batch_size"),
    [("shifnet/mfnet", (480, 640), 8), ("shifnet/pst900", (960, 960), 4), ("shifnet/fmb", (1024, 1024), 4)],
)
def test_shifnets_recipe(name, crop, batch_size):
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


@pytest.mark.parametrize(
    ("data", "crop"), [("mfnet", (480, 640)), ("pst900", (1280, 1280)), ("fmb", (800, 800))]
)
def test_sartms_recipe(data, crop):
    config = committed(f"sartm/{data}")
    model, train = config.model, config.train
    assert (model.size, model.rank, model.neck, model.auxiliary, model.prediction) == (
        "base_plus",
        16,
        "avg",
        "fpn",
        "mean",
    )
    assert load_class_embeddings(REPOSITORY / model.embeddings).templates == ("a photo of a {}.",)
    assert config.loss == LossConfig(mask=1.0, auxiliary=0.008, prototype=1e4, similarity=100.0, ramp=False)
    assert (config.augment.crop_height, config.augment.crop_width) == crop
    assert (train.batch_size, train.epochs, train.max_steps) == (8, 500, None)
    assert (train.lr, train.weight_decay, train.schedule, train.poly_power) == (1e-4, 0.01, "poly", 0.9)
    assert (train.warmup_steps, train.warmup_ratio) == (math.ceil(10 * training_images(config) / 8), 0.1)
    assert (train.precision, train.checkpointing, train.clip_norm) == ("bf16", True, 1.0)


@pytest.mark.parametrize("name", [*OTHER_MODELS, *OTHER_LOSSES])
def test_an_ablation_changes_nothing_else(name):
    full, ablated = committed(name.split("_")[0]), committed(name)
    assert ablated.model == dataclasses.replace(full.model, **OTHER_MODELS.get(name, {}))
    assert ablated.loss == dataclasses.replace(full.loss, **OTHER_LOSSES.get(name, {}))
    assert dataclasses.replace(ablated, model=full.model, loss=full.loss, run=full.run) == full


def small_pst900(samples):
    """Overrides: the smallest network on the sample, which is one image, the same in both halves."""
    small = ["model.size=nano", "model.short_side=64", "augment.crop_height=64", "augment.crop_width=64"]
    return [*small, f"data.root={samples / 'pst900'}", "data.train_split=train_all", "data.val_split=test"]


def test_a_row_of_sartm_trains_in_the_recipes_precision(samples, tmp_path):
    run = tmp_path / "run"
    short = ["train.max_steps=1", "train.batch_size=2", "train.threads=1", "data.workers=0"]
    file = REPOSITORY / "config/train/sartm/pst900_no_language.yaml"
    assert train_here("--config", str(file), *small_pst900(samples), *short, f"run.dir={run}") == 0
    card = read_card(run / "best.safetensors")
    assert (card.arch, len(card.class_names)) == ("sartm", 5)
    assert load_config(run / "config.yaml").train.precision == "bf16"
    (line,) = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    assert line["val"]["images"] == 1


def test_a_row_trains_from_the_command_line(samples, tmp_path):
    run = tmp_path / "run"
    short = ["train.max_steps=1", "train.batch_size=2", "train.precision=fp32", "data.workers=1"]
    file = REPOSITORY / "config/train/shifnet/pst900_add_segformer.yaml"
    command = [sys.executable, "-m", "training.train", "--config", str(file), *small_pst900(samples), *short]
    done = subprocess.run(
        [*command, f"run.dir={run}"], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    card = read_card(run / "best.safetensors")
    assert (card.config["fusion"], card.config["decoder"]) == ("add", "segformer")
    network = load_model(run / "best.safetensors")
    assert "segformer.classifier.weight" in network.state_dict()
    assert not any(name.startswith(("sacf", "hpd")) for name in network.state_dict())
