"""The files that a command names at its end, compared with those that it wrote."""

import re
from pathlib import Path


def named_files(said: str, folder: Path) -> list[Path]:
    """Paths in the lines `WHAT: PATH` that a command ends with, in their order; all lie in a folder."""
    found: list[Path] = []
    for line in reversed(said.rstrip().splitlines()):
        match = re.fullmatch(rf"[^:]+: ({re.escape(str(folder))}\S*)", line)
        if match is None:
            break
        found.insert(0, Path(match[1]))
    return found


def check_named(said: str, folder: Path, before: set[Path]) -> list[Path]:
    """Assert that what a command names is there, and that every new file in a folder is named or in a named folder.

    Args:
        said: what it printed.
        folder: where it wrote.
        before: the files that were there.

    Returns:
        What it named.
    """
    named = named_files(said, folder)
    assert named, said
    assert len(set(named)) == len(named), said
    assert [path for path in named if not path.exists()] == [], said
    written = {path for path in folder.rglob("*") if path.is_file()} - before
    assert written, said
    assert [path for path in written if not {path, *path.parents} & {*named}] == [], said
    return named
