"""docs/reproduce.md: its commands, configurations and counted hours are the program's own."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch
from places import REPOSITORY

from rgbt_seg_ros.models import build_model
from rgbt_seg_ros.models.serving_form import serving_form
from training.benchmark import main as benchmark
from training.config import load_config
from training.measure.baseline import plain_form
from training.measure.multiply_adds import forward_multiply_adds

PAGE = (REPOSITORY / "docs/reproduce.md").read_text()
LINES = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
COMMANDS = [shlex.split(line)[2:] for line in LINES if line.startswith("python3 -m ")]
ROWS = re.findall(r"^\|.*\| `(\w+/[\w.]+\.yaml)` \|.*\| (\w+) \|$", PAGE, re.MULTILINE)
HOURS = dict(re.findall(r"^\|.*\| `(\w+/\w+\.yaml)` \|.*\| ([\d.]+) \| \w+ \|$", PAGE, re.MULTILINE))


NETWORKS = re.findall(
    r"^\| (SHIFNet|SARTM) `(\w+)` \| ([\d.]+) M \| ([\d.]+) M \| ([\d.]+) G \| ([\d.]+) G \|$",
    PAGE,
    re.MULTILINE,
)


def configured(command: list[str]) -> str | None:
    """The configuration file of a command, after `--config` or `--train`."""
    for option in ("--config", "--train"):
        if option in command:
            return command[command.index(option) + 1]
    return None


def below_train(path: str | None) -> str:
    """How the tables name a configuration file: by its path in config/train."""
    return Path(str(path)).relative_to("config/train").as_posix()


def test_every_line_is_a_command_of_ours():
    assert len(COMMANDS) == len(LINES) > 15


@pytest.mark.parametrize("module", sorted({command[0] for command in COMMANDS}))
def test_options_are_in_the_commands_help(module, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [module, "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module(module).main()
    help_text = capsys.readouterr().out
    options = {word for command in COMMANDS if command[0] == module for word in command if word[0] == "-"}
    for option in options:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text), option


@pytest.mark.parametrize("command", [c for c in COMMANDS if configured(c)], ids=" ".join)
def test_configurations_and_overrides_are_valid(command):
    overrides = [word for word in command if re.fullmatch(r"[a-z_.]+=\S+", word)]
    config = load_config(REPOSITORY / str(configured(command)), overrides)
    if command[0] == "training.train":
        assert config.data.root == f"data/{config.data.name.removesuffix('15')}"
        assert str(config.model.base_weights).endswith(f"_{config.model.size}.pt")


def test_scored_models_are_what_the_runs_leave():
    trained = {
        load_config(REPOSITORY / str(configured(c))).run.dir for c in COMMANDS if c[0] == "training.train"
    }
    scored = {c[c.index("--model") + 1] for c in COMMANDS if c[0] == "training.evaluate"}
    runs = {str(Path(model).parent) for model in scored if model.startswith("runs/")}
    assert len(runs) >= 4
    assert runs <= trained


def test_every_row_has_a_command_and_says_that_it_was_not_measured():
    folder = REPOSITORY / "config/train"
    files = {path.relative_to(folder).as_posix() for path in folder.glob("*/*.yaml")}
    assert {file for file, _ in ROWS} == {file for file in files if not file.startswith("nano/")}
    assert HOURS.keys() <= {below_train(configured(c)) for c in COMMANDS if c[0] == "training.train"}
    assert {measured for _, measured in ROWS} == {"no"}


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c[0] == "training.benchmark" and "--count-only" in c], ids=" ".join
)
def test_hours_are_those_that_the_benchmark_counts(command, capsys):
    path = str(configured(command))
    assert benchmark([str(REPOSITORY / path) if word == path else word for word in command[1:]]) == 0
    hours = HOURS[below_train(path)]
    counted = re.search(r"([\d.]+) hours at 11.2 TFLOP/s", capsys.readouterr().out)
    assert counted is not None
    assert float(hours) == pytest.approx(float(counted[1]), rel=0.005)


@pytest.mark.parametrize("row", [row for row in NETWORKS if row[1] == "nano"], ids=" ".join)
def test_the_table_of_networks_is_counted(row):
    arch, size, *numbers = row
    plain, served = (
        build_model(arch.lower(), {"size": size}, torch.eye(9, 384), served=served)
        for served in (False, True)
    )
    weights = list(plain.parameters())
    counted = [
        sum(p.numel() for p in weights) / 1e6,
        sum(p.numel() for p in weights if p.requires_grad) / 1e6,
        forward_multiply_adds(plain_form(plain), (480, 640)).total / 1e9,
        forward_multiply_adds(serving_form(served), (480, 640)).total / 1e9,
    ]
    for told, number in zip(numbers, counted, strict=True):
        assert told == f"{number:.{len(told.partition('.')[2])}f}"


def test_the_table_of_networks_has_those_that_the_command_compares():
    (command,) = (c for c in COMMANDS if "--compare" in c)
    names = [word for word in command if "/" in word]
    assert [f"{arch.lower()}/{size}" for arch, size, *_ in NETWORKS] == names


def test_the_measured_step_is_of_large_with_checkpointing():
    (command,) = (c for c in COMMANDS if c[0] == "training.benchmark" and "--steps" in c)
    overrides = [word for word in command if re.fullmatch(r"[a-z_.]+=\S+", word)]
    config = load_config(REPOSITORY / str(configured(command)), overrides)
    assert (config.model.size, config.train.checkpointing) == ("large", True)
    assert (config.augment.crop_height, config.augment.crop_width) == (480, 640)
    assert (config.train.batch_size, config.train.precision) == (1, "fp32")
