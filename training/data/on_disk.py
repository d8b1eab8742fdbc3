"""Data sets on disk: what is known of each, its splits, and its samples."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_file
from rgbt_seg_ros.masks.classes import FMB, FMB15, MFNET, PST900, UNLABELED, ClassSet

from .files import read_ids, read_label, read_rgb, read_rgb_and_thermal, read_thermal_image
from .folder_layout import FolderLayout, find_layout, found_near
from .name_lists import read_names
from .sample import Sample, subset_of
from .validation_lists import validation_names

_LOG = logging.getLogger(__name__)

_LOOKED_AT = 50
"""Label files that are looked at before the first is used; a pole is in every fifth street at least."""


class DatasetOnDisk:
    """The samples of one split of a data set.

    Where lists name the images, a split is `SPLIT.txt`. Where the images lie in halves, `train_all` and `test` are the
    files there, `val` is a tenth of the first half (`training.data.validation_lists`) and `train` the rest of it; of a
    few images, as a sample of the data set has, `val` is `train`, with a warning. In both cases `SPLIT_day` and
    `SPLIT_night` are the images of a split whose names say so, unless they have a list.

    Args:
        root: the data set's folder.
        split: which of its images.
        thermal: `8bit`, or `16bit` where the data set has such images.
        thermal_palette: of thermal images of three channels, see `rgbt_seg_ros.images.palette.undo_palette`.

    Attributes:
        names: of the samples.

    Raises:
        UserError: another layout, an unknown or empty split, or a missing image.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    classes: ClassVar[ClassSet]
    layouts: ClassVar[tuple[FolderLayout, ...]]
    layouts_16bit: ClassVar[tuple[FolderLayout, ...]] = ()
    """The same with raw thermal images, where the data set has them."""
    size: ClassVar[tuple[int, int] | None]
    """Height and width of its images in pixels; None: not known."""
    known_counts: ClassVar[dict[str, int]]
    """Images in the complete data set, by list or half."""
    first_label_id: ClassVar[int] = 0
    """Id of the first class in label files; lower ones are ignored."""
    thermal_holes: ClassVar[bool] = False
    """Whether thermal is missing where it is zero."""
    thermal_bits: ClassVar[int | None] = None
    """Of thermal images; None: any."""
    advice_on_size: ClassVar[str] = "copy both again"
    """What to do about thermal or a label of another size than RGB."""

    def __init__(
        self, root: str | Path, split: str, thermal: str = "8bit", thermal_palette: str = "auto"
    ) -> None:
        self.root = Path(root)
        self.split = split
        self.thermal_palette = thermal_palette
        self._find_files(split, thermal)
        self.names = self._names(split)
        if not self.names:
            raise UserError(f"the split {split} of {self.root} holds no image: choose another one")
        for name in self.names:
            for path in self.paths(name):
                if not path.is_file():
                    raise UserError(f"{path} is missing though its split names it: copy the data set again")
        strange = self.strange_labels([self.paths(name)[2] for name in self.names])
        if strange:
            _LOG.warning("warning: %s", strange)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """See `read_sample`."""
        return self.read_sample(self.paths(self.names[index]), self.thermal_palette)

    @classmethod
    def read_sample(cls, paths: tuple[Path, Path, Path], thermal_palette: str = "auto") -> Sample:
        """The sample in files of RGB, thermal and label; the first two may be the same.

        Raises:
            UserError: names the file that is unreadable, or has a wrong size or an unknown label id.
        """
        rgb_path, thermal_path, label_path = paths
        if rgb_path == thermal_path:
            rgb, thermal = read_rgb_and_thermal(rgb_path)
            valid = None
        else:
            rgb, found = read_rgb(rgb_path), read_thermal_image(thermal_path, thermal_palette)
            thermal, valid = found.counts, found.valid
        if cls.thermal_holes:
            valid = thermal != 0 if valid is None else valid & (thermal != 0)
        label = cls.read_label(label_path)
        cls.check_bits(thermal_path, thermal)
        cls.check_size(thermal_path, thermal, rgb.shape[:2])
        cls.check_size(label_path, label, rgb.shape[:2])
        return Sample(label_path.stem, rgb, thermal, label, valid)

    def paths(self, name: str) -> tuple[Path, Path, Path]:
        """Files of RGB, thermal and label of a sample; the first two may be the same."""
        rgb, thermal, label = (folder / f"{name}.png" for folder in self.folders)
        return rgb, thermal, label

    @classmethod
    def layouts_of(cls, thermal: str) -> tuple[FolderLayout, ...]:
        """Layouts with thermal images of `8bit` or `16bit`.

        Raises:
            UserError: there are none.
        """
        if thermal == "8bit":
            return cls.layouts
        if thermal == "16bit" and cls.layouts_16bit:
            return cls.layouts_16bit
        raise UserError(
            f"{cls.title} has no thermal images of {thermal!r}: choose 8bit (or 16bit for PST900)"
        )

    @classmethod
    def read_label(cls, path: Path) -> np.ndarray:
        """A label file as class ids; see `training.data.files.read_label`."""
        return read_label(path, len(cls.classes.names), cls.first_label_id)

    @classmethod
    def strange_labels(cls, files: Sequence[Path]) -> str:
        """What is strange about label files as a whole, in one sentence; empty if nothing is."""
        return ""

    @classmethod
    def check_bits(cls, path: Path, thermal: np.ndarray) -> None:
        """Raise UserError, naming the file, if a thermal image has not `thermal_bits`."""
        bits = 8 * thermal.dtype.itemsize
        if cls.thermal_bits not in (None, bits):
            raise UserError(
                f"{path} has {bits} bits, but thermal images of {cls.title} are to have {cls.thermal_bits}: "
                "give the right files, or the right thermal_bits"
            )

    @classmethod
    def check_size(cls, path: Path, image: np.ndarray, expected: tuple[int, ...]) -> None:
        """Raise UserError, naming the file, if an image [h, w, ...] has not the (height, width) of its RGB image."""
        if image.shape[:2] != expected:
            height, width = image.shape[:2]
            raise UserError(
                f"{path} is {width}x{height} pixels, but its RGB image is {expected[1]}x{expected[0]}: "
                f"{cls.advice_on_size}"
            )

    def _find_files(self, split: str, thermal: str) -> None:
        """Set layout and folders."""
        half = "test" if split.startswith("test") else "train"
        self.layout = find_layout(self.root, half, self.title, self.layouts_of(thermal))
        self.folders = self.layout.folders(self.root, half)

    def _names(self, split: str) -> tuple[str, ...]:
        whole, _, subset = split.rpartition("_")
        if subset in ("day", "night") and not (self.root / f"{split}.txt").is_file():
            return tuple(name for name in self._names(whole) if subset_of(name) == subset)
        return self._names_in_half(split) if self.layout.halves else self._names_in_list(split)

    def _names_in_list(self, split: str) -> tuple[str, ...]:
        path = self.root / f"{split}.txt"
        if not path.is_file():
            raise UserError(
                f"there is no list of the split {split}: expected {path}, found {found_near(path, self.root)}"
            )
        return read_names(path, lambda name: is_file(self.paths(name)[0]))

    def _names_in_half(self, split: str) -> tuple[str, ...]:
        if split not in ("train", "val", "train_all", "test"):
            raise UserError(f"{self.title} has no split {split!r}: choose train, val, train_all or test")
        folder = self.folders[0]
        names = tuple(sorted(path.stem for path in folder.glob("*.png")))
        if split in ("train_all", "test"):
            return names
        validation = validation_names(self.name, names)
        if not validation and split == "val" and names:
            _LOG.warning(
                "warning: %s holds too few images to set any apart for validation: val is the images of train",
                folder,
            )
            return names
        return validation if split == "val" else tuple(sorted(set(names) - set(validation)))


