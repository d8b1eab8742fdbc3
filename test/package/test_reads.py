"""Files of others are read by the readers of `rgbt_seg_ros.base` and `models.safetensors_file`, and in no other way."""

import ast
from collections.abc import Iterator

import pytest
from places import REPOSITORY

READERS = {
    ("json", "load"), ("json", "loads"), ("json", "dump"), ("json", "dumps"),
    ("yaml", "load"), ("yaml", "safe_load"), ("yaml", "full_load"), ("yaml", "unsafe_load"), ("yaml", "load_all"),
    ("", "safe_open"), ("safetensors", "safe_open"), ("", "load_file"), ("torch", "load"), ("np", "load"),
    ("pickle", "load"), ("pickle", "loads"), ("dill", "load"), ("joblib", "load"), ("shelve", "open"),
    ("marshal", "loads"), ("", "eval"), ("", "exec"), ("os", "system"),
}  # fmt: skip

ALLOWED = {
    ("rgbt_seg_ros/base/json_files.py", "dumps"): "this is the writer of JSON",
    ("rgbt_seg_ros/base/yaml_files.py", "load"): "this is the reader of YAML, which checks before",
    ("launch/evaluate_bag.launch.py", "loads"): "what a program of ours has printed",
    ("training/config/load.py", "load"): "OmegaConf's, after the same check",
    ("rgbt_seg_ros/models/safetensors_file.py", "safe_open"): "this is the opener, which checks before",
    ("training/weights/tensor_file.py", "load"): "with weights_only=True, which never unpickles",
}


def reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call that reads, or runs, what others wrote."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            owner = getattr(function.value, "id", "?") if isinstance(function, ast.Attribute) else ""
            if (owner, name) in READERS:
                yield node.lineno, name


def files() -> list[str]:
    folders = ("rgbt_seg_ros", "training", "launch")
    return sorted(
        str(path.relative_to(REPOSITORY))
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
    )


def test_nothing_is_read_but_by_the_readers() -> None:
    found = {
        f"{file}:{line} {name}"
        for file in files()
        for line, name in reads(ast.parse((REPOSITORY / file).read_text()))
        if (file, name) not in ALLOWED
    }
    assert not found, "read it with rgbt_seg_ros.base.json_files, yaml_files or models.safetensors_file"


def test_nothing_is_unpickled() -> None:
    for file in files():
        tree = ast.parse((REPOSITORY / file).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}, file
            if isinstance(node, ast.keyword) and node.arg == "weights_only":
                assert isinstance(node.value, ast.Constant), file
                assert node.value.value is True, file
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), file
                assert node.value.value is False, file


@pytest.mark.parametrize(
    "line", ["json.loads(x)", "yaml.safe_load(x)", "safe_open(x)", "torch.load(x)", "eval(x)"]
)
def test_a_reader_is_found(line: str) -> None:
    assert list(reads(ast.parse(f"def f(x):\n    return {line}\n")))
