"""Sources of aligned RGB-thermal-label samples: data sets on disk, the renderer, and a seeded mix of both."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from rgbt_seg_ros.classes import MFNET, UNLABELED, ClassSet
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.scenes import render_still

from .config import DataConfig

# Training stills have seeds below this one, validation stills from it on.
_VALIDATION_SEED = 1_000_000


@dataclass(frozen=True)
class Sample:
    """One aligned pair: rgb uint8 [H, W, 3], thermal uint8 or uint16 [H, W], label uint8 [H, W] (255: ignored)."""

    name: str
    rgb: np.ndarray
    thermal: np.ndarray
    label: np.ndarray


class Source(Protocol):
    """A finite list of samples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class DatasetOnDisk(ABC):
    """A split of a data set in its own layout: `FOLDER/NAME.png` in each folder, `SPLIT.txt` with a name a line.

    Raises:
        UserError: the layout is another, or an image is missing.
    """

    layout: str
    folders: tuple[str, ...]
    classes: ClassSet

    def __init__(self, root: str | Path, split: str) -> None:
        self.root = Path(root)
        self._check_layout(split)
        self.names = tuple((self.root / f"{split}.txt").read_text().split())
        if not self.names:
            raise UserError(f"{self.root / f'{split}.txt'} is empty: it must hold a name a line")
        for name in self.names:
            for path in self.paths(name):
                if not path.is_file():
                    raise UserError(f"{path} is missing though its split names it: copy the data set again")

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Raises UserError, naming the file, for an unreadable image, a wrong size or an unknown label id."""

    def paths(self, name: str) -> list[Path]:
        """The files of one sample, in the order of `folders`."""
        return [self.root / folder / f"{name}.png" for folder in self.folders]

    def _check_layout(self, split: str) -> None:
        for expected in (*self.folders, f"{split}.txt"):
            if not (self.root / expected).exists():
                there = sorted(path.name for path in self.root.iterdir())[:8] if self.root.is_dir() else []
                found = ", ".join(there) if there else "nothing"
                raise UserError(
                    f"{self.root} has not the {self.layout} layout: expected {self.root / expected}, found {found}"
                )


class MsrsDataset(DatasetOnDisk):
    """MSRS: RGB in `vi`, thermal in `ir`, MFNet's ids."""

    layout = "MSRS"
    folders = ("vi", "ir", "Segmentation_labels")
    classes = MFNET

    def __getitem__(self, index: int) -> Sample:
        rgb_path, thermal_path, label_path = self.paths(self.names[index])
        rgb = _read_image(rgb_path, "RGB")
        thermal = _read_image(thermal_path, "L")
        if thermal.shape != rgb.shape[:2]:
            raise UserError(f"{thermal_path} is {thermal.shape}, but its RGB image is {rgb.shape[:2]}")
        return Sample(self.names[index], rgb, thermal, _read_label(label_path, rgb.shape[:2], self.classes))


class MfnetDataset(DatasetOnDisk):
    """MFNet: RGB and thermal are the four channels of one file."""

    layout = "MFNet"
    folders = ("images", "labels")
    classes = MFNET

    def __getitem__(self, index: int) -> Sample:
        image_path, label_path = self.paths(self.names[index])
        pair = _read_image(image_path, "RGBA")
        rgb, thermal = np.ascontiguousarray(pair[..., :3]), np.ascontiguousarray(pair[..., 3])
        return Sample(self.names[index], rgb, thermal, _read_label(label_path, rgb.shape[:2], self.classes))


class RenderedScenes:
    """Stills of the renderer, of consecutive seeds; `size` is (H, W) in pixels."""

    def __init__(self, count: int, size: tuple[int, int], first_seed: int = 0) -> None:
        self.count = count
        self.size = size
        self.first_seed = first_seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        seed = self.first_seed + index
        still = render_still(seed, self.size)
        return Sample(f"scene{seed}", still.rgb, still.thermal, still.label)


