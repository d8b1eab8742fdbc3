"""The installed package: executables, modules, shipped files, and a manifest that names what the code imports."""

import ast
import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from places import REPOSITORY

from rgbt_seg_ros.base.cli import _EXTRAS

SHIPPED = ("launch", "config", "resource")
# Import name -> rosdep key (ros/rosdistro, rosdep/python.yaml) of what apt has on Ubuntu 24.04.
# ROS packages are imported by the name of their key.
ROSDEP_KEYS = {
    "PIL": "python3-pil",
    "cv2": "python3-opencv",
    "imageio_ffmpeg": "ffmpeg",
    "jinja2": "python3-jinja2",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "rich": "python3-rich",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
}
FROM_PIP = {
    "accelerate",
    "huggingface_hub",
    "msgspec",
    "omegaconf",
    "onnx_ir",
    "onnxruntime",
    "peft",
    "rerun",
    "rosbags",
    "safetensors",
    "sam2",
    "sklearn",
    "torch",
    "torchvision",
    "transformers",
}
PYPI_NAMES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "rerun": "rerun-sdk",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what belongs to the package: building in the checkout would leave build folders there."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("package.xml", "setup.py", "setup.cfg", "pyproject.toml", "LICENSE"):
        shutil.copy(REPOSITORY / name, copy)
    for name in ("rgbt_seg_ros", "training", *SHIPPED):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def prefix(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package has been installed by pip, without dependencies and without network."""
    target = tmp_path_factory.mktemp("prefix")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
    ]
    done = subprocess.run(
        [*pip, "--ignore-installed", "--prefix", target, source], capture_output=True, text=True, cwd=target
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def site_packages(prefix: Path) -> Path:
    (package,) = prefix.glob("lib/python*/site-packages/rgbt_seg_ros")
    return package.parent


@pytest.fixture(scope="module")
def distribution(site_packages: Path) -> importlib.metadata.Distribution:
    (found,) = importlib.metadata.distributions(name="rgbt_seg_ros", path=[str(site_packages)])
    return found


def run_installed(code: str, site_packages: Path) -> str:
    """Output of Python code that sees the installed package and not the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site_packages)!r}); {code}"],
        cwd=site_packages,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def defines_main(module: Path) -> bool:
    functions = [node for node in ast.parse(module.read_text()).body if isinstance(node, ast.FunctionDef)]
    return any(function.name == "main" for function in functions)


def test_every_executable_has_its_main(
    prefix: Path, site_packages: Path, distribution: importlib.metadata.Distribution
) -> None:
    scripts = distribution.entry_points.select(group="console_scripts")
    assert {script.name for script in scripts} >= {
        "segmenter", "play", "record", "make_bag", "offline", "segment", "demo",
        "train", "evaluate", "embed_classes", "import_checkpoint",
    }  # fmt: skip
    for script in scripts:
        module = site_packages.joinpath(*script.module.split(".")).with_suffix(".py")
        assert module.is_file(), f"{script.name} starts {script.module}, which is not installed"
        assert script.attr == "main"
        assert defines_main(module), f"{script.module} has no main"
        assert (prefix / "bin" / script.name).is_file()


def test_training_is_ours_and_not_the_one_of_sam2(site_packages: Path) -> None:
    installed = run_installed("import rgbt_seg_ros.training as t; print(t.__file__)", site_packages)
    assert Path(installed) == site_packages / "rgbt_seg_ros" / "training" / "__init__.py"
    assert not (site_packages / "training").exists()
    command = [sys.executable, "-c", "import training; print(training.__file__)"]
    checkout = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert Path(checkout) == REPOSITORY / "training" / "__init__.py"


def test_shipped_files_are_found_in_the_installed_copy(
    prefix: Path, source: Path, site_packages: Path
) -> None:
    share = prefix / "share" / "rgbt_seg_ros"
    files = [path for top in SHIPPED for path in (source / top).rglob("*") if path.is_file()]
    names = sorted({str(path.relative_to(source)) for path in files} - {"resource/rgbt_seg_ros"})
    nested = {"config/train/shifnet/mfnet.yaml", "resource/vision_msgs/msg/LabelInfo.msg"}
    assert {"config/fastdds.xml", *nested} <= set(names)
    code = f"from rgbt_seg_ros.base.shared_files import share_path; [print(share_path(name)) for name in {names}]"
    assert run_installed(code, site_packages).splitlines() == [str(share / name) for name in names]
    for name in names:
        assert (share / name).read_bytes() == (source / name).read_bytes()
    assert (share / "package.xml").is_file()
    assert (prefix / "share/ament_index/resource_index/packages/rgbt_seg_ros").is_file()


def imported_packages() -> set[str]:
    """Top-level names that the package's code imports, without the standard library and itself."""
    names: set[str] = set()
    for path in (
        path for top in ("rgbt_seg_ros", "training", "launch") for path in (REPOSITORY / top).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"rgbt_seg_ros", "training"}


