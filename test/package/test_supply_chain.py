"""What `make setup` installs is locked to the bit, and its licences are listed."""

import re
import sys
from pathlib import Path

import pytest
from places import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "environment"))
import make_environment
from licences import PAGE, locked_names, normal
from steps import Step

ENVIRONMENT = REPOSITORY / "environment"
LISTS = ("requirements-build.txt", "requirements.txt", "requirements-sam2.txt")


def entries(name: str) -> dict[str, list[str]]:
    """Hashes by the rest of each entry of a list: name, version and marker."""
    text = re.sub(r"^#.*\n", "", (ENVIRONMENT / name).read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return {
        " ".join(re.sub(r"--hash=\S+", "", line).split()): re.findall(r"--hash=(\S+)", line)
        for line in lines
        if line.strip()
    }


@pytest.mark.parametrize("name", LISTS)
def test_every_entry_is_one_version_with_hashes(name: str) -> None:
    found = entries(name)
    assert found
    for entry, hashes in found.items():
        assert re.match(r"[A-Za-z0-9._-]+==[^ *]+( ; .*)?$", entry), entry
        assert hashes, entry
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), entry


def test_what_builds_the_others_is_what_the_list_says() -> None:
    everything = entries("requirements.txt")
    build = entries("requirements-build.txt")
    assert [entry.partition("==")[0] for entry in build] == ["setuptools", "wheel"]
    assert {entry: everything.get(entry) for entry in build} == build


def test_every_package_that_is_asked_for_is_locked() -> None:
    lists = ("requirements.in", "requirements-ros.txt")
    lines = [line for name in lists for line in (ENVIRONMENT / name).read_text().splitlines()]
    asked = [line.partition("#")[0] for line in lines]
    names = {normal(re.split(r"[=<>;\s]", line.strip())[0]) for line in asked if re.match(r"[A-Za-z]", line)}
    assert {"torch", "msgspec", "ros-rclpy"} <= names
    assert names <= set(locked_names())


def test_pip_installs_nothing_whose_hash_is_not_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(make_environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(Step, "run", lambda step, given, environment: commands.extend(given))
    make_environment.install_packages(make_environment.packages_step(), {})
    installing = [command for command in commands if "install" in command]
    assert [Path(command[-1]).name for command in installing] == list(LISTS)
    assert all("--require-hashes" in command and "--no-deps" in command for command in installing)


def test_the_page_of_licences_names_what_is_locked() -> None:
    """`.venv/bin/python environment/licences.py` makes it anew."""
    text = PAGE.read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.+) \|$", text, re.MULTILINE)
    elsewhere = re.findall(r"`([a-z0-9-]+)`", text.splitlines()[-1])
    named = [name for name, _ in rows if name != "package" and name.strip("-")]
    assert sorted([*named, *elsewhere]) == locked_names()
    assert len(named) > 200
    assert dict(rows)["msgspec"].startswith("BSD")
