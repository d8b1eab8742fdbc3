"""A child that dies or hangs is an error with its last words, and none outlives its context."""

import os
from pathlib import Path

import pytest

from rgbt_seg_ros.base.child_process import ChildProcess, wait_until
from rgbt_seg_ros.base.errors import UserError


def make_bag(tmp_path: Path, *arguments: str) -> ChildProcess:
    """A child of this package that needs no ROS."""
    return ChildProcess("converter", "make_bag", arguments, os.environ, tmp_path / "converter.log")


def test_death_is_reported_with_the_last_words(tmp_path: Path) -> None:
    with (
        make_bag(tmp_path, "--rgb", "nowhere.mp4", "--thermal", "x.mp4", "-o", str(tmp_path / "b")) as child,
        pytest.raises(UserError, match=r"converter ended early with code 1: error: there is no nowhere\.mp4"),
    ):
        wait_until(lambda: False, [child], 60, "nothing")
    with pytest.raises(UserError, match="converter failed with code 1"):
        child.wait(0)


def test_good_end(tmp_path: Path) -> None:
    with make_bag(tmp_path, "--help") as child:
        child.wait(60)
    assert child.exit_code == 0
    assert "usage" in child.log.read_text()


def test_a_condition_that_does_not_come_true(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the moon did not come within 0 s"):
        wait_until(lambda: False, [], 0, "the moon")


def test_no_child_outlives_its_context(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), make_bag(tmp_path, "--help") as child:
        raise RuntimeError
    assert child.exit_code is not None
