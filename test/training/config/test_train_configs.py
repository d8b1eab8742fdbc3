"""Every committed training configuration loads, has its classes' embeddings and builds its model."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np
import pytest
import torch
from places import REPOSITORY
from training_runs import metrics, train_here, write_official_layouts

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings
from training import evaluate
from training.config import Config, load_config
from training.config.schema import LossConfig
from training.data.crop import RandomCrop
from training.data.sources import DATASETS, class_set_of
from training.engine.trainer import Trainer
from training.measure.training_cost import training_images
from training.papers.sartm import SARTM
from training.papers.shifnet import SHIFNET
from training.weights.initial_model import untrained_model

FOLDER = REPOSITORY / "config/train"
FILES = sorted(FOLDER.glob("*/*.yaml"))
PAPERS = {f"{arch}/{data}" for arch in ("shifnet", "sartm") for data in ("mfnet", "pst900", "fmb")}
ABLATIONS = {
    f"{paper.arch}/{row.file}": row.changes for paper in (SHIFNET, SARTM) for row in paper.rows if row.changes
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
    assert {name_of(path) for path in FILES} >= PAPERS | ABLATIONS.keys() | nano


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
    assert card.arch == config.model.arch
    # The packaged model's recipe is named for what it makes.
    assert run_of(path).split("_")[0] in (card.arch, "default")
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
    assert (config.augment.blur_size, config.augment.blur_sigma) == (3, 0.8)
    train = config.train
    assert (train.batch_size, train.epochs, train.max_steps, train.lr) == (batch_size, 150, None, 1e-4)
    assert train.precision == "bf16"
    assert train.checkpointing
    assert train.class_weights is None


@pytest.mark.parametrize(
    ("data", "crop"), [("mfnet", (800, 800)), ("pst900", (1280, 1280)), ("fmb", (800, 800))]
)
def test_sartms_recipe(data, crop):
    config = committed(f"sartm/{data}")
    model, train = config.model, config.train
    assert (model.size, model.rank, model.neck, model.auxiliary, model.prediction) == (
        "base_plus",
        16,
        "avg",
        "fpn",
        "mask",
    )
    assert load_class_embeddings(REPOSITORY / model.embeddings).templates == ("a photo of a {}.",)
    assert config.loss == LossConfig(mask=1.0, auxiliary=0.008, prototype=1e4, similarity=100.0, ramp=False)
    assert config.loss.prototype_means == "released"
    assert train.protocol == "official"
    assert (config.augment.crop_height, config.augment.crop_width) == crop
    assert (train.batch_size, train.epochs, train.max_steps) == (8, 500, None)
    assert (train.lr, train.weight_decay, train.schedule, train.poly_power) == (1e-4, 0.01, "poly", 0.9)
    assert (train.warmup_steps, train.warmup_ratio) == (math.ceil(10 * training_images(config) / 8), 0.1)
    assert (train.precision, train.checkpointing, train.clip_norm) == ("bf16", True, 1.0)


# Recipe, factors on the data set's images (least, largest, mean), and the share of a crop that images fill: the papers'
# code, in which the random scale is that of the crop.
SCALES = [
    ("shifnet/fmb", 0.85, 3.41, 2.13, 0.90),
    ("shifnet/pst900", 0.67, 2.67, 1.67, 0.92),
    ("shifnet/mfnet", 0.50, 2.00, 1.25, 0.85),
    ("sartm/pst900", 0.89, 3.56, 2.22, 0.92),
    ("sartm/fmb", 0.67, 2.67, 1.67, 0.90),
    ("sartm/mfnet", 0.83, 3.33, 2.08, 0.90),
]


@pytest.mark.parametrize(("name", "least", "largest", "mean", "filled"), SCALES)
def test_the_random_scale_is_that_of_the_crop(name, least, largest, mean, filled):
    config = committed(name)
    assert config.augment.scale_of == "crop"
    image = DATASETS[config.data.name].size
    geometry = RandomCrop(config.augment, config.model.short_side)
    crop = (config.augment.crop_height, config.augment.crop_width)
    random, label = np.random.default_rng(0), np.zeros(image, np.uint8)
    factors, shares = [], []
    for _ in range(4000):
        rows, columns = geometry.windows(label, random)
        factors.append(rows.scaled / rows.count)
        shares.append(rows.scaled * columns.scaled / math.prod(crop))
    assert [min(factors), max(factors)] == pytest.approx([least, largest], abs=0.02)
    assert [fmean(factors), fmean(shares)] == pytest.approx([mean, filled], abs=0.02)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_nothing_else(name):
    recipe = name.split("_")[0]
    changes = [f"{key}={value}" for key, value in ABLATIONS[name].items()]
    own = f"run.dir=runs/{name.replace('/', '_')}"
    assert committed(name) == committed(recipe, *changes, own) != committed(recipe, own)


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """The data sets as their authors publish them, of small random images."""
    return write_official_layouts(tmp_path_factory.mktemp("data"))


SMALL = (
    "model.size=nano",
    "augment.crop_height=32",
    "augment.crop_width=64",
    "train.batch_size=2",
    "train.threads=1",
    "data.workers=0",
)


@pytest.mark.parametrize("name", sorted(PAPERS | ABLATIONS.keys()))
def test_a_configuration_trains_on_the_published_layout(name, layouts, tmp_path):
    """Two steps of the smallest network, in the recipe's precision and with its losses."""
    config, run = committed(name), tmp_path / "run"
    root = layouts / config.data.name.removesuffix("15")
    # Official sizes are large; the protocols have tests of their own.
    short = ("train.max_steps=2", "train.protocol=native", f"data.root={root}", f"run.dir={run}")
    with patch.object(Trainer, "_save_pictures"):
        assert train_here("--config", str(FOLDER / f"{name}.yaml"), *SMALL, *short) == 0
    card = read_card(run / "best.safetensors")
    assert (card.arch, card.class_names) == (config.model.arch, class_set_of(config.data.name).names)
    saved = load_config(run / "config.yaml")
    assert (saved.train.precision, saved.loss) == ("bf16", config.loss)
    assert [line["step"] for line in metrics(run) if "val" in line] == [2]


