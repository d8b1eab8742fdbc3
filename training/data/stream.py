"""The samples of a training run in their order: a seeded mix of a data set and the renderer."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from rgbt_seg_ros.base.errors import UserError

from .paste import PasteObjects
from .sample import Sample, SampleSource


class TrainingStream(Dataset[dict[str, Tensor] | UserError]):
    """The samples of a whole run: number k is a function of the seed and k alone.

    So it depends neither on the number of worker processes nor on where a run was interrupted. Sources are shuffled
    anew for every pass: without rendered samples each real one comes once an epoch. A sample that cannot be read is
    answered with the error as a value (see `collate`).

    Args:
        real: samples of a data set, or None for rendered ones alone.
        rendered: samples of the renderer.
        share: share of rendered samples at the first and at the last sample, linear between.
        augment: from a sample to network inputs; may draw from torch's random numbers.
        length: number of samples in the run.
        seed: of the whole stream.
        paste: puts objects of other samples into each; None: nothing.
    """

    def __init__(
        self,
        real: SampleSource | None,
        rendered: SampleSource,
        share: tuple[float, float],
        augment: Callable[[Sample], dict[str, Tensor]],
        length: int,
        seed: int,
        paste: PasteObjects | None = None,
    ) -> None:
        self.real = real
        self.rendered = rendered
        self.share = (1.0, 1.0) if real is None else share
        self.augment = augment
        self.length = length
        self.seed = seed
        self.paste = paste

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
        epoch, place = divmod(k, len(source))
        order = np.random.default_rng((self.seed, epoch, 1)).permutation(len(source))
        sample = source[int(order[place])]
        if self.paste is not None:
            sample = self.paste(sample, random)
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
