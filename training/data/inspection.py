"""What is in a data set's folder, against what is known of the data set: every problem, and the shares of classes."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import UNLABELED

from .files import read_rgb, read_rgb_and_thermal, read_thermal_image
from .folder_layout import Paths, SplitFiles, find_layout
from .on_disk import DatasetOnDisk
from .own_data import FolderDataset
from .validation_lists import committed_list

_HALVES = ("train", "test")
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class InspectedImage:
    """What was found in the files of one sample.

    Attributes:
        paths: of the files.
        size: height and width in pixels.
        pixels: int64 [256], number of pixels of each class id; 255: ignored.
        thermal_type: dtype of thermal, and its false colours if it has any.
        missing: share of thermal that is missing.
        content: hash of the RGB file.
    """

    paths: Paths
    size: tuple[int, int]
    pixels: np.ndarray
    thermal_type: str
    missing: float
    content: str


@dataclass
class Inspection:
    """What was found in a data set's folder.

    Attributes:
        dataset: what is known of the data set.
        thermal_palette: of thermal images of three channels, as in `DatasetOnDisk`.
        splits: lists or halves by name.
        images: readable samples, each once, though several lists may name it.
        problems: what makes the data unusable as it is, a sentence each.
        warnings: what one should know.
    """

    dataset: type[DatasetOnDisk]
    splits: dict[str, SplitFiles]
    thermal_palette: str = "auto"
    images: dict[Paths, InspectedImage] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def samples(self) -> list[Paths]:
        """Files of all samples, each once."""
        return list(dict.fromkeys(paths for split in self.splits.values() for paths in split.files))

    def class_pixels(self) -> np.ndarray:
        """int64 [256], pixels of each class id in all images."""
        return sum((image.pixels for image in self.images.values()), np.zeros(256, np.int64))

    def class_images(self) -> np.ndarray:
        """int64 [256], images with each class id."""
        return sum((image.pixels > 0 for image in self.images.values()), np.zeros(256, np.int64))

    def as_dict(self) -> dict[str, Any]:
        """Everything for a JSON file."""
        pixels, images = self.class_pixels(), self.class_images()
        total = max(1, int(pixels.sum()))
        known = self.dataset.known_counts
        sizes = Counter(f"{width}x{height}" for height, width in (i.size for i in self.images.values()))
        return {
            "data": self.dataset.name,
            "splits": {
                name: {"images": len(split.names), "known": known.get(name)}
                for name, split in self.splits.items()
            },
            "images": len(self.samples()),
            "known_images": sum(known.values()),
            "readable_images": len(self.images),
            "sizes": dict(sizes),
            "thermal_types": dict(Counter(image.thermal_type for image in self.images.values())),
            "thermal_missing": float(np.mean([image.missing for image in self.images.values()] or [0.0])),
            "classes": {
                name: {"pixel_share": int(pixels[i]) / total, "images": int(images[i])}
                for i, name in enumerate(self.dataset.classes.names)
            },
            "ignored_share": int(pixels[UNLABELED]) / total,
            "problems": self.problems,
            "warnings": self.warnings,
        }


def inspect(
    dataset: type[DatasetOnDisk],
    root: Path,
    thermal: str = "8bit",
    track: Callable[[list[Paths]], Iterable[Paths]] = iter,
    thermal_palette: str = "auto",
) -> Inspection:
    """Read every file of a data set.

    Args:
        dataset: which one.
        root: its folder.
        thermal: `8bit` or `16bit`.
        track: wraps the list of samples, to show progress.
        thermal_palette: as in `DatasetOnDisk`.

    Raises:
        UserError: the folder has not the layout of the data set, not even a half of it, or no lists.
    """
    inspection = Inspection(dataset, {}, thermal_palette)
    if issubclass(dataset, FolderDataset):
        dataset.layouts_of(thermal)  # or says that there are none
        files = dataset.description.files()
        inspection.splits = {
            split: SplitFiles(tuple(names), tuple(names.values())) for split, names in files.items()
        }
    else:
        _find_splits(inspection, root, thermal)
    _compare_folders(inspection)
    for paths in track(inspection.samples()):
        image = _inspect_image(inspection, paths)
        if image is not None:
            inspection.images[paths] = image
    labels = [label for _, _, label in inspection.samples() if label.is_file()]
    inspection.warnings += filter(None, [dataset.strange_labels(labels)])
    _compare_counts(inspection)
    _compare_validation_list(inspection)
    _find_shared_images(inspection)
    if issubclass(dataset, FolderDataset):
        _find_absent_classes(inspection)
    return inspection


def _find_splits(inspection: Inspection, root: Path, thermal: str) -> None:
    """Note the splits of a known data set; raise if there is not even a half of it."""
    dataset = inspection.dataset
    layout_problems: list[str] = []
    for half in _HALVES:
        layout = _attempt(
            layout_problems, find_layout, root, half, dataset.title, dataset.layouts_of(thermal)
        )
        if layout is not None and not layout.halves:
            inspection.splits = SplitFiles.of_lists(root, layout)
            break
        if layout is not None:
            inspection.splits[half] = SplitFiles.of_half(layout.folders(root, half))
    if not inspection.splits:
        raise UserError(layout_problems[0])
    inspection.problems += layout_problems


def _attempt(problems: list[str], read: Callable[..., _Read], *arguments: Any) -> _Read | None:
    """What `read` returns; None, and its sentence among the problems, if it fails."""
    try:
        return read(*arguments)
    except UserError as error:
        problems.append(str(error))
        return None


def _compare_folders(inspection: Inspection) -> None:
    """Note the files that are missing, and those that no split names."""
    expected: dict[Path, set[str]] = {}
    for paths in inspection.samples():
        for path in paths:
            expected.setdefault(path.parent, set()).add(path.name)
    for folder, names in expected.items():
        present = {path.name for path in folder.iterdir()}
        inspection.problems += [f"{folder / name} is missing" for name in sorted(names - present)]
        surplus = sorted(present - names)
        if surplus:
            listed = ", ".join(surplus[:10]) + (", ..." if len(surplus) > 10 else "")
            inspection.warnings.append(
                f"{folder} holds {_count(len(surplus), 'file')} of no sample: {listed}"
            )


def _inspect_image(inspection: Inspection, paths: Paths) -> InspectedImage | None:
    """Read one sample; None, and all that is wrong with its files among the problems, if any is unusable."""
    dataset, problems = inspection.dataset, inspection.problems
    if not all(path.is_file() for path in paths):
        return None  # said by _compare_folders, and the others cannot be compared with it
    rgb_path, thermal_path, label_path = paths
    before, palette = len(problems), ""
    if rgb_path == thermal_path:
        rgb, thermal = _attempt(problems, read_rgb_and_thermal, rgb_path) or (None, None)
    else:
        rgb = _attempt(problems, read_rgb, rgb_path)
        found = _attempt(problems, read_thermal_image, thermal_path, inspection.thermal_palette)
        thermal, palette = (None, "") if found is None else (found.counts, found.palette)
    label = _attempt(problems, dataset.read_label, label_path)
    if rgb is None or thermal is None or label is None:
        return None
    size = (rgb.shape[0], rgb.shape[1])
    _attempt(problems, dataset.check_bits, thermal_path, thermal)
    _attempt(problems, dataset.check_size, thermal_path, thermal, size)
    _attempt(problems, dataset.check_size, label_path, label, size)
    if len(problems) > before:
        return None
    if dataset.size not in (None, size):
        height, width = dataset.size
        problems.append(
            f"{rgb_path} is {size[1]}x{size[0]} pixels, but {dataset.title}'s images are {width}x{height}"
        )
    return InspectedImage(
        paths=paths,
        size=size,
        pixels=np.bincount(label.ravel(), minlength=256),
        thermal_type=f"{thermal.dtype} in false colours ({palette})" if palette else str(thermal.dtype),
        missing=float((thermal == 0).mean()) if dataset.thermal_holes else 0.0,
        content=hashlib.sha256(rgb_path.read_bytes()).hexdigest(),
    )


def _compare_counts(inspection: Inspection) -> None:
    known = inspection.dataset.known_counts
    found, complete = len(inspection.samples()), sum(known.values())
    if found < complete:
        inspection.warnings.append(
            f"{found} of {complete} images: this is a part of {inspection.dataset.title}"
        )
    for name, split in inspection.splits.items():
        if not split.names:
            inspection.problems.append(f"{name} holds no image")
        if len(split.names) > known.get(name, len(split.names)):
            inspection.warnings.append(
                f"{name} holds {_count(len(split.names), 'image')}, {known[name]} are known"
            )


def _compare_validation_list(inspection: Inspection) -> None:
    """Note images of the shipped validation list that a complete training half has not."""
    path = committed_list(inspection.dataset.name)
    train = inspection.splits.get("train")
    if path is None or train is None or len(train.names) < inspection.dataset.known_counts["train"]:
        return
    absent = sorted(set(path.read_text().split()) - set(train.names))
    if absent:
        inspection.warnings.append(
            f"{_count(len(absent), 'image')} of {path} are not in train, for instance {absent[0]}"
        )


def _find_shared_images(inspection: Inspection) -> None:
    """Note images that a model would be trained on and scored on."""
    contents = {
        name: {
            inspection.images[paths].content: paths[0].stem
            for paths in inspection.splits[name].files
            if paths in inspection.images
        }
        for name in ("train", "val", "test")
        if name in inspection.splits
    }
    for first, second in combinations(contents, 2):
        shared = [contents[second][content] for content in contents[first].keys() & contents[second].keys()]
        if shared:
            inspection.warnings.append(
                f"{first} and {second} share {_count(len(shared), 'image')}, for instance {min(shared)}: "
                f"a score on {second} is not one on unseen images"
            )


def _find_absent_classes(inspection: Inspection) -> None:
    """Note classes that an own data set's splits do not show."""
    effects = {"train": "cannot be learnt", "val": "is not validated", "test": "is not tested"}
    for split, effect in effects.items():
        files = inspection.splits[split].files if split in inspection.splits else ()
        found = [inspection.images[paths].pixels for paths in files if paths in inspection.images]
        if not found:
            continue
        shown = np.sum(found, axis=0) > 0
        absent = [name for i, name in enumerate(inspection.dataset.classes.names) if not shown[i]]
        if absent:
            inspection.warnings.append(
                f"{split} shows no {', '.join(absent)}, which {effect}: give other lists or shares"
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