def test_package_xml_names_every_import(distribution: importlib.metadata.Distribution) -> None:
    package_module = pytest.importorskip("catkin_pkg.package", reason="needs catkin_pkg to check package.xml")
    package = package_module.parse_package(str(REPOSITORY / "package.xml"))
    package.validate()
    assert package.version == distribution.version
    assert package.get_build_type() == "ament_python"
    needed = {*package.build_export_depends, *package.exec_depends}
    keys = {dependency.name for dependency in needed}
    used = set()
    manifest = (REPOSITORY / "package.xml").read_text()
    for name in imported_packages():
        if name in FROM_PIP:
            assert f" {PYPI_NAMES.get(name, name)}>=" in manifest, (
                f"{name} is imported; package.xml's comment does not name it"
            )
        else:
            used.add(ROSDEP_KEYS.get(name, name))
            assert ROSDEP_KEYS.get(name, name) in keys, (
                f"{name} is imported and package.xml does not depend on it"
            )
    assert keys == used, "package.xml depends on something that nothing imports"
    # rosdep would install them into the system, beside what apt has, which Ubuntu 24.04 forbids.
    assert [key for key in keys if key.endswith("-pip")] == []


def test_setup_py_names_every_import_with_a_lower_bound(
    distribution: importlib.metadata.Distribution,
) -> None:
    requirements = {}
    for requirement in distribution.requires or []:
        name, bound = re.match(r"([\w-]+)\s*([^;]*)", requirement).groups()
        requirements[name.lower().replace("_", "-")] = bound.strip()
    assert all(re.fullmatch(r">=[\d.]+", bound) for bound in requirements.values()), requirements
    for name in imported_packages() & (ROSDEP_KEYS.keys() | FROM_PIP):
        assert PYPI_NAMES.get(name, name).replace("_", "-") in requirements


# `rgbt` of an installed copy where no ROS package can be found: exit code and output of each command line, as JSON.
RGBT_WITHOUT_ROS = """
import contextlib, io, json, sys
sys.path.insert(0, SITE_PACKAGES)

class NoRos:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("rclpy", "sensor_msgs", "vision_msgs", "rosidl_runtime_c"):
            raise ModuleNotFoundError(f"no module named {name!r}", name=name)

sys.meta_path.insert(0, NoRos())
from rgbt_seg_ros.rgbt import main
answers = []
for words in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(words)
    answers.append([code, said.getvalue()])
json.dump(answers, sys.__stdout__)
"""
SMALL = [
    "train.max_steps=1",
    "train.batch_size=1",
    "train.eval_every=1",
    "data.workers=0",
    "data.name=scenes",
]
SMALL += [
    "data.rendered_stills=1",
    "data.rendered_val=1",
    "data.rendered_height=64",
    "data.rendered_width=96",
]
SMALL += ["augment.crop_height=64", "augment.crop_width=96"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pair of images."""
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(0)
    assert cv2.imwrite(str(folder / "rgb.png"), noise.integers(0, 256, (64, 96, 3), np.uint8))
    assert cv2.imwrite(str(folder / "thermal.png"), noise.integers(0, 256, (64, 96), np.uint8))
    return folder


def test_an_installed_copy_works_without_ros(site_packages: Path, images: Path) -> None:
    commands = [
        ["segment", "rgb.png", "thermal.png", "-o", "out/mask.png"],
        ["render_bag", "-o", "bag", "--duration", "0.2"],
        ["offline", "bag", "-o", "offline"],
        ["train", "--config", "config/train/nano/shifnet_msrs.yaml", "-o", "runs/small", *SMALL],
        ["evaluate", "--data", "msrs", "--root", "data", "--split", "train"],
    ]
    for folder, name in (("vi", "rgb"), ("ir", "thermal")):
        (images / "data" / folder).mkdir(parents=True)
        shutil.copy(images / f"{name}.png", images / "data" / folder / "0D.png")
    (images / "data/Segmentation_labels").mkdir()
    assert cv2.imwrite(str(images / "data/Segmentation_labels/0D.png"), np.zeros((64, 96), np.uint8))
    (images / "data/train.txt").write_text("0D\n")
    ros = ("node", "play", "record", "watch", "evaluate_bag", "demo")
    arguments = {"play": ["bag"], "record": ["-o", "r"], "evaluate_bag": ["bag", "-o", "e"]}
    script = f"SITE_PACKAGES = {str(site_packages)!r}\n{RGBT_WITHOUT_ROS}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([*commands, *([name, *arguments.get(name, [])] for name in ros)]),
        capture_output=True,
        text=True,
        cwd=images,
        check=True,
    )
    answers = json.loads(done.stdout)
    for command, (code, said) in zip(commands, answers, strict=False):
        assert code == 0, (command, said)
    for name, (code, said) in zip(ros, answers[len(commands) :], strict=True):
        assert code == 1, name
        assert said.startswith(
            "error: this command needs ROS 2, and its Python package rclpy is not there: "
        ), said
        assert said.count("\n") == 1, said
    assert (images / "out/mask_overlay.png").is_file()
    assert (images / "offline/report.html").is_file()
    assert (images / "runs/small/best.safetensors").is_file()


def test_the_line_of_python_works(site_packages: Path, images: Path) -> None:
    page = (REPOSITORY / "docs" / "install_pip.md").read_text()
    ((program, _, code),) = [
        shlex.split(line) for line in page.splitlines() if line.startswith("python3 -c ")
    ]
    assert program == "python3"
    script = f"import sys; sys.path.insert(0, {str(site_packages)!r}); {code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=images)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[[")


def test_extras_are_those_of_the_page(distribution: importlib.metadata.Distribution) -> None:
    page = (REPOSITORY / "docs" / "install_pip.md").read_text()
    extras = set(distribution.metadata.get_all("Provides-Extra") or [])
    assert set(re.findall(r"^\| `'\.\[(\w+)\]'`", page, re.MULTILINE)) == extras - {"train", "test"}
    assert set(_EXTRAS.values()) <= extras
