"""The documentation under docs/ says what the program does."""

import re
from pathlib import Path

from diagnostics_table import documented_keys

from rgbt_seg_ros.base.diagnostics import Drop, Key, Stage
from rgbt_seg_ros.settings import PARAMETERS
from rgbt_seg_ros.settings.reference import parameter_reference


def test_the_parameter_reference_is_made_from_the_declarations(repository: Path) -> None:
    reference = (repository / "docs" / "parameters.md").read_text()
    hint = "run python -m rgbt_seg_ros.settings.reference > docs/parameters.md"
    assert reference == parameter_reference(PARAMETERS.values()), hint
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert len(rows) == len(PARAMETERS)
    assert all(line.count("|") == 6 for line in rows)


def test_every_key_of_diagnostics_is_documented(repository: Path) -> None:
    """A running node's keys: see test_pairing_topics."""
    documented = documented_keys(repository)
    assert {key for key in documented if key.startswith("dropped.")} == {cause.value for cause in Drop}
    assert {key.partition(".")[0] for key in documented} == {key.value for key in Key} | {"dropped"}
    stages = {key.split(".")[1] for key in documented if key.startswith("stage_ms.")}
    assert stages == {stage.value for stage in Stage}


def test_every_cause_of_a_drop_is_counted_somewhere(repository: Path) -> None:
    files = [path for path in (repository / "rgbt_seg_ros").rglob("*.py") if path.name != "diagnostics.py"]
    used = set(re.findall(r"\bDrop\.([A-Z_]+)", "".join(path.read_text() for path in files)))
    assert used == set(Drop.__members__)


def test_the_card_of_the_packaged_model_and_its_story_link_each_other(repository: Path) -> None:
    docs = repository / "docs"
    assert "](default_model.md)" in (docs / "model_card.md").read_text()
    assert "](model_card.md)" in (docs / "default_model.md").read_text()
