"""Who imports whom: the tables in ARCHITECTURE.md hold, nothing goes in circles, and only the glue needs ROS."""

import ast
import json
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from places import REPOSITORY

ROS_COMMANDS = {f"rgbt_seg_ros.work.{name}" for name in ("node", "record", "watch", "play", "evaluate_bag")}
ROS_PACKAGES = ("rclpy", "rosidl", "launch", "ament_", "message_filters", "cv_bridge")
ROS_MESSAGES = ("_msgs", "_interfaces")
GLUE = ("rgbt_seg_ros.ros.", "rgbt_seg_ros.launching.")
"""Where the modules are that import ROS packages, or launch."""

WITHOUT_ROS = {f"rgbt_seg_ros.ros{name}" for name in (".dds", ".pairers", ".inputs", ".arguments")}
"""Of the folder `ros`: an empty file, command lines, and what is set up before a process joins the graph."""


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(path): path
    for package in ("rgbt_seg_ros", "training")
    for path in sorted((REPOSITORY / package).rglob("*.py"))
}
assert len(FILES) > 150


def imported(name: str) -> set[str]:
    """Modules that a module imports anywhere in it, ours by their full names."""
    path = FILES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            submodules = {f"{origin}.{alias.name}" for alias in node.names}
            ours = submodules & FILES.keys()
            found |= ours | ({origin} if ours != submodules else set())
    return found


IMPORTED = {name: imported(name) for name in FILES}
OURS = {name: {each for each in modules if each in FILES} for name, modules in IMPORTED.items()}


def part(name: str, package: str) -> str:
    """Row of the table that a module belongs to; empty for the package itself."""
    rest = name.removeprefix(package).lstrip(".")
    if not rest:
        return ""
    first = rest.partition(".")[0]
    return first if (REPOSITORY / package / first).is_dir() else "commands"