class MfnetDataset(DatasetOnDisk):
    """MFNet: RGB and thermal as the four channels of one file, or as two files."""

    name = "mfnet"
    title = "MFNet"
    classes = MFNET
    layouts = (FolderLayout("images", "images", "labels"), FolderLayout("rgb", "ther", "labels"))
    size = (480, 640)
    known_counts: ClassVar = {"train": 784, "val": 392, "test": 393}


class MsrsDataset(DatasetOnDisk):
    """MSRS: MFNet re-processed, with its ids; a part of it with lists, or the whole in two halves."""

    name = "msrs"
    title = "MSRS"
    classes = MFNET
    layouts = (
        FolderLayout("vi", "ir", "Segmentation_labels"),
        FolderLayout("vi", "ir", "Segmentation_labels", halves=True),
    )
    size = (480, 640)
    known_counts: ClassVar = {"train": 1083, "test": 361}


class Pst900Dataset(DatasetOnDisk):
    """PST900: thermal of 8 or 16 bits, zero where its reprojection onto RGB left holes."""

    name = "pst900"
    title = "PST900"
    classes = PST900
    layouts = (FolderLayout("rgb", "thermal", "labels", halves=True),)
    layouts_16bit = (FolderLayout("rgb", "thermal_raw", "labels", halves=True),)
    size = (720, 1280)
    known_counts: ClassVar = {"train": 597, "test": 288}
    thermal_holes = True


class FmbDataset(DatasetOnDisk):
    """FMB: thermal in three equal channels; its files' id 0 is unlabeled, so ids here are one less than there."""

    name = "fmb"
    title = "FMB"
    classes = FMB
    layouts = (FolderLayout("Visible", "Infrared", "Label", halves=True),)
    size = (600, 800)
    known_counts: ClassVar = {"train": 1220, "test": 280}
    first_label_id = 1

    @classmethod
    def strange_labels(cls, files: Sequence[Path]) -> str:
        """Labels that were shifted by one beforehand have 255, road as 0 and poles as 13, but no 14."""
        found: set[int] = set()
        for file in files[:_LOOKED_AT]:
            # Unreadable ones are named when their turn comes.
            with suppress(UserError):
                found |= set(np.unique(read_ids(file)).tolist())
        last = len(FMB.names)
        if not {0, last - 1, UNLABELED} <= found or last in found:
            return ""
        return (
            f"the labels in {files[0].parent} have ids 0 and 255 but no {last}: they seem to have been shifted by one "
            "beforehand, and each class would be taken for the one before it; take the data set's own labels"
        )


class Fmb15Dataset(FmbDataset):
    """FMB as SARTM's paper counts it: with the class background, so that ids are those of the files."""

    name = "fmb15"
    title = "FMB with 15 classes"
    classes = FMB15
    first_label_id = 0
