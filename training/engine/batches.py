"""The batches of a run in their order: made ahead by worker processes, changed at random on the device."""

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import BACKGROUND
from rgbt_seg_ros.models import ModelCard

from ..config import Config
from ..config.schema import DataConfig
from ..data.augment import Augmentation
from ..data.crop import RandomCrop
from ..data.paste import PasteObjects
from ..data.sample import SampleSource
from ..data.stream import Job, RenderedShare, TrainingStream
from .ring import SampleRing

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Shard:
    """Which of a run's batches a process has.

    Attributes:
        index: number of this process.
        processes: of the run.
        first: number of the first batch that is left, counted in all processes.
        last: number of batches of the run; None: without end.
    """

    index: int
    processes: int
    first: int
    last: int | None

    @classmethod
    def of(cls, accelerator: Accelerator, accumulate: int, step: int, steps: int | None) -> "Shard":
        """Of this process, in a run of so many steps (None: without end) after so many of them."""
        a_step = accumulate * accelerator.num_processes
        last = None if steps is None else steps * a_step
        return cls(accelerator.process_index, accelerator.num_processes, step * a_step, last)

    def jobs(self, stream: TrainingStream, batch_size: int, done: Callable[[int], float]) -> Iterator[Job]:
        """What the samples of this process are made of; `done(k)` tells how far the run is at sample k."""
        batch = self.first + self.index
        while self.last is None or batch < self.last:
            for k in range(batch * batch_size, (batch + 1) * batch_size):
                yield stream.job(k, done(k))
            batch += self.processes


class RunBatches:
    """All batches that are left to a process, once; `train.batch_size` is that of one process.

    Args:
        config: of the run.
        card: of the model, with its input scaling and classes.
        real: samples of a data set, or None for rendered ones alone.
        rendered: samples of the renderer.
        shard: which batches.
        done: how far the run is at a sample, from 0 to 1; asked when the sample is begun.
        device: where batches are to be.

    Raises:
        UserError: objects are to be pasted, and class 0 is one of them.
    """

    def __init__(
        self,
        config: Config,
        card: ModelCard,
        real: SampleSource | None,
        rendered: SampleSource,
        shard: Shard,
        done: Callable[[int], float],
        device: torch.device,
    ) -> None:
        self._config = config
        self._shard = shard
        self._done = done
        self._stream = TrainingStream(
            real,
            rendered,
            RenderedShare.of(config.data),
            RandomCrop(config.augment, config.model.short_side),
            config.train.seed,
            _paste_objects(config, card, real),
            config.data.rendered_stills,
            config.data.rendered_uses,
        )
        self._augment = Augmentation(config.augment, card.scaling, device)

    def __iter__(self) -> Generator[Batch | UserError, None, None]:
        """Batches on the device; a sample that cannot be read ends in an error as a value, in its place.

        Processes of a run must agree to stop (`training.engine.trainer`), which one that raised could not.
        """
        augment, batch_size = self._config.augment, self._config.train.batch_size
        size = (augment.crop_height, augment.crop_width)
        ring = SampleRing(self._stream, size, batch_size, worker_processes(self._config.data))
        for made in ring.batches(self._shard.jobs(self._stream, batch_size, self._done)):
            yield made if isinstance(made, UserError) else self._augment(made)


def worker_processes(data: DataConfig) -> int:
    """How many a training process has (`data.workers`) on this machine."""
    return max(1, len(os.sched_getaffinity(0)) - 1) if data.workers is None else data.workers


def _paste_objects(config: Config, card: ModelCard, real: SampleSource | None) -> PasteObjects | None:
    """Made here, so that worker processes share what it has read."""
    augment = config.augment
    if real is None or augment.paste == augment.close_up == 0.0:
        return None
    if card.class_names[0] not in BACKGROUND:
        raise UserError(
            f"augment.paste and close_up take class 0 for everything else, and it is {card.class_names[0]}: "
            "set both to 0"
        )
    return PasteObjects(real, augment.paste, augment.close_up)
