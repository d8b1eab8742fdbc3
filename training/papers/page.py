"""docs/reproduce.md from the papers' tables and its template, whose sentences are written by hand."""

from collections.abc import Iterable
from pathlib import Path

import jinja2

from .recipe import DATA, Paper, Row
from .sartm import SARTM
from .shifnet import SHIFNET

_TEMPLATE = Path(__file__).with_name("reproduce.md.j2")


def reproduce_page() -> str:
    """The whole page."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    functions = {
        "trainings": trainings,
        "evaluations": evaluations,
        "main_table": main_table,
        "ablation_table": ablation_table,
        "settings_table": settings_table,
    }
    template = environment.from_string(_TEMPLATE.read_text())
    return template.render(shifnet=SHIFNET, sartm=SARTM, **functions)


def trainings(paper: Paper) -> str:
    """The commands that train the main results, a line each."""
    return "\n".join(
        f"python3 -m training.train --config config/train/{paper.arch}/{data}.yaml data.root=data/{data} "
        f"model.base_weights={paper.base_weights}"
        for data in DATA
    )


def evaluations(paper: Paper) -> str:
    """The commands that score them."""
    names = {data: "fmb15" if (paper.arch, data) == ("sartm", "fmb") else data for data in DATA}
    return "\n".join(
        f"python3 -m training.evaluate --model runs/{paper.arch}_{data}/best.safetensors --data {names[data]} "
        f"--root data/{data} --split test --protocol official --json {paper.arch}_{data}.json"
        for data in DATA
    )


def main_table(paper: Paper) -> str:
    """Main results with the hours that they take."""
    rows = (
        (row.title, _file(paper, row), row.printed, f"{paper.hours[row.file]:.1f}", "no")
        for row in paper.table("main")
    )
    return _markdown(
        ("row", "configuration", "printed in the paper", "GPU hours, estimated", "measured here"), rows
    )


def ablation_table(paper: Paper) -> str:
    """All other rows; each takes about as long as its data set's main result."""
    rows = (
        (row.table, row.title, _file(paper, row), row.printed, "no")
        for row in paper.rows
        if row.table != "main"
    )
    return _markdown(("table", "row", "configuration", "printed in the paper", "measured here"), rows)


def settings_table(paper: Paper) -> str:
    """What the paper states, what its code does, and what is ours."""
    rows = []
    for setting in paper.recipe:
        ours = setting.ours or f"the {setting.source}'s"
        rows.append((setting.title, setting.paper or "-", setting.code or "-", ours))
    return _markdown(("", "the paper states", "its released code", "here"), rows)


def _file(paper: Paper, row: Row) -> str:
    return f"`{paper.arch}/{row.file}.yaml`"


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
