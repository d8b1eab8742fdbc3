"""Own data sets (`data.name=folder`): a YAML file says where images and labels lie and what the labels mean."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_file, is_folder
from rgbt_seg_ros.base.json_files import MalformedJson, convert_json
from rgbt_seg_ros.base.yaml_files import read_yaml
from rgbt_seg_ros.masks.classes import ClassSet, palette_for

from ..config.schema import FOLDER
from .class_labels import ClassesEntry, ClassTable, IgnoreEntry, class_table, things_of
from .folder_layout import FolderLayout, Paths, found_near
from .name_lists import ENDINGS, read_names
from .on_disk import DatasetOnDisk
from .validation_lists import split_names

DESCRIPTION = "dataset.yaml"
"""The file in the data set's folder, where the root is that folder and not such a file itself."""


class _Entries(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands in the file; docs/own_data.md describes it."""

    rgb: str
    thermal: str
    labels: str
    classes: ClassesEntry
    splits: dict[str, str | float]
    title: str | None = None
    things: list[str] | None = None
    ignore: IgnoreEntry | None = None
    thermal_bits: Literal[8, 16] | None = None
    thermal_holes: bool = False
    seed: int = 0


@dataclass(frozen=True)
class FilePattern:
    """Files of one kind: all images of a folder, or those whose names begin and end with something.

    Attributes:
        folder: where they lie.
        before, after: of the sample's name, `_` and `_rgb` in `images/_{}_rgb.jpg`.
        ending: of the file, with its dot; empty: that of any image.
    """

    folder: Path
    before: str = ""
    after: str = ""
    ending: str = ""

    def find(self) -> dict[str, Path]:
        """The files by the names of their samples.

        Raises:
            UserError: no such folder, or two files of one sample.
        """
        if not is_folder(self.folder):
            found = found_near(self.folder, self.folder.parent)
            raise UserError(
                f"there is no folder {self.folder}, found {found}: mend its name in {DESCRIPTION}"
            )
        files: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()):
            stem, ending = path.stem, path.suffix.lower()
            if ending not in ({self.ending.lower()} if self.ending else ENDINGS) or not path.is_file():
                continue
            if not (stem.startswith(self.before) and stem.endswith(self.after)):
                continue
            name = stem[len(self.before) : len(stem) - len(self.after)]
            if name in files:
                raise UserError(
                    f"{files[name]} and {path} are of one sample: keep one, or give the ending, as in "
                    f"{self.folder.name}/{{}}{path.suffix}"
                )
            if name:
                files[name] = path
        return files

    def missing(self, name: str) -> Path:
        """The path that a sample's file would have."""
        return self.folder / f"{self.before}{name}{self.after}{self.ending or '.*'}"


@dataclass(frozen=True)
class Description:
    """An own data set as its file describes it.

    Attributes:
        path: of the file.
        title: name for people.
        rgb, thermal, labels: where the files are; `rgb` and `thermal` are equal where one file holds both.
        table: classes, and what stands for them in label files.
        things: classes that become detections.
        thermal_bits: of thermal images; None: any.
        thermal_holes: whether thermal is missing where it is zero.
        splits: a list file, or the share that is split off, by the split's name.
        seed: of what is split off.
    """

    path: Path
    title: str
    rgb: FilePattern
    thermal: FilePattern
    labels: FilePattern
    table: ClassTable
    things: tuple[str, ...]
    thermal_bits: int | None
    thermal_holes: bool
    splits: dict[str, str | float]
    seed: int

    def class_set(self) -> ClassSet:
        """The classes; their colours in pictures are not those of label files."""
        names = self.table.names
        palette = tuple((int(r), int(g), int(b)) for r, g, b in palette_for(names)[: len(names)])
        return ClassSet(FOLDER, names, self.things, palette)

    def files(self) -> dict[str, dict[str, Paths]]:
        """Files of RGB, thermal and label of the samples of each split, by name; those that are missing as well.

        A list names samples. Shares are split off `train`: its list, or all labelled samples that no list names.

        Raises:
            UserError: a folder or a list is missing, or the shares leave nothing to train on.
        """
        kinds = (self.rgb, self.thermal, self.labels)
        found = [kind.find() for kind in kinds]
        return {
            split: {name: self._paths(name, found) for name in names}
            for split, names in self._names(found[0], found[2]).items()
        }

    def _paths(self, name: str, found: Sequence[Mapping[str, Path]]) -> Paths:
        kinds = (self.rgb, self.thermal, self.labels)
        rgb, thermal, label = (
            files.get(name, kind.missing(name)) for files, kind in zip(found, kinds, strict=True)
        )
        return rgb, thermal, label

    def _names(self, rgb: Mapping[str, Path], labels: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
        lists = {
            split: self._read_list(split, entry, rgb)
            for split, entry in self.splits.items()
            if isinstance(entry, str)
        }
        shares = {split: entry for split, entry in self.splits.items() if not isinstance(entry, str)}
        listed = {name for names in lists.values() for name in names}
        whole = lists.get("train", tuple(name for name in sorted(labels) if name not in listed))
        parts, rest = split_names(whole, shares, self.seed)
        if not rest or not all(parts.values()):
            raise UserError(
                f"{self.path}: too few images to train on: {len(whole)} in {self.labels.folder}"
                + (f", before the shares of {', '.join(shares)} are split off" if shares else "")
                + ": see labels and splits"
            )
        return {**lists, "train": rest, **parts, **({"train_all": whole} if shares else {})}

    def _read_list(self, split: str, entry: str, rgb: Mapping[str, Path]) -> tuple[str, ...]:
        path = self.path.parent / entry
        if not is_file(path):
            found = found_near(path, self.path.parent)
            raise UserError(f"there is no list of the split {split}: {self.path} names {path}, found {found}")
        return read_names(path, lambda name: name in rgb)


class FolderDataset(DatasetOnDisk):
    """An own data set; a class of its own for each description, as every known data set is (see `own_dataset`)."""

    name = FOLDER
    layouts: ClassVar = ()
    known_counts: ClassVar = {}
    size: ClassVar = None
    description: ClassVar[Description]
    advice_on_size: ClassVar = "lay thermal and label onto it, pixel on pixel"

    def paths(self, name: str) -> Paths:
        """Files of RGB, thermal and label of a sample; the first two may be the same."""
        return self._files[name]

    @classmethod
    def layouts_of(cls, thermal: str) -> tuple[FolderLayout, ...]:
        """None: the description names the folders. Raises UserError for thermal images of `16bit`, as that does too."""
        if thermal != "8bit":
            raise UserError(
                f"{cls.description.path} says which thermal images there are: give thermal_bits there, "
                f"not thermal={thermal}"
            )
        return ()

    @classmethod
    def read_label(cls, path: Path) -> np.ndarray:
        """See `ClassTable.read_label`."""
        return cls.description.table.read_label(path)

    def _find_files(self, split: str, thermal: str) -> None:
        self.layouts_of(thermal)
        splits = self.description.files()
        if split not in splits:
            raise UserError(
                f"{self.description.path} has no split {split!r}: choose {', '.join(splits)}, or add it to splits"
            )
        self._files = splits[split]

    def _names(self, split: str) -> tuple[str, ...]:
        return tuple(self._files)


def read_description(root: str | Path) -> Description:
    """Read an own data set's file.

    Args:
        root: the file, or the folder that has it as `dataset.yaml`.

    Raises:
        UserError: no such file, no YAML, or an entry that cannot be; names it.
    """
    path = Path(root).expanduser()
    path = path / DESCRIPTION if path.is_dir() else path
    if not path.is_file():
        raise UserError(
            f"there is no {path}: write one that names the folders and classes, as config/own_data/dataset.yaml does"
        )
    entries = _read_entries(path)
    table = class_table(entries.classes, entries.ignore, path)
    things = things_of(table.names, entries.things)
    if unknown := [name for name in things if name not in table.names]:
        raise UserError(f"{path}: things has {unknown[0]!r}, which is no class: name some of classes")
    for split, entry in entries.splits.items():
        if not isinstance(entry, str) and (not 0.0 < entry < 1.0 or split == "train"):
            raise UserError(
                f"{path}: splits.{split} is {entry:g}: give a list file, or for val and test a share between 0 and 1"
            )
    if not entries.splits:
        raise UserError(f"{path}: splits is empty: give list files or shares, as {{val: 0.2, test: 0.2}}")
    return Description(
        path=path,
        title=entries.title or path.resolve().parent.name,
        rgb=_pattern(path.parent, entries.rgb),
        thermal=_pattern(path.parent, entries.thermal),
        labels=_pattern(path.parent, entries.labels),
        table=table,
        things=things,
        thermal_bits=entries.thermal_bits,
        thermal_holes=entries.thermal_holes,
        splits=dict(entries.splits),
        seed=entries.seed,
    )


def own_dataset(root: str | Path) -> type[FolderDataset]:
    """The class of an own data set.

    Raises:
        UserError: see `read_description`.
    """
    description = read_description(root)
    known = {
        "description": description,
        "title": description.title,
        "classes": description.class_set(),
        "thermal_holes": description.thermal_holes,
        "thermal_bits": description.thermal_bits,
        "__module__": __name__,
        "__doc__": f"The data set of {description.path}.",
    }
    return type("OwnDataset", (FolderDataset,), known)


def _read_entries(path: Path) -> _Entries:
    values = read_yaml(path, "mend it, docs/own_data.md shows one")
    for key in values if isinstance(values, dict) else ():
        if key not in _Entries.__struct_fields__:
            near = difflib.get_close_matches(str(key), _Entries.__struct_fields__, n=1, cutoff=0.0)[0]
            raise UserError(f"{path}: there is no key {key}, did you mean {near}?")
    try:
        return convert_json(values, _Entries)
    except MalformedJson as error:
        raise UserError(
            f"{path} is not a data set's file ({error}): docs/own_data.md describes the keys"
        ) from None


def _pattern(folder: Path, entry: str) -> FilePattern:
    path = folder / entry
    if "{}" not in path.name:
        return FilePattern(path)
    ending = path.suffix if path.suffix.lower() in ENDINGS else ""
    before, _, after = path.name.removesuffix(ending).partition("{}")
    return FilePattern(path.parent, before, after, ending)
