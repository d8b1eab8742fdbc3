"""The documentation under docs/ says what the program does."""

from pathlib import Path

from rgbt_seg_ros.parameter_reference import parameter_reference
from rgbt_seg_ros.settings import PARAMETERS


def test_the_parameter_reference_is_made_from_the_declarations(repository: Path) -> None:
    reference = (repository / "docs" / "parameters.md").read_text()
    hint = "run python -m rgbt_seg_ros.parameter_reference > docs/parameters.md"
    assert reference == parameter_reference(PARAMETERS.values()), hint
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert len(rows) == len(PARAMETERS)
    assert all(line.count("|") == 6 for line in rows)
