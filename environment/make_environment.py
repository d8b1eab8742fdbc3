"""`make setup`: makes .venv with everything the project uses, ROS 2 included, or finds that it is complete.

Standard library only. The project itself is not installed: commands run from the checkout (`python -m rgbt_seg_ros.x`),
so there is one copy of the code and sam2's own top-level package `training` cannot hide ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from steps import SetupError, Step, say

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
VENV = REPOSITORY / ".venv"
MARKS = VENV / "setup"
LOGS = REPOSITORY / "log" / "setup"
REQUIREMENTS = HERE / "requirements.txt"
BUILD_REQUIREMENTS = HERE / "requirements-build.txt"
SAM2_REQUIREMENT = HERE / "requirements-sam2.txt"
GENERATOR = HERE / "generate_vision_msgs.py"
# Where the time of a set-up goes, measured with two cores and a fast network: of 133 s for packages
# fetching took 49 and installing 63, the rest went to SAM 2 and checks. The messages then take 13 s of one core.
FETCHING, INSTALLING, LATER = 0.4, 0.5, 0.1
MESSAGES = ("tf2_msgs", "vision_msgs")  # in the generator's order
# ROS 2 wheels exist for these.
OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)


def python_problem(version: tuple[int, int]) -> str | None:
    """One sentence if no environment can be made with this Python."""
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return None
    return (
        f"Python 3.10 to 3.13 is needed and {sys.executable} is {version[0]}.{version[1]}: "
        "install one of them, or name it with `make setup PYTHON=/path/to/python3.12`"
    )


def platform_problem() -> str | None:
    """One sentence if no wheels of ROS 2 exist for this machine."""
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return None
    return (
        f"ROS 2 comes as wheels for Linux on x86-64 only and this is {platform.system()} on {platform.machine()}: "
        "install ROS 2 Jazzy from its own packages and build with colcon (README.md)"
    )


def missing_tools_problem() -> str | None:
    """One sentence naming everything that generating vision_msgs needs and this machine lacks."""
    missing = []
    if not found(os.environ.get("CC"), "cc", "gcc", "clang"):
        missing.append("a C compiler")
    if not found(os.environ.get("CXX"), "c++", "g++", "clang++"):
        missing.append("a C++ compiler")
    if not found("make"):
        missing.append("make")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append("Python's header files")
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("Python's venv module")
    if not missing:
        return None
    return (
        f"{', '.join(missing)} could not be found: install what is missing, on Debian or Ubuntu with "
        "`sudo apt install build-essential python3-dev python3-venv`"
    )


def found(*programs: str | None) -> bool:
    return any(program and shutil.which(program.split()[0]) for program in programs)


def digest(*parts: Path | str) -> str:
    """SHA-256 over strings and over the content of files and of folders' files."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode() + b"\0")
            continue
        for path in sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]:
            total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def packages_step() -> Step:
    # The place belongs to the key: scripts of a virtual environment that was moved start another Python.
    key = digest(BUILD_REQUIREMENTS, REQUIREMENTS, SAM2_REQUIREMENT, str(VENV))
    title = "Python packages (several GB: PyTorch brings CUDA)"
    return Step("packages", title, key, MARKS, LOGS, packages_done, LATER)


def vision_msgs_step(packages: Step) -> Step:
    key = digest(packages.key, GENERATOR, *sorted((REPOSITORY / "resource").glob("*_msgs")))
    title = "vision_msgs and tf2_msgs from their interface files"
    return Step("vision_msgs", title, key, MARKS, LOGS, messages_done)


def packages_done(log: str) -> float:
    """How much of the packages' step is done, 0 to 1: first all files are fetched, and then they are installed."""
    count = len(re.findall(r"^[\w.-]+==", REQUIREMENTS.read_text(), re.MULTILINE))
    fetched = len(re.findall(r"^(?:Collecting|Processing) ", log, re.MULTILINE))
    installed = len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))
    return min(FETCHING * min(fetched / count, 1) + INSTALLING * min(installed / count, 1), 1.0)


def messages_done(log: str) -> float:
    """How much of the messages' step is done, 0 to 1, by the lines of make, `[ 42%] ...`."""
    sizes = [len(list((REPOSITORY / "resource" / name / "msg").iterdir())) for name in MESSAGES]
    done = log.count("-- Install configuration")
    percent = re.findall(r"^\[ *(\d+)%\]", log.rpartition("-- Install configuration")[2], re.MULTILINE)
    part = int(percent[-1]) / 100 if percent else 0.0
    return (sum(sizes[:done]) + part * (sizes[done] if done < len(sizes) else 0)) / sum(sizes)


def new_venv(folder: Path, packages: Step) -> list[list[str]]:
    """The command that makes a virtual environment, none where its packages were once complete."""
    if packages.ever_finished() and (folder / "bin" / "python").exists():
        return []
    if folder.exists():
        say(f"removing an incomplete {folder.name}")
        shutil.rmtree(folder)
    return [[sys.executable, "-m", "venv", str(folder)]]


def pip_environment() -> dict[str, str]:
    """Of pip and of what it builds: of SAM 2 only trunk and neck are used, so its CUDA extension is left out."""
    environment = {
        **os.environ,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "SAM2_BUILD_CUDA": "0",
    }
    environment.pop("PYTHONPATH", None)
    return environment


def install_packages(step: Step, environment: dict[str, str]) -> None:
    """Fills .venv with the pinned packages; what pip once completed is updated, anything else is made anew."""
    python = str(VENV / "bin" / "python")
    commands = new_venv(VENV, step)
    # Compiling on first import instead of here saves minutes: most of PyTorch is never imported.
    install = [python, "-m", "pip", "install", "--progress-bar", "off", "--no-compile"]
    # A complete list needs no resolving; builds use the setuptools of the list, and sam2's the torch of the list. What
    # comes from the index is what was locked, to the bit.
    exactly = [*install, "--no-deps", "--no-build-isolation", "--require-hashes"]
    commands += [
        [*exactly, "--requirement", str(BUILD_REQUIREMENTS)],
        [*exactly, "--requirement", str(REQUIREMENTS)],
        [*exactly, "--requirement", str(SAM2_REQUIREMENT)],
        [python, "-m", "pip", "check"],
    ]
    step.run(commands, environment)


def make_environment() -> None:
    """Brings .venv up to date.

    Raises:
        SetupError: with what the user reads.
    """
    packages = packages_step()
    vision_msgs = vision_msgs_step(packages)
    if packages.is_done() and vision_msgs.is_done() and (VENV / "bin" / "python").exists():
        say(f"{VENV} is complete")
        return
    problem = python_problem(sys.version_info[:2]) or platform_problem() or missing_tools_problem()
    if problem:
        raise SetupError(problem)
    say("this takes 2 to 5 minutes with a fast network, and a slow one has several GB to fetch")
    environment = pip_environment()
    if not (packages.is_done() and (VENV / "bin" / "python").exists()):
        install_packages(packages, environment)
    vision_msgs.run([[str(VENV / "bin" / "python"), str(GENERATOR)]], environment)
    say(f"{VENV} is complete")


def make_alone(make: Callable[[], None]) -> int:
    """Make an environment while no other process makes one; returns the exit code."""
    lock = os.open(HERE, os.O_RDONLY)
    try:
        # A second `make` waits for the first; the lock ends with the process.
        fcntl.flock(lock, fcntl.LOCK_EX)
        make()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(make_alone(make_environment))
