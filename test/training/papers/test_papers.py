"""Configurations and docs/reproduce.md are those of the papers' tables, and these tell what was printed."""

import json

import pytest
from places import GOLDEN, REPOSITORY

from training.papers.recipe import DATA, Paper
from training.papers.sartm import SARTM
from training.papers.shifnet import SHIFNET
from training.papers.write import files

FILES = files()
PRINTED = json.loads((GOLDEN / "printed_scores.json").read_text())
PAPERS = pytest.mark.parametrize("paper", [SHIFNET, SARTM], ids=lambda paper: paper.arch)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_its_table_makes(name: str) -> None:
    hint = "run python -m training.papers.write"
    assert (REPOSITORY / name).read_text() == FILES[name], hint


@PAPERS
def test_no_configuration_is_of_no_table(paper: Paper) -> None:
    folder = REPOSITORY / "config/train" / paper.arch
    assert {f"config/train/{paper.arch}/{path.name}" for path in folder.iterdir()} <= FILES.keys()


@PAPERS
def test_every_row_tells_what_was_printed(paper: Paper) -> None:
    rows = [[row.table, row.title, row.printed] for row in paper.rows]
    assert rows == PRINTED[paper.arch]


@PAPERS
def test_rows_of_one_file_are_the_same_run(paper: Paper) -> None:
    changes = {row.file: row.changes for row in paper.rows}
    assert all(row.changes == changes[row.file] for row in paper.rows)
    assert all(row.file.split("_")[0] in DATA for row in paper.rows)
    assert {file for file, changed in changes.items() if not changed} == set(DATA)