def tables() -> tuple[dict[str, str], dict[str, str]]:
    """What may be imported, by row, of `rgbt_seg_ros` and of `training`."""
    text = (REPOSITORY / "ARCHITECTURE.md").read_text()
    start, inside = (text.index(heading) for heading in ("## Who may import whom", "Within `training/`"))
    rows = re.compile(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", re.MULTILINE)
    end = text.find("\n## ", inside)
    return dict(rows.findall(text[start:inside])), dict(rows.findall(text[inside:end]))


def allowed(table: dict[str, str]) -> dict[str, set[str]]:
    rows: dict[str, set[str]] = {}
    for name, words in table.items():
        everything = words.strip() == "everything above"
        rows[name] = set(rows) if everything else set(words.split()) | {name}
    # Commands stand beside each other.
    return rows


@pytest.mark.parametrize(("package", "table"), list(zip(("rgbt_seg_ros", "training"), tables(), strict=True)))
def test_imports_are_those_of_the_table(package: str, table: dict[str, str]) -> None:
    rows = allowed(table)
    modules = [name for name in FILES if name.split(".")[0] == package]
    parts = {part(name, package) for name in modules} - {""}
    assert parts <= rows.keys(), "a folder without a row"
    assert rows.keys() - parts <= {"training"}, "a row without a folder"
    wrong = []
    for name in modules:
        for other in OURS[name]:
            if other.split(".")[0] != package or "" in (part(name, package), part(other, package)):
                continue
            if part(other, package) not in rows[part(name, package)]:
                wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_training_takes_from_the_node_what_the_table_says_and_gives_nothing() -> None:
    may = allowed(tables()[0])["training"]
    across = [
        (name, other)
        for name, others in OURS.items()
        for other in others
        if name.split(".")[0] != other.split(".")[0]
    ]
    assert len(across) > 50
    assert [pair for pair in across if pair[1].startswith("training")] == []
    assert [pair for pair in across if part(pair[1], "rgbt_seg_ros") not in may | {""}] == []


def test_what_a_module_is_for_is_told_once() -> None:
    """A command's file tells it, and the one that does its work says whose it is."""
    told: dict[str, str] = {}
    for name, path in FILES.items():
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        command = name.replace(".work.", ".")
        if command != name:
            assert docstring == f"What `{command}` does once its arguments are known to be good."
        assert told.setdefault(docstring, name) == name or not docstring


def test_nobody_imports_a_command() -> None:
    commands = {name for name in FILES if part(name, name.split(".")[0]) == "commands"}
    assert len(commands) == 23
    assert [(name, other) for name, others in OURS.items() for other in others & commands] == []


def test_nothing_is_imported_in_a_circle() -> None:
    # A package's __init__ is imported before its modules and may hand them on; what its modules import is what counts.
    graph = {name: {other for other in others if other != name} for name, others in OURS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_ros_is_imported_under_ros_and_by_the_ros_commands_alone() -> None:
    def is_ros(module: str) -> bool:
        top = module.split(".")[0]
        return top.startswith(ROS_PACKAGES) or top.endswith(ROS_MESSAGES)

    importers = {name for name, modules in IMPORTED.items() if any(map(is_ros, modules))}
    assert len(importers) > 8
    # cv_bridge converts colours that the codec itself does not know, where it is installed.
    allowed_to = {name for name in FILES if name.startswith(GLUE)} | ROS_COMMANDS
    assert importers - allowed_to == {"rgbt_seg_ros.images.codec"}
    assert {module for module in IMPORTED["rgbt_seg_ros.images.codec"] if is_ros(module)} == {"cv_bridge"}


# Imports every module of both packages where no ROS package can be found; prints the error of each that fails.
IMPORT_ALL = """
import importlib, json, pkgutil, sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top.startswith(PACKAGES) or top.endswith(MESSAGES):
            raise ModuleNotFoundError(f"no module named {name!r} without ROS", name=name)

sys.meta_path.insert(0, NoRos())
errors = {}
for package in ("rgbt_seg_ros", "training"):
    folders = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(folders, package + "."):
        try:
            importlib.import_module(module.name)
            errors[module.name] = None
        except Exception as error:
            errors[module.name] = f"{type(error).__name__}: {error}"
json.dump(errors, sys.stdout)
"""


def test_exactly_the_glue_needs_ros() -> None:
    # The checkout comes first on the path, before the `training` that sam2 installs.
    path = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})"
    script = f"{path}\nPACKAGES, MESSAGES = {ROS_PACKAGES!r}, {ROS_MESSAGES!r}\n{IMPORT_ALL}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    errors: dict[str, str | None] = json.loads(result.stdout)
    failed = {module: error for module, error in errors.items() if error is not None}
    assert "rgbt_seg_ros.models.shifnet.network" in errors
    assert "training.train" in errors
    assert all("without ROS" in error for error in failed.values()), failed
    folder = {name for name in FILES if name.startswith(GLUE)} - WITHOUT_ROS
    assert failed.keys() == folder | ROS_COMMANDS, failed


def test_every_folder_is_one_idea() -> None:
    """At most 16 files in a folder, at most 300 lines in a file."""
    folders: dict[Path, int] = {}
    for path in FILES.values():
        folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {str(folder): files for folder, files in folders.items() if files > 16} == {}
    lines = {str(path): len(path.read_text().splitlines()) for path in FILES.values()}
    assert {name: number for name, number in lines.items() if number > 300} == {}


def test_launch_files_need_no_package_from_pip() -> None:
    """The Python of `ros2 launch` is the system's, which has what apt installs."""
    of_apt = {"ament_index_python", "cv2", "launch", "launch_ros", "numpy", "yaml"}
    waiting = [f"{path.name}" for path in sorted((REPOSITORY / "launch").glob("*.launch.py"))]
    assert len(waiting) >= 2
    seen: set[str] = set()
    others: set[str] = set()
    for name in waiting:
        for node in ast.walk(ast.parse((REPOSITORY / "launch" / name).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                others.add(node.module)
            elif isinstance(node, ast.Import):
                others |= {alias.name for alias in node.names}
    while ours := {name for name in others if name in FILES} - seen:
        for name in ours:
            # A package's __init__ is imported before its modules.
            above = {name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1)}
            others |= IMPORTED[name] | (above & FILES.keys())
        seen |= ours
    assert {"rgbt_seg_ros.settings.table", "rgbt_seg_ros.launching.ends"} <= seen
    tops = {name.split(".")[0] for name in others - FILES.keys()} - sys.stdlib_module_names
    assert tops <= of_apt