@pytest.mark.parametrize("name", ["shifnet/pst900", "sartm/fmb"])
def test_a_recipe_validates_as_its_table_was_made(name, layouts, tmp_path):
    run, data = tmp_path / "run", committed(name).data.name
    root = layouts / data.removesuffix("15")
    overrides = (*SMALL, "train.max_steps=1", f"data.root={root}", f"run.dir={run}")
    with patch.object(Trainer, "_save_pictures"):
        assert train_here("--config", str(FOLDER / f"{name}.yaml"), *overrides) == 0
    model = str(run / "best.safetensors")
    scores = tmp_path / "scores.json"
    options = ["--data", data, "--root", str(root), "--split", "val", "--protocol", "official"]
    assert evaluate.main(["--model", model, *options, "--json", str(scores)]) == 0
    (validated,) = (line["val"] for line in metrics(run) if "val" in line)
    scored = json.loads(scores.read_text())
    assert validated["iou"] == scored["iou"]
    # Absent classes count 0 in the official protocol alone.
    assert None not in scored["iou"].values()


def test_a_row_trains_from_the_command_line(layouts, tmp_path):
    run = tmp_path / "run"
    short = ["train.max_steps=1", "train.protocol=native", "train.precision=fp32", "data.workers=1"]
    file = REPOSITORY / "config/train/shifnet/pst900_add_segformer.yaml"
    data = f"data.root={layouts / 'pst900'}"
    command = [sys.executable, "-m", "training.train", "--config", str(file), *SMALL, data, *short]
    done = subprocess.run(
        [*command, f"run.dir={run}"], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    card = read_card(run / "best.safetensors")
    assert (card.config["fusion"], card.config["decoder"]) == ("add", "segformer")
    network = load_model(run / "best.safetensors")
    assert "segformer.classifier.weight" in network.state_dict()
    assert not any(name.startswith(("sacf", "hpd")) for name in network.state_dict())
