"""The samples of a training run in their order: a seeded mix of a data set and the renderer."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..config.schema import DataConfig
from .augment import DRAWS
from .crop import CroppedSample, RandomCrop
from .paste import PasteObjects
from .sample import SampleSource


class Job(NamedTuple):
    """What sample number `k` of a run is made of: the rendered still, or the data set's sample, of number `place`."""

    k: int
    rendered: bool
    place: int


@dataclass(frozen=True)
class RenderedShare:
    """Share of rendered samples: all before `until` (a share of the run), then linear from `first` to `last`."""

    first: float
    last: float
    until: float = 0.0

    def at(self, done: float) -> float:
        """The share where the share `done` of the run lies behind."""
        if done < self.until:
            return 1.0
        after = (done - self.until) / max(1.0 - self.until, 1e-9)
        return self.first + (self.last - self.first) * min(after, 1.0)

    @classmethod
    def of(cls, config: DataConfig) -> "RenderedShare":
        """As a configuration has it."""
        return cls(config.rendered_share, config.rendered_share_end, config.rendered_until)


class TrainingStream:
    """The samples of a whole run: number k is a function of the seed, k and how far the run is.

    So it depends neither on the number of worker processes nor on where a run was interrupted. Real samples are
    shuffled anew for every pass: without rendered ones each comes once an epoch. Stills of the renderer are either
    shuffled in the same way, or shown `uses` times each, far apart, and new ones take their place for ever.

    Args:
        real: samples of a data set, or None for rendered ones alone.
        rendered: samples of the renderer.
        share: of rendered samples.
        crop: from a sample to arrays of one size.
        seed: of the whole stream.
        paste: puts objects of other samples into each; None: nothing.
        kept: stills that are in use at a time.
        uses: see above; None: always the same stills.
    """

    def __init__(
        self,
        real: SampleSource | None,
        rendered: SampleSource,
        share: RenderedShare,
        crop: RandomCrop,
        seed: int,
        paste: PasteObjects | None = None,
        kept: int = 1,
        uses: int | None = None,
    ) -> None:
        self.real = real
        self.rendered = rendered
        self.share = share
        self.crop = crop
        self.seed = seed
        self.paste = paste
        self.kept = kept
        self.uses = uses

    def job(self, k: int, done: float) -> Job:
        """What sample k is made of, where the share `done` of the run lies behind."""
        random = np.random.default_rng((self.seed, k))
        rendered = self.real is None or bool(random.random() < self.share.at(done))
        if rendered and self.uses is not None:
            return Job(k, True, self._endless_still(k, self.uses, random))
        source = self.rendered if rendered or self.real is None else self.real
        epoch, place = divmod(k, len(source))
        order = np.random.default_rng((self.seed, epoch, 1)).permutation(len(source))
        return Job(k, rendered, int(order[place]))

    def _endless_still(self, k: int, uses: int, random: np.random.Generator) -> int:
        """A new still every `uses` samples; the uses of one lie `kept` / `uses` stills apart."""
        newest, use = divmod(k, uses)
        still = newest - use * (self.kept // uses)
        if still < 0:  # at the beginning there are none so old
            still = int(random.integers(newest + 1))
        return still % len(self.rendered)

    def make(self, job: Job, crop: CroppedSample, draws: np.ndarray) -> int:
        """Fill the crop and the draws [`DRAWS`] of one sample; returns the seed of its noise.

        Raises:
            UserError: a sample cannot be read.
        """
        random = np.random.default_rng((self.seed, job.k, 2))
        source = self.rendered if job.rendered or self.real is None else self.real
        sample = source[job.place]
        if self.paste is not None:
            sample = self.paste(sample, random)
        self.crop(sample, random, crop)
        draws[:] = random.random(DRAWS)
        return int(random.integers(2**62))
