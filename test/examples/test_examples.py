"""Every example and the notebook of examples/ runs, and does what it says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from places import REPOSITORY

from examples import folder_to_masks, one_pair, train_ten_pairs
from examples.rendered_pairs import write_pairs
from rgbt_seg_ros.models import read_card
from rgbt_seg_ros.segmenter import Segmenter

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
NOTEBOOK = REPOSITORY / "examples/first_steps.ipynb"
PAGE = REPOSITORY / "docs/examples.md"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs in folders of a user's own."""
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, 2, (96, 128))
    return folder


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_a_screen_and_is_on_the_page(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 60
    assert file.name in PAGE.read_text()
    assert NOTEBOOK.name in PAGE.read_text()


def test_what_the_page_runs_is_there() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    commands = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    modules = [words[2] for words in commands if words[:2] == ["python3", "-m"]]
    assert len(modules) >= 5
    for module in modules:
        assert (REPOSITORY / f"{module.replace('.', '/')}.py").is_file()


def test_one_pair_becomes_a_picture_with_people_found_at_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    one_pair.main([])
    said = capsys.readouterr().out
    (people,) = re.findall(r"^person +([0-9.]+) %", said, re.MULTILINE)
    assert 1.0 < float(people) < 4.0
    picture = cv2.imread("out/examples/one_pair.png")
    assert picture.shape == (480, 3 * 640, 3)
    rgb, _, overlay = np.split(picture, 3, axis=1)
    assert 0.05 < (rgb != overlay).any(axis=2).mean() < 0.5


def test_one_pair_takes_a_users_own(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(pairs / kind / "00.png") for kind in ("rgb", "thermal")]
    one_pair.main([*files, "-o", str(tmp_path / "new/mine.png")])
    assert cv2.imread(str(tmp_path / "new/mine.png")).shape == (96, 3 * 128, 3)
    with pytest.raises(SystemExit):
        one_pair.main(files[:1])
    assert "give an RGB and a thermal image, or neither" in capsys.readouterr().err


def test_a_folder_becomes_masks(pairs: Path, tmp_path: Path) -> None:
    (pairs / "thermal/01.png").rename(pairs / "thermal/01.PNG")
    (pairs / "rgb/alone.png").write_bytes((pairs / "rgb/00.png").read_bytes())
    masks = tmp_path / "masks"
    folder_to_masks.main([str(pairs / "rgb"), str(pairs / "thermal"), "-o", str(masks)])
    assert sorted(path.name for path in masks.iterdir()) == [
        "00.png",
        "00_overlay.jpg",
        "01.png",
        "01_overlay.jpg",
    ]
    rgb = cv2.imread(str(pairs / "rgb/01.png"))[..., ::-1]
    thermal = cv2.imread(str(pairs / "thermal/01.PNG"), cv2.IMREAD_UNCHANGED)
    expected = Segmenter.load()(rgb, thermal).mask
    np.testing.assert_array_equal(cv2.imread(str(masks / "01.png"), cv2.IMREAD_UNCHANGED), expected)


def test_a_folder_that_is_not_there_is_one_sentence() -> None:
    command = [sys.executable, "-m", "examples.folder_to_masks", "no_folder", "examples"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: .*No such file or directory: 'no_folder'\n", done.stderr)


def test_a_folder_of_rendered_pairs_is_there_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_to_masks.main([])
    assert len(list(Path("out/examples/masks").glob("*_overlay.jpg"))) == 8


def test_ten_pairs_become_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)  # it takes config/ from the checkout
    folder = tmp_path / "ten"
    train_ten_pairs.main(["--steps", "2", "-o", str(folder)])
    said = capsys.readouterr().out
    assert "2 images of folder test" in said
    assert read_card(folder / "run/best.safetensors").class_names == ("background", "car", "person")
    assert (folder / "test.png").is_file()
    with pytest.raises(SystemExit):
        train_ten_pairs.main(["-o", str(folder)])
    assert "has a run already" in capsys.readouterr().err


def test_the_notebook_runs_from_its_first_cell_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    done = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    both, colour = (
        float(re.search(rf"{title} +IoU of people ([0-9.]+)", text)[1]) for title in ("both", "RGB alone")
    )
    assert both > colour + 0.3, "it says what thermal is good for"
    assert "'unlabeled'" in text


def test_the_notebook_shows_its_pictures_before_it_is_run() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 3
    assert not [output for output in outputs if output["output_type"] == "error"]
