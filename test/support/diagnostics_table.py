"""The keys of /diagnostics as docs/diagnostics.md lists them."""

import itertools
import re
from pathlib import Path


def documented_keys(repository: Path) -> set[str]:
    """Keys in the first column of the table of values; ``{a,b}`` stands for a and for b."""
    text = (repository / "docs" / "diagnostics.md").read_text()
    values = text.partition("## Values")[2].partition("## Examples")[0]
    cells = [line.split("|")[1] for line in values.splitlines() if line.startswith("| `")]
    return {key for cell in cells for written in re.findall(r"`([^`]+)`", cell) for key in expand(written)}


def expand(written: str) -> list[str]:
    parts = [part.strip("{}").split(",") for part in re.split(r"(\{[^}]*\})", written)]
    return ["".join(choice) for choice in itertools.product(*parts)]
