"""The figures of the papers: each kind is drawn by its command, and what cannot be drawn is said."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from places import REPOSITORY
from random_model import write_model
from safetensors.torch import load_file
from training_runs import SARTM, train_tiny, write_msrs

from rgbt_seg_ros.masks.classes import FMB
from training import figures

PAGE = (REPOSITORY / "docs/figures.md").read_text()
COMMANDS = {
    line.split()[3]: shlex.split(line)[3:]
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, data and a run of SARTM under the names of the page; its data set has MSRS' layout."""
    place = tmp_path_factory.mktemp("figures")
    write_msrs(place / "data/mfnet")
    write_model(place / "a.safetensors")
    write_model(place / "b.safetensors", arch="sartm")
    # The loss's weights for random features, see config/train/nano/sartm_msrs.yaml.
    overrides = (*SARTM, "loss.prototype=100", "train.max_steps=4", "train.eval_every=2")
    (place / "runs").mkdir()
    assert train_tiny(place / "runs/sartm_mfnet", *overrides) == 0
    return place


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_pages_commands_draw(place: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    command = [{"mfnet": "msrs"}.get(word, word) for word in COMMANDS[kind]]
    images = [] if kind == "similarity" else ["--split", "train"]
    assert figures.main([*command, *images]) == 0
    output = Path(command[-1])
    if output.suffix == ".pdf":
        assert output.read_bytes().startswith(b"%PDF")
        return
    with Image.open(output) as picture:
        assert min(picture.size) > 200
        assert len(np.unique(np.array(picture.convert("L")))) > 20


def test_every_kind_is_on_the_page() -> None:
    assert tuple(COMMANDS) == figures.KINDS


def test_training_keeps_how_alike_classes_are(place: Path) -> None:
    files = sorted((place / "runs/sartm_mfnet/class_similarity").iterdir())
    assert [file.name for file in files] == ["step_000002.safetensors", "step_000004.safetensors"]
    tensors = load_file(files[-1])
    assert tensors["visual"].shape == tensors["text"].shape == (9, 9)
    seen = tensors["seen"]
    assert seen.any()
    torch.testing.assert_close(tensors["visual"].diag()[seen], torch.ones(int(seen.sum())))
    torch.testing.assert_close(tensors["text"].diag(), torch.ones(9))


def test_what_cannot_be_drawn_is_said(place: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(place)
    write_model(place / "fmb.safetensors", FMB)
    data = ["--data", "msrs", "--root", "data/mfnet", "--split", "train", "-o", "out.png"]
    faults = {
        "give --model FILE": ["side-by-side", *data],
        "give --data NAME --root DIR": ["side-by-side", "--model", "a.safetensors", "-o", "out.png"],
        "two are called a: give --model TITLE=PATH": ["features", *["--model", "a.safetensors"] * 2, *data],
        "fmb knows road": ["side-by-side", "--model", "fmb.safetensors", *data],
        "has no image x": ["side-by-side", "--model", "a.safetensors", "--images", "x", *data],
        "there is no class 'sky'": ["heat-maps", "--model", "a.safetensors", "--class", "sky", *data],
        "there is no level 7": ["heat-maps", "--model", "a.safetensors", "--level", "7", *data],
        "holds no model": ["similarity", "--run", "data", "-o", "out.png"],
        "give --run RUN": ["similarity", "-o", "out.png"],
    }
    for sentence, arguments in faults.items():
        assert figures.main(arguments) == 1, sentence
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    with pytest.raises(SystemExit):
        figures.main(["similarity", "--run", "a", "-o", "out.jpg"])
    assert not (place / "out.png").exists()


def test_t_sne_says_what_it_needs(place: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr("training.scoring.paper_figures.find_spec", lambda name: None)
    arguments = [
        "features",
        "--model",
        "a.safetensors",
        "--data",
        "msrs",
        "--root",
        "data/mfnet",
        "--split",
        "train",
    ]
    assert figures.main([*arguments, "-o", "out.png"]) == 1
    assert "t-SNE needs the package scikit-learn: run `pip install scikit-learn`" in capsys.readouterr().err
