"""Every command, option, file, parameter and link of the README and of docs/ exists."""

import argparse
import ast
import importlib
import itertools
import re
import shlex
import typing
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from pages import DOCS, PAGES, README, blocks, headings, inline_code, links, prose, shell_lines, text_of
from places import REPOSITORY

from rgbt_seg_ros import rgbt
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.runs.evaluation import EvaluationJson, ScoresJson
from rgbt_seg_ros.runs.summary import SummaryJson
from rgbt_seg_ros.settings import PARAMETERS
from training.config import load_config

MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
UPSTREAM = {
    *("cd", "docker", "git", "mkdir", "rviz2", "sed", "source", "ssh"),
    *("ros2 bag", "ros2 lifecycle", "ros2 service", "ros2 topic", "ros2 run tf2_ros"),
    *("python3 -m venv", "python3 -c", "rgbt/bin/pip"),
}
"""Programs of others: what they are given is not checked."""
PAGE_MAKERS = {"rgbt_seg_ros.settings.reference", "training.measure.performance_page"}
"""Modules without options that write a page."""
TOPICS = re.compile(r"/?(\w+/)?(rgb|thermal)/(image|camera_info)|/rgbt_segmenter/\w+|__ns|~/\w+")

page_of = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def module_of(name: str) -> str:
    return f"training.{name}" if name in rgbt.GROUPS["train"] else f"rgbt_seg_ros.{name}"


