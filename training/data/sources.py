"""Sources of aligned RGB-thermal-label samples by name: data sets on disk and the renderer."""

from pathlib import Path

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET, ClassSet
from rgbt_seg_ros.scenes.still import render_anywhere, render_still

from ..config.schema import DATA_NAMES, FOLDER, DataConfig
from .on_disk import DatasetOnDisk, Fmb15Dataset, FmbDataset, MfnetDataset, MsrsDataset, Pst900Dataset
from .own_data import own_dataset
from .sample import Sample, SampleSource

# Training stills have seeds below this one, validation stills from it on.
_VALIDATION_SEED = 1_000_000


class RenderedScenes:
    """Stills of the renderer, of consecutive seeds: of streets, or of places of any kind.

    Args:
        count: of stills.
        size: (H, W) in pixels.
        first_seed: of the first still.
        anywhere: not streets alone.
    """

    def __init__(
        self, count: int, size: tuple[int, int], first_seed: int = 0, anywhere: bool = False
    ) -> None:
        self.count = count
        self.size = size
        self.first_seed = first_seed
        self.anywhere = anywhere

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        seed = self.first_seed + index
        still = render_anywhere(seed, self.size) if self.anywhere else render_still(seed, self.size)
        return Sample(f"scene{seed}", still.rgb, still.thermal, still.label)


class KeptInMemory:
    """A source whose samples are made once, on first use.

    Args:
        source: makes them.
        latest: a sample is dropped when one is asked for that lies so many places behind it; None: never.
    """

    def __init__(self, source: SampleSource, latest: int | None = None) -> None:
        self.source = source
        self.latest = latest
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            if self.latest is not None:
                self._kept = {i: kept for i, kept in self._kept.items() if abs(index - i) <= self.latest}
            self._kept[index] = self.source[index]
        return self._kept[index]


DATASETS: dict[str, type[DatasetOnDisk]] = {
    dataset.name: dataset for dataset in (MfnetDataset, Pst900Dataset, FmbDataset, Fmb15Dataset, MsrsDataset)
}
"""Known data sets on disk by the name that commands and configurations use."""


def class_set_of(name: str, root: str | Path | None = None) -> ClassSet:
    """The classes of a data set on disk, or of the renderer (`scenes`: MFNet's).

    Args:
        name: of the data set.
        root: its folder, which an own data set's classes are in.

    Raises:
        UserError: unknown name, or an own data set that is not described.
    """
    return MFNET if name == "scenes" else dataset_type(name, root).classes


def open_dataset(
    name: str, root: str | Path | None, split: str, thermal: str = "8bit", thermal_palette: str = "auto"
) -> DatasetOnDisk:
    """A split of a data set on disk; see `DatasetOnDisk`.

    Raises:
        UserError: unknown name, no root, a wrong layout, or an unknown split.
    """
    dataset = dataset_type(name, root)
    return dataset(_given(name, root), split, thermal, thermal_palette)


def dataset_type(name: str, root: str | Path | None) -> type[DatasetOnDisk]:
    """What is known of a data set; of an own one, what the file in its folder says.

    Raises:
        UserError: unknown name, or an own data set that is not described.
    """
    if name == FOLDER:
        return own_dataset(_given(name, root))
    if name not in DATASETS:
        raise UserError(f"there is no data set {name!r}: choose one of {', '.join(DATA_NAMES)}")
    return DATASETS[name]


def _given(name: str, root: str | Path | None) -> str | Path:
    if root is None:
        raise UserError(f"the data set {name} needs its folder: give data.root=DIR (or --root DIR)")
    return root


def training_sources(config: DataConfig) -> tuple[SampleSource | None, SampleSource]:
    """Real samples (None for `scenes`) and rendered ones.

    Raises:
        UserError: see `open_dataset`; or both are to be mixed, but their ids mean other classes.
    """
    if (
        class_set_of(config.name, config.root) is not MFNET
        and max(config.rendered_share, config.rendered_share_end) > 0
    ):
        raise UserError(
            f"rendered scenes are labelled with MFNet's classes, which are not {config.name}'s: "
            "set data.rendered_share=0 data.rendered_share_end=0"
        )
    size = (config.rendered_height, config.rendered_width)
    anywhere = config.rendered_anywhere
    if config.rendered_uses is None:
        rendered = KeptInMemory(RenderedScenes(config.rendered_stills, size, anywhere=anywhere))
    else:
        endless = RenderedScenes(_VALIDATION_SEED, size, anywhere=anywhere)
        rendered = KeptInMemory(endless, latest=config.rendered_stills)
    if config.name == "scenes":
        return None, rendered
    real: SampleSource = open_dataset(
        config.name, config.root, config.train_split, config.thermal, config.thermal_palette
    )
    return (KeptInMemory(real) if config.keep_in_memory else real), rendered


def validation_source(config: DataConfig) -> SampleSource:
    """The samples that decide which weights are the best."""
    if config.name == "scenes":
        size = (config.rendered_height, config.rendered_width)
        return KeptInMemory(RenderedScenes(config.rendered_val, size, _VALIDATION_SEED))
    real: SampleSource = open_dataset(
        config.name, config.root, config.val_split, config.thermal, config.thermal_palette
    )
    return KeptInMemory(real) if config.keep_in_memory else real
