"""Every command that writes ends with the names of its files, those for people first."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
from named_files import check_named
from places import REPOSITORY
from recorded_runs import write_run

from rgbt_seg_ros import rgbt

POINTS = "rgb_x,rgb_y,thermal_x,thermal_y\n10,10,10,10\n80,10,80,11\n80,50,79,50\n10,50,9,50\n40,30,40,30\n"
TINY = [
    "model.from_scratch=true",
    "train.max_steps=1",
    "train.batch_size=1",
    "train.eval_every=1",
    "data.workers=0",
]
TINY += ["data.name=scenes", "data.rendered_stills=1", "data.rendered_val=1", "train.log_every=1"]
TINY += [
    "data.rendered_height=64",
    "data.rendered_width=96",
    "augment.crop_height=64",
    "augment.crop_width=96",
]

# In this order, as the later ones read what the earlier ones have written; {} is the folder.
COMMANDS = {
    "segment": "{}/rgb.png {}/thermal.png -o {}/segmented/mask.png",
    "render_bag": "-o {}/rendered --duration 0.2",
    "make_bag": "--rgb {}/vi --thermal {}/ir -o {}/made",
    "offline": "{}/rendered -o {}/offline",
    "report": "{}/run",
    "calibrate_homography": "{}/rgb.png {}/thermal.png --points {}/points.csv --overlay {}/laid.png -o {}/h.yaml",
    "scenes.__main__": "-o {}/scenes --stills 5 --sheet {}/scenes.png",
    "inspect_data": "--data msrs --root {}/scenes -o {}/found.json --sheet {}/found.png",
    "evaluate": "--data msrs --root {}/scenes --split val -o {}/scores.json --sheet {}/s.png --confusion {}/c.png "
    "--report {}/report",
    "figures": "side-by-side --model default --data msrs --root {}/scenes --split val -o {}/figure.png",
    "model_card": "--data msrs --root {}/scenes --split val --notes {}/points.csv --rendered 1 -o {}/card.md",
    "export": "--format torch-export --size 64x96 -o {}/model.pt2",
    "benchmark": "--size 64x96 --pairs 1 -o {}/speed.json",
    "embed_classes": "--classes car,person -o {}/embeddings.safetensors",
    "train": f"--config config/train/nano/shifnet_msrs.yaml -o {{}}/trained {' '.join(TINY)}",
}
FIRST = {
    "segment": "mask_overlay.png",
    "offline": "report.html",
    "report": "report.html",
    "calibrate_homography": "laid.png",
    "scenes.__main__": "scenes.png",
    "inspect_data": "found.png",
    "evaluate": "report.html",
}
"""What is for people, where there is anything else."""

ELSEWHERE = {"demo", "record", "evaluate_bag", "import_checkpoint"}
"""Tested with the rest of them: they need other processes, or large files."""

WRITE_NOTHING = {"node", "watch", "play", "inspect_weights"}


def test_all_commands_are_walked_over() -> None:
    assert COMMANDS.keys() - {"scenes.__main__"} | ELSEWHERE | WRITE_NOTHING == rgbt.COMMANDS.keys()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, also as folders of one, points in them, and a run without its report."""
    folder = tmp_path_factory.mktemp("place")
    noise = np.random.default_rng(0)
    for kind, name, shape in (("vi", "rgb", (64, 96, 3)), ("ir", "thermal", (64, 96))):
        image = noise.integers(0, 256, shape, np.uint8)
        (folder / kind).mkdir()
        assert cv2.imwrite(str(folder / kind / "0.png"), image)
        assert cv2.imwrite(str(folder / f"{name}.png"), image)
    (folder / "points.csv").write_text(POINTS)
    write_run(folder / "run")
    return folder


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], int]:
    monkeypatch.chdir(REPOSITORY)

    def run_command(name: str, arguments: str) -> int:
        package = "training" if name in rgbt.GROUPS["train"] else "rgbt_seg_ros"
        words = arguments.replace("{}", str(place)).split()
        monkeypatch.setattr("sys.argv", [name, *words])
        code: int = import_module(f"{package}.{name}").main()
        return code

    return run_command


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_names_is_what_it_wrote(
    name: str, place: Path, run: Callable[[str, str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path for path in place.rglob("*") if path.is_file()}
    assert run(name, COMMANDS[name]) == 0, capsys.readouterr().err
    named = check_named(capsys.readouterr().out, place, before)
    assert named[0].name == FIRST.get(name, named[0].name)
    assert len(named) == 1 or name in FIRST or name == "train"


def test_numbers_are_where_output_says(place: Path) -> None:
    """`-o` is `--json` where there is no other output."""
    for name in ("found", "scores", "speed"):
        assert json.loads((place / f"{name}.json").read_text())
