"""The documentation under docs/ says what the program does."""

import re
from pathlib import Path

from diagnostics_table import documented_keys

from rgbt_seg_ros.pairing.nearest import Cause
from rgbt_seg_ros.settings import PARAMETERS
from rgbt_seg_ros.settings.reference import parameter_reference


def test_the_parameter_reference_is_made_from_the_declarations(repository: Path) -> None:
    reference = (repository / "docs" / "parameters.md").read_text()
    hint = "run python -m rgbt_seg_ros.settings.reference > docs/parameters.md"
    assert reference == parameter_reference(PARAMETERS.values()), hint
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert len(rows) == len(PARAMETERS)
    assert all(line.count("|") == 6 for line in rows)


def test_every_cause_of_a_drop_is_documented(repository: Path) -> None:
    """Those of the pairer, and those that are counted by name; a running node's keys: see test_pairing_topics."""
    source = "".join(path.read_text() for path in (repository / "rgbt_seg_ros").rglob("*.py"))
    causes = set(re.findall(r'count\("dropped\.(\w+)"|lose\("(\w+)"', source))
    counted = {f"dropped.{name}" for pair in causes for name in pair if name}
    assert len(counted) >= 8
    # In /diagnostics "stale" are pairs; the pairer's stale images are "late" there.
    paired = {f"dropped.{cause.value}" for cause in Cause if cause != Cause.STALE} | {"dropped.late"}
    documented = {key for key in documented_keys(repository) if key.startswith("dropped.")}
    assert documented == counted | paired
