"""The configurations in config/train/shifnet and config/train/sartm, as text, from the papers' tables."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from .recipe import DATA, TITLES, Paper, Row


def configurations(paper: Paper) -> dict[str, str]:
    """The text of each configuration by its path below config/train."""
    texts = {f"{paper.arch}/{data}.yaml": _recipe(paper, data) for data in DATA}
    for row in paper.rows:
        if row.changes:
            texts[f"{paper.arch}/{row.file}.yaml"] = _ablation(paper, row)
    return texts


def _recipe(paper: Paper, data: str) -> str:
    """MFNet's has every key; those of the other data sets change it."""
    held_out = (
        "" if data == "mfnet" else " Trains on 90 % of the training folder and selects on the other 10 %."
    )
    head = [
        f"# {paper.title} on {TITLES[data]} by the paper's recipe.{held_out} docs/reproduce.md says more.",
        f"#   python -m training.train --config config/train/{paper.arch}/{data}.yaml data.root=DIR "
        "model.base_weights=FILE.pt",
        "# Each value is stated in the paper, taken from its authors' code, or ours.",
    ]
    values = {"data.name": data, "run.dir": f"runs/{paper.arch}_{data}"}
    sources: dict[str, str] = {}
    for setting in paper.recipe:
        own = {**(setting.values if data == "mfnet" else {}), **setting.of_data.get(data, {})}
        values |= own
        sources |= dict.fromkeys(own, setting.source)
    base = [] if data == "mfnet" else ["base: mfnet.yaml"]
    return "\n".join([*head, *base, *_yaml(values, sources)]) + "\n"


def _ablation(paper: Paper, row: Row) -> str:
    data = row.file.split("_")[0]
    of_file = {f"Table {other.table}: {other.title}" for other in paper.rows if other.file == row.file}
    values = {**row.changes, "run.dir": f"runs/{paper.arch}_{row.file}"}
    head = f"# {paper.title} on {TITLES[data]}. {'; '.join(sorted(of_file))}."
    return "\n".join([head, f"base: {data}.yaml", *_yaml(values, {})]) + "\n"


def _yaml(values: Mapping[str, Any], sources: Mapping[str, str]) -> Iterator[str]:
    """Dotted keys as sections, in the order of a configuration, each value with its source."""
    for section in ("data", "augment", "model", "loss", "train", "run"):
        keys = [key for key in values if key.startswith(f"{section}.")]
        if keys:
            yield f"{section}:"
        for key in keys:
            value = yaml.safe_dump(values[key]).split("\n")[0]
            source = f"  # {sources[key]}" if key in sources else ""
            yield f"  {key.partition('.')[2]}: {value}{source}"