@cache
def parser_of(module: str) -> argparse.ArgumentParser:
    """The parser that the command makes of its arguments."""
    made: list[argparse.ArgumentParser] = []

    def caught(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        made.append(parser)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("argparse.ArgumentParser.parse_args", caught)
        patch.setattr("argparse.ArgumentParser.parse_known_args", caught)
        patch.setattr("sys.argv", [module])
        with pytest.raises(SystemExit):
            importlib.import_module(module).main()
    return made[0]


@cache
def options_of(module: str) -> frozenset[str]:
    return frozenset(option for action in parser_of(module)._actions for option in action.option_strings)


def check_ros_arguments(words: list[str]) -> None:
    """Behind --ros-args: parameters that exist, topics of the node, files that are there or were made before."""
    for option, value in itertools.pairwise(words):
        if option == "-p":
            assert value.partition(":=")[0] in {*PARAMETERS, "use_sim_time"}, value
        if option == "-r":
            assert TOPICS.fullmatch(value.partition(":=")[0]), value
        if option == "--params-file" and value.startswith("config/"):
            assert (REPOSITORY / value).is_file(), value


def check_command(module: str, words: list[str]) -> None:
    """A command of ours: its parser takes the words, its configurations and their keys exist."""
    if not module.startswith("examples."):
        assert module in {*map(module_of, rgbt.COMMANDS), *PAGE_MAKERS}, module
    if module in PAGE_MAKERS:
        return
    if ">" in words:
        words = words[: words.index(">")]
    if "--ros-args" in words:
        check_ros_arguments(words[words.index("--ros-args") :])
        words = words[: words.index("--ros-args")]
    if module == "rgbt_seg_ros.node":
        assert not words
        return
    parser = parser_of(module)
    try:
        parser.parse_args(words)
    except SystemExit as refused:
        raise AssertionError(f"{module} refuses {shlex.join(words)}") from refused
    overrides = [word for word in words if re.fullmatch(r"[a-z_]+\.[a-z_.]+=\S+", word)]
    for option, value in itertools.pairwise(words):
        if option in ("--config", "--train"):
            load_config(REPOSITORY / value, overrides)


def check_launch(file: str, words: list[str]) -> None:
    """Every argument is a parameter, or stands in one of our launch files."""
    assert (REPOSITORY / "launch" / file).is_file(), file
    known = "".join(path.read_text() for path in (REPOSITORY / "launch").glob("*.py"))
    for word in words:
        name, _, value = word.partition(":=")
        assert word == "--show-args" or name in PARAMETERS or f'"{name}"' in known, word
        if name == "params_file" and value.startswith("config/"):
            assert (REPOSITORY / value).is_file(), value


def check_line(line: str) -> None:
    """One line of a `bash` block."""
    words = shlex.split(line, comments=True)
    while words and (words[0] == "nice" or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    if "&&" in words:
        for part in " ".join(words).split(" && "):
            check_line(part)
    elif not words or any(" ".join(words[:count]) in UPSTREAM for count in (1, 2, 3)):
        pass
    elif "-m" in words and words[0] in ("python3", "python", "torchrun"):
        at = words.index("-m")
        check_command(words[at + 1], words[at + 2 :])
    elif words[0] == "make":
        assert words[1] in TARGETS, line
        for word in words[2:]:
            assert f"$({word.partition('=')[0]})" in MAKEFILE, line
    elif words[:3] == ["ros2", "launch", "rgbt_seg_ros"]:
        check_launch(words[3], words[4:])
    elif words[:3] == ["ros2", "run", "rgbt_seg_ros"]:
        name = words[3].replace("segmenter", "node")
        assert name in rgbt.COMMANDS, line
        check_command(module_of(name), words[4:])
    elif words[:2] == ["ros2", "param"]:
        assert words[4] in PARAMETERS, line
    elif words[0] == "rgbt":
        check_command(module_of(words[1]), words[2:])
    else:
        script = REPOSITORY / words[0].removeprefix("rgbt_seg_ros/")
        assert script.is_file(), line
        assert all(word in script.read_text() for word in words[1:]), line


LINES = [(page, line) for page in PAGES for line in shell_lines(page)]


def test_there_are_commands_to_check():
    assert len(LINES) > 100
    assert {page.name for page, _ in LINES} >= {
        "README.md",
        "first_camera.md",
        "recordings.md",
        "training.md",
    }


@page_of
def test_every_command_is_one_that_its_program_takes(page: Path) -> None:
    for line in shell_lines(page):
        check_line(line)


def test_a_command_that_is_not_taken_is_found():
    for line in (
        "python3 -m rgbt_seg_ros.segment a.png b.png --modell default -o mask.png",
        "python3 -m rgbt_seg_ros.segmentt a.png b.png",
        "python3 -m training.train --config config/train/nano/shifnet_msrs.yaml data.rot=DIR",
        "python3 -m rgbt_seg_ros.node --ros-args -p modell:=default",
        "make demoo",
        "make demo FILM=a.mp4",
        "ros2 launch rgbt_seg_ros segment.launch.py rgbb:=/cam",
        "ros2 run rgbt_seg_ros segmentt",
        "some_program --option",
    ):
        with pytest.raises((AssertionError, UserError)):
            check_line(line)


def test_every_command_has_its_place_in_the_list():
    page = text_of(REPOSITORY / "docs" / "commands.md")
    rows = re.findall(r"^\| `(\w+)` \| .*\]\(", page, re.MULTILINE)
    assert sorted(rows) == sorted(rgbt.COMMANDS)


@page_of
def test_inline_code_names_what_there_is(page: Path) -> None:
    """Targets of make, commands, launch arguments, options, files, parameters and keys of training."""
    options = {option for name in rgbt.COMMANDS if name != "node" for option in options_of(module_of(name))}
    scripts = "".join(path.read_text() for path in (REPOSITORY / "scripts").iterdir() if path.is_file())
    for code in inline_code(page):
        if match := re.match(r"make ([a-z-]+)", code):
            assert match[1] in TARGETS, code
        if match := re.match(
            r"(?:python3? -m (?:rgbt_seg_ros|training)\.|ros2 run rgbt_seg_ros |rgbt )([a-z_.]+)", code
        ):
            assert match[1] in {*rgbt.COMMANDS, "settings.reference", "segmenter"}, code
        if match := re.fullmatch(r"(--[a-z][a-z-]+)(?:[ =]\S+)*", code):
            assert match[1] in {*options, *OTHERS_OPTIONS} or match[1] in scripts, code
        if match := re.match(r"(config|scripts|launch|environment|resource|test|fuzz|docs)/[\w./-]+$", code):
            assert re.search("[A-Z]{4}", code) or (REPOSITORY / code).exists(), code
        if match := re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)+)(?::=|: ).*", code):
            assert match[1] in PARAMETERS, code


OTHERS_OPTIONS = {
    *("--net", "--ipc", "--gpus", "--shm-size", "--symlink-install", "--compression-mode", "--build-arg"),
    *("--clock", "--show-args", "--ros-args", "--params-file", "--upgrade-package"),
}
"""Options of docker, colcon, pip, uv and ros2."""


