"""The environment that `make setup` makes, and what it says where it cannot."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "environment"))
import make_environment
import steps
from make_environment import (
    packages_step,
    python_problem,
    vision_msgs_step,
)
from steps import SetupError, Step

EXPECTED_HASHES = {
    f"{package}/{name}": type_hash
    for package in ("vision_msgs", "tf2_msgs")
    for name, type_hash in json.loads(
        (REPOSITORY / "resource" / package / "type_hashes.json").read_text()
    ).items()
}
needs_make_setup = pytest.mark.skipif(
    Path(sys.prefix) != REPOSITORY / ".venv",
    reason="tests the .venv of `make setup`, and another Python runs this",
)


@pytest.mark.parametrize("name", EXPECTED_HASHES)
def test_type_hash_on_the_graph(name: str) -> None:
    """What other machines see of our types; upstream's hashes are in type_hashes.json."""
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
    package, _, kind = name.partition("/")
    messages = pytest.importorskip(f"{package}.msg", reason=f"needs {package}: run `make setup` again")
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("type_hash", context=context)
    try:
        node.create_publisher(getattr(messages, kind), "typed", 1)
        (endpoint,) = node.get_publishers_info_by_topic("typed")
        assert str(endpoint.topic_type_hash) == EXPECTED_HASHES[name]
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


@needs_make_setup
def test_a_second_make_setup_does_nothing() -> None:
    packages = packages_step()
    vision_msgs = vision_msgs_step(packages)
    assert packages.is_done(), "run `make setup` first"
    assert vision_msgs.is_done(), "run `make setup` first"
    before = [
        path.stat().st_mtime_ns for path in (packages.mark, packages.log, vision_msgs.mark, vision_msgs.log)
    ]
    done = subprocess.run(
        ["make", "--no-print-directory", "setup"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"setup: {REPOSITORY / '.venv'} is complete\n"
    after = [
        path.stat().st_mtime_ns for path in (packages.mark, packages.log, vision_msgs.mark, vision_msgs.log)
    ]
    assert after == before


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, without a .venv."""
    shutil.copytree(REPOSITORY / "environment", tmp_path / "environment")
    shutil.copytree(REPOSITORY / "resource" / "vision_msgs", tmp_path / "resource" / "vision_msgs")
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    return tmp_path


def test_missing_compilers_are_one_sentence(bare_checkout: Path) -> None:
    script = bare_checkout / "environment" / "make_environment.py"
    environment = {key: value for key, value in os.environ.items() if key not in ("CC", "CXX")}
    environment["PATH"] = str(bare_checkout)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: a C compiler, a C++ compiler, make")
    assert "apt install build-essential" in done.stderr
    assert not (bare_checkout / ".venv").exists()


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
def test_a_python_without_wheels_is_one_sentence(bare_checkout: Path, version: tuple[int, int]) -> None:
    folder = bare_checkout / "environment"
    pretend = (
        f"import runpy, sys; sys.version_info = {version}; sys.path.insert(0, {str(folder)!r}); "
        f"runpy.run_path({str(folder / 'make_environment.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {python_problem(version)}\n"
    assert "Python 3.10 to 3.13 is needed" in done.stderr
    assert not (bare_checkout / ".venv").exists()


def test_make_without_any_python_is_one_sentence(bare_checkout: Path) -> None:
    programs = bare_checkout / "programs"
    programs.mkdir()
    for name in ("make", "sh"):
        (programs / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        [programs / "make", "setup"],
        cwd=bare_checkout,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(
        "error: no python3 could be found: install Python 3.10 to 3.13"
    )


def test_a_step_leaves_a_mark_only_when_it_went_through(tmp_path: Path) -> None:
    def step(key: str) -> Step:
        return Step("name", "title", key, tmp_path / "marks", tmp_path / "logs")

    works = [sys.executable, "-c", "print('fine')"]
    fails = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    assert not step("a").is_done()
    step("a").run([works], dict(os.environ))
    assert step("a").is_done()
    assert not step("b").is_done()
    with pytest.raises(SetupError, match=r"title failed; all of it is in .*name\.log.*\n.*\n  the reason"):
        step("b").run([works, fails], dict(os.environ))
    assert not step("a").is_done(), "a step that failed has changed the environment"
    assert not step("b").ever_finished()


def test_a_step_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "TOLD_EVERY_S", 0.05)
    step = Step("name", "title", "key", tmp_path, tmp_path, lambda log: log.count("done") / 4, later=1.0)
    step.run(
        [[sys.executable, "-c", "import time; print('done', flush=True); time.sleep(1)"]], dict(os.environ)
    )
    said = capsys.readouterr().out
    assert said.startswith("setup: title ...\n")
    assert re.search(r"\nsetup: title: 25 % done, about \d+ s left\n", said)
    assert re.search(r"\nsetup: title: done in \d+ s\n$", said)


@pytest.mark.parametrize(
    ("seconds", "fraction", "later", "words"),
    [
        (10, 0.0, 0.1, "10 s so far"),
        (60, 0.5, 0.0, "50 % done, about 60 s left"),
        (60, 0.25, 0.25, "25 % done, about 4 minutes left"),
        (100, 1.0, 0.0, "100 % done, about 1 s left"),
    ],
)
def test_what_is_left_is_guessed_by_what_is_done(
    seconds: float, fraction: float, later: float, words: str
) -> None:
    assert steps.progress(seconds, fraction, later) == words


def test_progress_of_the_messages_is_that_of_make(repository: Path) -> None:
    generator = (repository / "environment" / "generate_vision_msgs.py").read_text()
    assert sorted(make_environment.MESSAGES) == list(make_environment.MESSAGES)
    assert 'sorted((Path(__file__).resolve().parent.parent / "resource").glob("*_msgs"))' in generator
    log = "-- Configuring done\n"
    done = [make_environment.messages_done(log)]
    for line in ("[ 50%] Building", "[100%] Built", "-- Install configuration: 1", "[ 50%] x", "[100%] x"):
        log += line + "\n"
        done.append(make_environment.messages_done(log))
    assert done == [0.0, 0.05, 0.1, 0.1, 0.55, 1.0]
    assert make_environment.messages_done(log + "-- Install configuration: 2\n") == 1.0


def test_progress_of_the_packages_is_what_was_fetched_and_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_environment, "VENV", tmp_path)
    count = len(re.findall(r"^[\w.-]+==", make_environment.REQUIREMENTS.read_text(), re.MULTILINE))
    assert count > 200
    assert make_environment.packages_done("") == 0.0
    log = "Collecting a==1 (from -r requirements.txt)\n  Downloading a.whl\n" * count
    assert make_environment.packages_done(log) == pytest.approx(0.4)
    for number in range(count):
        (tmp_path / f"lib/python3/site-packages/p{number}.dist-info").mkdir(parents=True)
    assert make_environment.packages_done(log) == pytest.approx(0.9)