class KeptInMemory:
    """A source whose samples are made once, on first use."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self.source[index]
        return self._kept[index]


DATASETS: dict[str, type[DatasetOnDisk]] = {"msrs": MsrsDataset, "mfnet": MfnetDataset}
"""Data sets on disk by the name that commands and configurations use."""


def open_dataset(name: str, root: str | Path | None, split: str) -> DatasetOnDisk:
    """A split of a data set on disk.

    Raises:
        UserError: unknown name, no root, or a wrong layout.
    """
    if name not in DATASETS:
        raise UserError(f"there is no data set {name!r}: choose one of {', '.join(DATASETS)}")
    if root is None:
        raise UserError(f"the data set {name} needs its folder: give data.root=DIR (or --root DIR)")
    return DATASETS[name](root, split)


def training_sources(config: DataConfig) -> tuple[Source | None, Source]:
    """Real samples (None for `scenes`) and rendered ones."""
    size = (config.rendered_height, config.rendered_width)
    rendered = KeptInMemory(RenderedScenes(config.rendered_stills, size))
    if config.name == "scenes":
        return None, rendered
    real: Source = open_dataset(config.name, config.root, config.train_split)
    return (KeptInMemory(real) if config.keep_in_memory else real), rendered


def validation_source(config: DataConfig) -> Source:
    """The samples that decide which weights are the best."""
    if config.name == "scenes":
        size = (config.rendered_height, config.rendered_width)
        return KeptInMemory(RenderedScenes(config.rendered_val, size, _VALIDATION_SEED))
    real: Source = open_dataset(config.name, config.root, config.val_split)
    return KeptInMemory(real) if config.keep_in_memory else real


class TrainingStream(Dataset[dict[str, Tensor] | UserError]):
    """The samples of a whole run: number k is a function of the seed and k alone.

    So it depends neither on the number of worker processes nor on where a run was interrupted. A sample that cannot
    be read is answered with the error as a value (see `collate`).

    Args:
        real: samples of a data set, or None for rendered ones alone.
        rendered: samples of the renderer.
        share: share of rendered samples at the first and at the last sample, linear between.
        augment: from a sample to network inputs; may draw from torch's random numbers.
        length: number of samples in the run.
        seed: of the whole stream.
    """

    def __init__(
        self,
        real: Source | None,
        rendered: Source,
        share: tuple[float, float],
        augment: Callable[[Sample], dict[str, Tensor]],
        length: int,
        seed: int,
    ) -> None:
        self.real = real
        self.rendered = rendered
        self.share = (1.0, 1.0) if real is None else share
        self.augment = augment
        self.length = length
        self.seed = seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, k: int) -> dict[str, Tensor] | UserError:
        try:
            return self._make(k)
        except UserError as error:
            return error

    def _make(self, k: int) -> dict[str, Tensor]:
        random = np.random.default_rng((self.seed, k))
        first, last = self.share
        share = first + (last - first) * k / self.length
        source = self.real
        if source is None or random.random() < share:
            source = self.rendered
        sample = source[int(random.integers(len(source)))]
        # Without workers this runs in the training process, whose own random numbers must not be disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.integers(2**63)))
            return self.augment(sample)


def collate(items: list[dict[str, Tensor] | UserError]) -> dict[str, Tensor] | UserError:
    """A batch of samples, or the first error among them.

    A DataLoader turns an exception of a worker process into a text with its traceback; a value arrives as it is.
    """
    for item in items:
        if isinstance(item, UserError):
            return item
    batch: dict[str, Tensor] = default_collate(items)
    return batch


def _read_image(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if mode == "RGBA" and image.mode != "RGBA":
                raise UserError(
                    f"{path} has mode {image.mode}: MFNet's images have 4 channels, RGB and thermal"
                )
            return np.array(image.convert(mode))
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise UserError(f"{path} cannot be read ({error}): copy it again") from error


def _read_label(path: Path, size: tuple[int, ...], classes: ClassSet) -> np.ndarray:
    try:
        with Image.open(path) as image:
            label = np.array(image)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise UserError(f"{path} cannot be read ({error}): copy it again") from error
    if label.shape != size or label.dtype != np.uint8:
        raise UserError(
            f"{path} is {label.dtype} {label.shape}: expected one 8-bit channel of {size} as the image"
        )
    unknown = np.setdiff1d(label, [*range(len(classes.names)), UNLABELED])
    if unknown.size:
        raise UserError(
            f"{path} has label id {unknown[0]}, but {classes.name} has ids 0 to {len(classes.names) - 1} and 255"
        )
    return label
