"""The README's commands, options, parameters and files are the program's own."""

import importlib
import re
import shlex

import numpy as np
import pytest
from places import REPOSITORY

from rgbt_seg_ros.settings import PARAMETERS

README = (REPOSITORY / "README.md").read_text()
BASH_BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
LINES = [line for block in BASH_BLOCKS for line in block.replace("\\\n", " ").splitlines()]


def python_commands() -> list[list[str]]:
    """`[module, argument, ...]` of each `python3 -m` line."""
    words = [shlex.split(line, comments=True) for line in LINES]
    return [line[2:] for line in words if line[:2] == ["python3", "-m"]]


def test_there_are_commands_to_check():
    assert len(python_commands()) >= 8


@pytest.mark.parametrize("command", python_commands(), ids=lambda command: command[0])
def test_every_option_of_a_command_is_in_its_help(command, monkeypatch, capsys):
    module, *arguments = command
    monkeypatch.setattr("sys.argv", [module, "--help"])
    with pytest.raises(SystemExit) as exit_:
        importlib.import_module(module).main()
    assert exit_.value.code == 0
    help_text = capsys.readouterr().out
    assert "examples:" in help_text
    if "--ros-args" in arguments:
        arguments = arguments[: arguments.index("--ros-args")]
    for option in (word for word in arguments if re.fullmatch(r"--?[a-z][a-z-]*", word)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text), option


def test_every_make_target_exists():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = {shlex.split(line, comments=True)[1] for line in LINES if line.startswith("make ")}
    assert targets >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_parameter_table_equals_the_declarations():
    rows = re.findall(r"^\| `([a-z._]+)` \| `?([^|`]+?)`? \|", README, re.MULTILINE)
    documented = {name: default for name, default in rows if name in PARAMETERS}
    assert len(documented) >= 8
    for name, default in documented.items():
        declared = PARAMETERS[name].default
        assert default.split()[0] == (f"{declared:g}" if isinstance(declared, float) else str(declared)), name


def test_every_linked_file_exists():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert "config/segment.yaml" in links
    for link in links:
        assert (REPOSITORY / link).is_file(), link


def test_the_python_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {"rgb": np.zeros((48, 64, 3), np.uint8), "thermal": np.zeros((24, 32), np.uint16)}
    exec(example, names)
    assert names["out"].mask.shape == names["out"].confidence.shape == (48, 64)
