"""Everything is written by `rgbt_seg_ros.base.whole_files`: no other way to the disk comes in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import REPOSITORY

WRITERS = {
    "write_text", "write_bytes", "imwrite", "save_file", "touch", "tofile", "symlink_to", "hardlink_to", "rename",
    "savetxt", "savez", "savez_compressed", "copyfile", "copyfileobj", "copy2", "copytree", "move", "mkstemp",
    "NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory", "mkdtemp", "SummaryWriter", "ffmpeg_program",
    "savefig", "imsave", "to_csv", "write_videofile", "truncate", "ftruncate",
}  # fmt: skip
"""Last names of functions and methods that write, whatever they belong to."""

OF_MODULES = {
    ("np", "save"), ("numpy", "save"), ("torch", "save"), ("json", "dump"), ("pickle", "dump"), ("yaml", "dump"),
    ("os", "open"), ("os", "replace"), ("shutil", "copy"), ("cv2", "VideoWriter"), ("export", "save"),
    ("onnx_program", "save"), ("image", "save"), ("Image", "save"),
}  # fmt: skip

ALLOWED = {
    ("rgbt_seg_ros/base/whole_files.py", "*"): "this is the writer",
    ("rgbt_seg_ros/base/child_process.py", "open"): "a log that a child writes line by line",
    ("rgbt_seg_ros/base/file_limits.py", "open"): "reads, through an opener",
    ("rgbt_seg_ros/bags/bounds.py", "open"): "a scratch copy under the system's temporary folder",
    ("rgbt_seg_ros/bags/storage.py", "copyfile"): "likewise",
    ("rgbt_seg_ros/base/shared_memory.py", "open"): "a lock, to which nothing is written",
    ("rgbt_seg_ros/bags/recording.py", "mkdtemp"): "that folder",
    (
        "rgbt_seg_ros/work/demo.py",
        "TemporaryDirectory",
    ): "a converted recording under the system's temporary folder",
    (
        "rgbt_seg_ros/runs/video.py",
        "ffmpeg_program",
    ): "writes the unfinished file, which is renamed when whole",
    ("rgbt_seg_ros/runs/video.py", "replace"): "this renaming",
    ("rgbt_seg_ros/work/calibrate_homography.py", "savefig"): "in the context of new_file",
    ("rgbt_seg_ros/report_page/pictures.py", "save"): "into memory",
    ("training/data/contact_sheet.py", "savefig"): "in the context of new_file",
    ("training/scoring/sheets.py", "savefig"): "in the context of new_file",
    ("training/scoring/paper_figures.py", "savefig"): "in the context of new_file",
    ("training/work/export.py", "replace"): "onto the unfinished file, in the context of new_file",
    ("training/weights/export_formats.py", "save"): "the two formats, in the context of new_file",
    ("training/weights/export_formats.py", "write_bytes"): "likewise",
    ("training/engine/run_log.py", "SummaryWriter"): "TensorBoard's files, which are appended to",
}


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call that writes, or may."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        owner = function.value if isinstance(function, ast.Attribute) else None
        owner_name = getattr(owner, "attr", getattr(owner, "id", ""))
        # Path.replace has one argument; those of texts, dates and dataclasses have two, or names.
        renames = name == "replace" and owner is not None and len(node.args) == 1 and not node.keywords
        if (
            name in WRITERS
            or (owner_name, name) in OF_MODULES
            or renames
            or (name == "open" and _may_write(node))
        ):
            yield node.lineno, name


def _may_write(call: ast.Call) -> bool:
    """Whether a file is opened in another mode than for reading, as far as it is told."""
    place = 0 if isinstance(call.func, ast.Attribute) else 1
    modes = [argument for argument in call.args[place : place + 1] if isinstance(argument, ast.Constant)]
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    told = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
    others = [keyword for keyword in call.keywords if keyword.arg == "opener"]
    return bool(others) or any(set(mode) & set("wax+") for mode in told)


FILES = [
    path for package in ("rgbt_seg_ros", "training") for path in sorted((REPOSITORY / package).rglob("*.py"))
]


def test_nothing_is_written_beside_the_writer() -> None:
    found: set[tuple[str, str]] = set()
    wrong = []
    for path in FILES:
        name = str(path.relative_to(REPOSITORY))
        for line, call in writes(ast.parse(path.read_text())):
            keys = {(name, call), (name, "*")} & ALLOWED.keys()
            found |= keys
            if not keys:
                wrong.append(f"{name}:{line} {call}")
    assert wrong == [], "write through rgbt_seg_ros.base.whole_files"
    assert ALLOWED.keys() - found == set(), "exceptions that nothing needs"


@pytest.mark.parametrize(
    "code",
    [
        "path.write_text('')",
        "open(path, 'w')",
        "path.open('ab')",
        "open(path, mode='x')",
        "np.save(path, array)",
        "torch.save(state, path)",
        "cv2.imwrite(str(path), image)",
        "cv2.VideoWriter(path)",
        "partial.replace(path)",
        "os.replace(a, b)",
        "os.open(path, flags)",
        "figure.savefig(path)",
        "json.dump(value, file)",
        "shutil.copy(a, b)",
    ],
)
def test_each_way_to_the_disk_is_seen(code: str) -> None:
    assert len(list(writes(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open('rb')",
        "text.replace('a', 'b')",
        "replace(a, b=1)",
    ],
)
def test_reading_is_no_writing(code: str) -> None:
    assert list(writes(ast.parse(code))) == []


def test_the_files_are_those_of_both_packages() -> None:
    assert len(FILES) > 200
    assert Path("training/train.py") in {path.relative_to(REPOSITORY) for path in FILES}
