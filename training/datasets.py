"""Sources of aligned RGB-thermal-label samples: data sets on disk, the renderer, and a seeded mix of both."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from rgbt_seg_ros.classes import MFNET, ClassSet
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.scenes import render_still

from .config import DataConfig
from .dataset_on_disk import DatasetOnDisk, FmbDataset, MfnetDataset, MsrsDataset, Pst900Dataset
from .sample import Sample, Source

# Training stills have seeds below this one, validation stills from it on.
_VALIDATION_SEED = 1_000_000


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


DATASETS: dict[str, type[DatasetOnDisk]] = {
    dataset.name: dataset for dataset in (MfnetDataset, Pst900Dataset, FmbDataset, MsrsDataset)
}
"""Data sets on disk by the name that commands and configurations use."""


def class_set_of(name: str) -> ClassSet:
    """The classes of a data set on disk, or of the renderer (`scenes`: MFNet's).

    Raises:
        UserError: unknown name.
    """
    return MFNET if name == "scenes" else _dataset_type(name).classes


def open_dataset(name: str, root: str | Path | None, split: str, thermal: str = "8bit") -> DatasetOnDisk:
    """A split of a data set on disk; see `DatasetOnDisk`.

    Raises:
        UserError: unknown name, no root, a wrong layout, or an unknown split.
    """
    dataset = _dataset_type(name)
    if root is None:
        raise UserError(f"the data set {name} needs its folder: give data.root=DIR (or --root DIR)")
    return dataset(root, split, thermal)


def _dataset_type(name: str) -> type[DatasetOnDisk]:
    if name not in DATASETS:
        raise UserError(f"there is no data set {name!r}: choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def training_sources(config: DataConfig) -> tuple[Source | None, Source]:
    """Real samples (None for `scenes`) and rendered ones."""
    size = (config.rendered_height, config.rendered_width)
    rendered = KeptInMemory(RenderedScenes(config.rendered_stills, size))
    if config.name == "scenes":
        return None, rendered
    real: Source = open_dataset(config.name, config.root, config.train_split, config.thermal)
    return (KeptInMemory(real) if config.keep_in_memory else real), rendered


def validation_source(config: DataConfig) -> Source:
    """The samples that decide which weights are the best."""
    if config.name == "scenes":
        size = (config.rendered_height, config.rendered_width)
        return KeptInMemory(RenderedScenes(config.rendered_val, size, _VALIDATION_SEED))
    real: Source = open_dataset(config.name, config.root, config.val_split, config.thermal)
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
