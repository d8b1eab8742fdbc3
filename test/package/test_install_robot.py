"""What scripts/install_robot.sh would do on Ubuntu 24.04, and the versions that it and `make test-noble` go by."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from places import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "install_robot.sh"
ENVIRONMENT = REPOSITORY / "environment"


def names(file: str) -> list[Requirement]:
    """Requirements of a file in environment/, without those of other files."""
    lines = (
        re.split(r"#| --hash", line)[0].strip() for line in (ENVIRONMENT / file).read_text().splitlines()
    )
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


def pins() -> dict[str, str]:
    """Version by name on Ubuntu 24.04."""
    found = {}
    for each in names("constraints-noble.txt"):
        (specifier,) = each.specifier
        assert specifier.operator == "=="
        found[each.name.lower()] = specifier.version
    return found


def install(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", str(SCRIPT), *options],
        env={**os.environ, "AMENT_PREFIX_PATH": "/opt/ros/jazzy", **environment},
        capture_output=True,
        text=True,
    )


def commands(tmp_path: Path, *options: str) -> list[str]:
    """What a dry run prints, without apt, in an empty workspace."""
    done = install("--dry-run", "--skip-apt", "--workspace", str(tmp_path), *options)
    assert done.returncode == 0, done.stderr
    python = str(tmp_path / "venv" / "bin" / "python3")
    return [line.replace(python, "PYTHON") for line in done.stdout.splitlines() if not line.startswith("==")]


def test_pip_changes_nothing_that_apt_has_and_brings_one_torch(tmp_path: Path) -> None:
    lines = commands(tmp_path)
    installs = [line for line in lines if " pip install " in line]
    assert len(installs) == 3
    constraint = f"--constraint {ENVIRONMENT / 'constraints-noble.txt'} "
    assert all(line.startswith("env SAM2_BUILD_CUDA=0 ") and constraint in line for line in installs)
    assert installs[0].endswith(f"{constraint}torch torchvision ")
    (sam2,) = (line for line in installs if "requirements-sam2.txt" in line)
    assert "--no-build-isolation --no-deps" in sam2
    assert any("-m venv --system-site-packages" in line for line in lines)
    assert any("venv/COLCON_IGNORE" in line for line in lines)
    # Executables start with the Python that built them.
    assert any(line.startswith("PYTHON -m colcon build") for line in lines)


def test_the_torch_is_chosen(tmp_path: Path) -> None:
    (cpu,) = (line for line in commands(tmp_path, "--cpu") if " torch torchvision" in line)
    assert "--index-url https://download.pytorch.org/whl/cpu" in cpu
    own = commands(tmp_path, "--no-torch")
    assert not any(line for line in own if " torch torchvision" in line)
    assert len([line for line in own if " pip install " in line]) == 2


def test_the_workspace_is_the_one_that_the_package_lies_in(tmp_path: Path) -> None:
    package = tmp_path / "ws" / "src" / "robot" / "rgbt_seg_ros"
    for folder in ("scripts", "environment"):
        shutil.copytree(REPOSITORY / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["bash", package / "scripts" / "install_robot.sh", "--dry-run", "--skip-apt"]
    environment = {**os.environ, "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")
    assert f"workspace {tmp_path / 'ws'}, virtual environment {tmp_path / 'ws' / 'venv'}" in done.stdout


def test_wrong_use_is_one_sentence(tmp_path: Path) -> None:
    unknown = install("--gpu")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (2, "error: unknown option --gpu")
    lacking = install("--venv")
    assert (lacking.returncode, lacking.stderr) == (2, "error: --venv needs a value\n")
    help_ = install("--help")
    assert help_.returncode == 0
    for option in set(re.findall(r"`(--[a-z-]+)`", (REPOSITORY / "docs" / "install_robot.md").read_text())):
        assert option in SCRIPT.read_text(), option


@pytest.mark.skipif("24.04" in Path("/etc/os-release").read_text(), reason="this is Ubuntu 24.04")
def test_another_system_is_one_sentence(tmp_path: Path) -> None:
    done = install("--workspace", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: this is not Ubuntu 24.04")


def test_the_script_is_clean() -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run([program, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_versions_of_ubuntu_are_those_that_the_package_allows() -> None:
    of_noble = pins()
    lower_bounds = re.search(r"install_requires=\[(.*?)\]", (REPOSITORY / "setup.py").read_text(), re.DOTALL)
    assert lower_bounds is not None
    compared = 0
    for text in re.findall(r'"(.*?)"', lower_bounds[1]):
        each = Requirement(text)
        if each.name in of_noble:
            assert of_noble[each.name] in each.specifier, text
            compared += 1
    assert compared >= 10
    for each in (*names("requirements-robot.txt"), *names("requirements-sam2.txt")):
        if each.name != "tqdm":
            assert each.name in of_noble, "without a version that was tested"


def test_the_node_does_without_what_shows_progress_and_makes_reports() -> None:
    others = ("rich", "matplotlib", "jinja2", "rosbags", "transformers", "peft")
    code = f"import sys; sys.modules.update(dict.fromkeys({others})); import rgbt_seg_ros.node"
    pytest.importorskip("rclpy", reason="needs ROS 2")
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", ["Dockerfile", ".github/workflows/ci.yml"])
def test_image_and_workflow_call_the_script_with_options_that_it_has(file: str) -> None:
    text = (REPOSITORY / file).read_text().replace("--${TORCH}", "--cpu --cuda")
    calls = [line for line in text.splitlines() if "install_robot.sh" in line]
    assert len(calls) == 1
    options = re.findall(r"--[a-z-]+", calls[0])
    assert options
    help_ = install("--help").stdout
    assert all(f"  {option} " in help_ or f" {option} " in help_ for option in options)


def test_the_image_gets_what_the_package_consists_of() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*", "nothing but what is named: data and environments are large"
    taken = {line[1:] for line in lines if line.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in taken)
    assert taken >= {"rgbt_seg_ros", "training", "launch", "config", "resource", "environment", "scripts"}
    assert taken >= {"package.xml", "setup.py", "setup.cfg"}


def test_the_workflow_runs_what_there_is() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = {target for step in steps for target in re.findall(r"\bmake ([a-z-]+)", step)}
    assert "test" in targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    paths = {path for step in steps for path in re.findall(r"(?<=\s)test/[\w/.]+", step)}
    assert len(paths) >= 3
    assert all((REPOSITORY / path).exists() for path in paths)
    assert all("24.04" in job["runs-on"] for job in jobs.values())
