"""`make test-noble`: makes .venv-noble, with the versions of a robot with Ubuntu 24.04, or finds it complete.

Standard library only, like make_environment.py, whose steps these are. There is no Ubuntu in it, and no ROS
installation: wheels of ROS 2, and of the versions that apt has, by constraints-noble.txt.
"""

from __future__ import annotations

import subprocess
import sys

from make_environment import (
    GENERATOR,
    HERE,
    LOGS,
    REPOSITORY,
    SAM2_REQUIREMENT,
    digest,
    make_alone,
    missing_tools_problem,
    new_venv,
    pip_environment,
    platform_problem,
)
from steps import SetupError, Step, say

VENV = REPOSITORY / ".venv-noble"
MARKS = VENV / "setup"
CONSTRAINTS = HERE / "constraints-noble.txt"
REQUIREMENTS = [HERE / f"requirements-{name}.txt" for name in ("noble", "robot", "ros")]
MATPLOTLIB_SETUP = HERE / "matplotlib-noble.cfg"
NOBLE_PYTHON = (3, 12)


def python_problem() -> str | None:
    """One sentence if this Python is not that of Ubuntu 24.04."""
    if sys.version_info[:2] == NOBLE_PYTHON:
        return None
    return (
        f"Ubuntu 24.04 has Python 3.12 and {sys.executable} is {sys.version_info[0]}.{sys.version_info[1]}: "
        "install it, or name it with `make test-noble NOBLE_PYTHON=/path/to/python3.12`"
    )


def can_build_matplotlib() -> bool:
    """Whether the libraries are there that matplotlib 3.6.3 is built with; no wheel of it fits Python 3.12."""
    try:
        return not subprocess.run(["pkg-config", "--exists", "freetype2", "qhull_r"], check=False).returncode
    except FileNotFoundError:
        return False


def make_noble_environment() -> None:
    """Brings .venv-noble up to date.

    Raises:
        SetupError: with what the user reads.
    """
    python = str(VENV / "bin" / "python")
    key = digest(CONSTRAINTS, *REQUIREMENTS, SAM2_REQUIREMENT, str(VENV))
    packages = Step("packages", "Python packages of Ubuntu 24.04 (several GB)", key, MARKS, LOGS / "noble")
    generated = digest(key, GENERATOR, *sorted((REPOSITORY / "resource").glob("*_msgs")))
    vision_msgs = Step(
        "vision_msgs", "vision_msgs from its interface files", generated, MARKS, LOGS / "noble"
    )
    matplotlib = Step("matplotlib", "matplotlib 3.6.3", key, MARKS, LOGS / "noble")
    problem = python_problem() or platform_problem() or missing_tools_problem()
    if problem:
        raise SetupError(problem)
    environment = pip_environment()
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--progress-bar",
        "off",
        "--no-compile",
        "--constraint",
        str(CONSTRAINTS),
    ]
    if not packages.is_done():
        commands = [
            *new_venv(VENV, packages),
            [*install, "setuptools", "wheel"],
            [*install, "--requirement", str(REQUIREMENTS[0])],
            [*install, "--no-deps", "--no-build-isolation", "--requirement", str(SAM2_REQUIREMENT)],
            [python, "-m", "pip", "check"],
        ]
        packages.run(commands, environment)
    if not vision_msgs.is_done():
        vision_msgs.run([[python, str(GENERATOR)]], environment)
    if not matplotlib.is_done():
        if can_build_matplotlib():
            matplotlib.run([[*install, "matplotlib"]], {**environment, "MPLSETUPCFG": str(MATPLOTLIB_SETUP)})
        else:
            say(
                "matplotlib is left out, the node does without it (libfreetype-dev and libqhull-dev would build it)"
            )
    say(f"{VENV} is complete")


if __name__ == "__main__":
    sys.exit(make_alone(make_noble_environment))
