"""Commands answer at once: help and refusals come before PyTorch, ROS and the like are imported."""

import argparse
import json
import subprocess
import sys
import time

import pytest
from places import REPOSITORY

from rgbt_seg_ros import rgbt
from rgbt_seg_ros.base import cli
from rgbt_seg_ros.base.errors import UserError
from training import export
from training.config.schema import DATA_NAMES, FOLDER
from training.data.sources import DATASETS
from training.weights.export_formats import FORMATS

SLOW = (
    "torch",
    "torchvision",
    "rclpy",
    "transformers",
    "scipy",
    "matplotlib",
    "sklearn",
    "accelerate",
    "peft",
    "rich",
)
PARSERS_NEED_NOT = (*SLOW, "cv2", "rosbags", "jinja2")

# For each command line: its exit code, what it printed, and which slow packages it has imported; in one process.
RUN_ALL = """
import contextlib, io, json, sys
from importlib import import_module
sys.path.insert(0, CHECKOUT)
answers = []
for module, *arguments in json.load(sys.stdin):
    said = io.StringIO()
    sys.argv = [module, *arguments]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = import_module(module).main()
        except SystemExit as ended:
            code = ended.code
    answers.append([code, said.getvalue(), sorted(set(SLOW) & set(sys.modules))])
json.dump(answers, sys.stdout)
"""


def module_of(name: str) -> str:
    return f"training.{name}" if name in rgbt.GROUPS["train"] else f"rgbt_seg_ros.{name}"


MODULES = [*map(module_of, rgbt.COMMANDS), "rgbt_seg_ros.scenes.__main__"]


def answers_of(commands: list[list[str]], slow: tuple[str, ...]) -> list[tuple[int, str, list[str]]]:
    script = f"CHECKOUT, SLOW = {str(REPOSITORY)!r}, {slow!r}\n{RUN_ALL}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    return [(code, said, slow) for code, said, slow in json.loads(done.stdout)]


def test_help_imports_nothing_slow() -> None:
    assert len(MODULES) == 23
    commands = [[module, "--help"] for module in MODULES]
    for command, (code, said, imported) in zip(commands, answers_of(commands, PARSERS_NEED_NOT), strict=True):
        assert (code, imported) == (0, []), command
        assert "examples:" in said, command


WRONG = {
    "rgbt_seg_ros.segment nope.png nope.png -o mask.png": "there is no image nope.png",
    "rgbt_seg_ros.segment README.md none -o mask.png": "README.md",
    "rgbt_seg_ros.segment none none -o mask.png": "neither an RGB nor a thermal image",
    "rgbt_seg_ros.segment nope.png none -o mask.jpg": "need a name ending in .png",
    "rgbt_seg_ros.segment nope.png none -o mask.png --model nope": "there is no model file nope",
    "rgbt_seg_ros.segment nope.png none -o mask.png --min-area 0": "detections.min_area must be",
    "rgbt_seg_ros.segment nope.png none -o mask.png --nope": "unrecognized arguments: --nope",
    "rgbt_seg_ros.offline nope --output out": "there is no recording nope",
    "rgbt_seg_ros.offline config --output out --model nope": "there is no model file nope",
    "rgbt_seg_ros.demo --bag nope": "there is no recording nope",
    "rgbt_seg_ros.demo --rgb nope --thermal nope": "there is no nope: give a video",
    "rgbt_seg_ros.demo --model nope": "there is no model file nope",
    "rgbt_seg_ros.play nope": "there is no recording nope",
    "rgbt_seg_ros.evaluate_bag nope -o out": "there is no recording nope",
    "rgbt_seg_ros.watch --port 99999": "must be 0 to 65535",
    "rgbt_seg_ros.record": "required: -o",
    "rgbt_seg_ros.report nope": "nope has no masks.jsonl",
    "rgbt_seg_ros.make_bag --rgb nope --thermal nope -o bag": "there is no nope: give a video",
    "rgbt_seg_ros.render_bag -o bag --conditions nope": "invalid choice: 'nope'",
    "rgbt_seg_ros.calibrate_homography nope nope -o file.yaml": "there is no image nope",
    "rgbt_seg_ros.scenes.__main__ -o config": "config exists and is not an empty folder",
    "training.train --config nope": "there is no configuration file nope",
    "training.train --config config/train/shifnet_mfnet.yaml data.nope=3": "there is no key data.nope",
    "training.train --config config/train/shifnet_mfnet.yaml model.arch=nope": "model.arch is 'nope'",
    "training.train --resume nope": "nope holds no run to resume",
    "training.evaluate --data mfnet --root nope": "nope has not the MFNet layout",
    "training.evaluate --data mfnet --root nope --model nope": "there is no model file nope",
    "training.export --model nope --format onnx --size 64x64 -o file": "there is no model file nope",
    "training.benchmark --compare nope/nano": "there is no model architecture 'nope'",
    "training.benchmark --compare sartm/nope": "there is no SARTM size 'nope'",
    "training.benchmark --train nope": "there is no configuration file nope",
    "training.benchmark --model nope": "there is no model file nope",
    "training.import_checkpoint --from shifnet nope --classes fmb -o file": "there is no file nope",
    "training.embed_classes --classes nope -o file": "there is no class list 'nope'",
    "training.embed_classes --classes a,a -o file": "a class name occurs twice",
    "training.embed_classes --classes a,b --template a -o file": "the template 'a' needs one {}",
    "training.inspect_weights nope": "there is no file nope",
    "training.model_card --data mfnet --root nope --notes nope -o file": "there is no file nope",
    "training.model_card --data mfnet --root nope --notes README.md -o file": "nope has not the MFNet layout",
    "training.figures heat-maps -o file.png": "there is nothing to draw: give --model FILE",
    "training.figures heat-maps --model nope -o file.png": "there is no model file nope",
    "training.figures heat-maps --model default --data mfnet --root nope -o file.png": "has not the MFNet layout",
}  # fmt: skip


def test_what_cannot_be_used_is_refused_before_anything_slow() -> None:
    commands = [line.split() for line in WRONG]
    for (line, sentence), (code, said, imported) in zip(
        WRONG.items(), answers_of(commands, SLOW), strict=True
    ):
        assert sentence in said, line
        assert (code in (1, 2), imported) == (True, []), line
        assert "Traceback" not in said, line


def test_names_of_data_sets_are_those_of_their_classes() -> None:
    assert (*DATASETS, FOLDER) == DATA_NAMES


def test_words_of_export_are_its_formats() -> None:
    assert FORMATS.keys() == export.FORMATS.keys()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_one_of_several_processes_says_what_is_done(
    rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(cli, "_SILENT_S", 0.01)

    def prepare(_: argparse.Namespace) -> cli.Work:
        cli.announce("training")
        return lambda _: time.sleep(0.2)

    assert cli.run_command(cli.command_parser("command", "", ""), prepare, []) == 0
    assert capsys.readouterr().err == ("training\n" if rank == "0" else "")


def test_what_ends_at_once_says_its_mistake_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_SILENT_S", 0.2)

    def prepare(_: argparse.Namespace) -> cli.Work:
        cli.announce("training")
        raise UserError("there is no data")

    assert cli.run_command(cli.command_parser("command", "", ""), prepare, []) == 1
    time.sleep(cli._SILENT_S + 0.1)
    assert capsys.readouterr().err == "error: there is no data\n"