@page_of
def test_every_parameter_that_is_named_exists(page: Path) -> None:
    groups = {name.partition(".")[0] for name in PARAMETERS if "." in name} - {"rgb"}
    prefixes = {name[:at] for name in PARAMETERS for at in range(len(name)) if name[at] == "."}
    for code in inline_code(page):
        if re.fullmatch(rf"({'|'.join(sorted(groups))})(\.[a-z_]+)+", code):
            assert code in PARAMETERS or code in prefixes or code.endswith(".jsonl"), code


@page_of
def test_every_key_of_training_that_is_named_exists(page: Path) -> None:
    config = load_config()
    for code in inline_code(page):
        if match := re.fullmatch(r"(data|augment|model|loss|train|run)\.([a-z_0-9]+)(=.*)?", code):
            assert hasattr(getattr(config, match[1]), match[2]) or match[2] == "safetensors", code


@page_of
def test_every_link_leads_to_a_heading_or_a_file(page: Path) -> None:
    for link in links(page):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.is_file(), link
        assert not heading or heading in headings(target), link


@page_of
def test_links_and_lists_are_read_alike_by_github_and_the_site(page: Path) -> None:
    """Python-Markdown takes a list or a table behind a line of text for more of that text."""
    before = ""
    for line in prose(page).splitlines():
        starts = re.match(r"(- |\d+\. |\| )", line)
        if starts and before.strip() and not re.match(r"\s*(- |\d+\. |\||  )", before):
            pytest.fail(f"no empty line before {line!r}")
        before = line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_snippets_are_yaml_and_python_snippets_python(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert yaml.safe_load(block)
    for block in blocks(page, "python"):
        ast.parse(block)


def test_the_snippets_about_models_run():
    names = {"rgb": np.zeros((48, 64, 3), np.uint8), "thermal": np.zeros((24, 32), np.uint16)}
    for block in blocks(REPOSITORY / "docs" / "model_file.md", "python"):
        exec(block, names)
    assert names["out"].mask.shape == names["out"].confidence.shape == (48, 64)
    assert names["logits"].shape[2:] == (240, 320)


def test_the_table_of_settings_equals_the_declarations():
    page = text_of(REPOSITORY / "docs" / "first_camera.md")
    rows = re.findall(r"^\| `([a-z._]+)` \| `?([^|`]+?)`? \|", page, re.MULTILINE)
    documented = {name: default for name, default in rows if name in PARAMETERS}
    assert len(documented) >= 8
    for name, default in documented.items():
        declared = PARAMETERS[name].default
        assert default.split()[0] == (f"{declared:g}" if isinstance(declared, float) else str(declared)), name


def test_every_page_has_one_title_and_is_not_the_readme():
    for page in DOCS:
        assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1, page.name
    assert README not in DOCS


def test_commands_are_written_one_way():
    """`python` alone is missing on a plain Ubuntu; README and docs/commands.md say how the other forms follow."""
    for page in PAGES:
        assert not re.findall(r"(?<![\w/])python -m (?:rgbt_seg_ros|training|examples)\S*", text_of(page)), (
            page.name
        )


def test_the_keys_of_results_are_those_that_are_written():
    _, summary, scores, _ = re.split(
        r"^## ", text_of(REPOSITORY / "docs" / "results.md"), flags=re.MULTILINE
    )[1:]
    evaluation = set(typing.get_type_hints(EvaluationJson))
    of_a_split = evaluation - set(typing.get_type_hints(ScoresJson))
    assert keys_of(summary) == set(typing.get_type_hints(SummaryJson)) - (
        of_a_split - {"model", "model_hash"}
    )
    assert keys_of(scores) == evaluation | {"miou", "macc"}


def keys_of(section: str) -> set[str]:
    """What the first column of its table names."""
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def test_every_extra_that_is_named_exists():
    setup = (REPOSITORY / "setup.py").read_text()
    named = {
        extra for page in PAGES for extra in re.findall(r"(?:\.|rgbt_seg_ros)\[([a-z]+)\]", text_of(page))
    }
    assert len(named) >= 5
    assert [extra for extra in sorted(named) if f'"{extra}": ' not in setup] == []
