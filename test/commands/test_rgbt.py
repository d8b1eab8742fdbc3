"""The command in front of all others."""

import subprocess
import sys

import pytest
from places import REPOSITORY

from rgbt_seg_ros import rgbt


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-X", "importtime", "-m", "rgbt_seg_ros.rgbt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)


def test_help_names_every_command_of_the_package_and_loads_none() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name, what in rgbt.COMMANDS.items():
        assert f"  {name:22}{what}\n" in done.stdout
    files = {
        path.stem for folder in ("rgbt_seg_ros", "training") for path in (REPOSITORY / folder).glob("*.py")
    }
    assert rgbt.COMMANDS.keys() == files - {"__init__", "rgbt"}
    for heavy in ("torch", "numpy", "cv2", "rclpy"):
        assert f"| {heavy}\n" not in done.stderr, heavy


@pytest.mark.parametrize("name", ["calibrate_homography", "calibrate-homography", "evaluate"])
def test_a_command_is_run_with_its_arguments(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rgbt"])
    with pytest.raises(SystemExit) as ended:
        rgbt.main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    called = f"rgbt {name.replace('-', '_')}"
    assert said.startswith(f"usage: {called} [-h]")
    assert f"examples:\n  {called} " in said
    assert f"python -m rgbt_seg_ros.{called.split()[1]}" not in said


def test_its_exit_code_is_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rgbt"])
    assert rgbt.main(["report", "no_such_folder"]) == 1
    assert "no_such_folder" in capsys.readouterr().err


def test_a_wrong_word_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert rgbt.main(["segmnt"]) == 2
    assert (
        capsys.readouterr().err == "error: rgbt has no command 'segmnt', did you mean segment? rgbt --help\n"
    )
    assert rgbt.main([]) == 2
    assert "usage: rgbt COMMAND" in capsys.readouterr().out
