"""What recipes and rows of a paper's tables are; configurations and docs/reproduce.md are written from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TITLES = {"pst900": "PST900", "fmb": "FMB", "mfnet": "MFNet"}
"""The papers' data sets by the names that folders of docs and files use."""

DATA = tuple(TITLES)


@dataclass(frozen=True)
class Setting:
    """One choice of a recipe, and who made it.

    Attributes:
        title: what is chosen, in words.
        source: whose choice is in the configuration: `paper`, `code` (the authors' released code) or `ours`.
        paper: what the paper states; empty: nothing.
        code: what the released code does; empty: the same, or not known to us.
        ours: what we do, in words.
        values: keys of the configuration of all data sets.
        of_data: keys of one data set's alone.
    """

    title: str
    source: str
    paper: str = ""
    code: str = ""
    ours: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    of_data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


RANDOM_SCALE = Setting(
    "random scale",
    "code",
    code="0.5 to 2 of the crop, not of the image",
    values={"augment.scale_of": "crop", "augment.min_scale": 0.5, "augment.max_scale": 2.0},
)
"""Of both papers."""

OTHER_CHANGES = {
    "augment.flip": 0.5,
    "augment.jitter": 0.2,
    "augment.jitter_strength": 0.5,
    "augment.blur": 0.2,
    "augment.blur_size": 3,
    "augment.blur_sigma": 0.8,
    "augment.thermal_gain": 0.0,
    "augment.thermal_offset": 0.0,
    "augment.thermal_noise": 0.0,
}
"""Keys of all other changes of images: SHIFNet's, which SARTM's recipe takes as well."""


@dataclass(frozen=True)
class Row:
    """One row of a paper's table.

    Attributes:
        table: number of the table, or `main`.
        title: of the row.
        file: its configuration below the architecture's folder, without ending; it starts with the data set's name.
        printed: the score in the paper, in words; `not known to us` where we have none.
        changes: keys of the configuration that differ from the recipe of its data set; rows with the same file have
            the same.
    """

    table: str
    title: str
    file: str
    printed: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Paper:
    """A paper's recipes and tables.

    Attributes:
        arch: name of its architecture.
        title: as written.
        base_weights: Meta's file of the encoder.
        recipe: settings of all data sets.
        rows: of all tables, main results first.
        hours: estimated GPU hours of the recipe by data set, see `training.measure.training_cost`.
    """

    arch: str
    title: str
    base_weights: str
    recipe: tuple[Setting, ...]
    rows: tuple[Row, ...]
    hours: Mapping[str, float]

    def table(self, number: str) -> list[Row]:
        """The rows of one table."""
        return [row for row in self.rows if row.table == number]
