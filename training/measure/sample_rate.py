"""How fast the samples of a training configuration are made: what feeds its steps."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.segmenter import choose_device

from ..config import Config
from ..data.sources import training_sources
from ..engine.batches import Batch, RunBatches, Shard, worker_processes
from ..weights.initial_model import untrained_model

_FIRST = 2
"""Batches that are not timed."""


def measure_samples(config: Config, samples: int, device: str = "auto") -> dict[str, Any]:
    """Make samples as at the end of a run, with its changes on the device, and throw them away.

    Where there are worker processes, also without them: what a run would have that made its samples itself.

    Args:
        samples: at least so many are timed, in whole batches.

    Returns:
        `workers`, `samples_per_second`, and `samples_per_second_alone` without workers.

    Raises:
        UserError: there is no such device, the data cannot be opened, or a sample cannot be read.
    """
    _, card = untrained_model(config)
    sources = training_sources(config.data)
    to = choose_device(device)
    workers = worker_processes(config.data)
    rates = {}
    for number in {workers, 0}:
        of_run = replace(config, data=replace(config.data, workers=number))
        batches = iter(RunBatches(of_run, card, *sources, Shard(0, 1, 0, None), lambda k: 1.0, to))
        rates[number] = _rate(batches, samples, of_run.train.batch_size)
    return {
        "workers": workers,
        "samples_per_second": rates[workers],
        "samples_per_second_alone": rates[0],
    }


def _rate(batches: Generator[Batch | UserError, None, None], samples: int, batch_size: int) -> float:
    """Samples a second."""
    with closing(batches):
        # Workers begin with an empty ring, and have it full before the second batch is asked for.
        for _ in range(_FIRST):
            _checked(next(batches))
        timed = -(-samples // batch_size)
        started = time.perf_counter()
        for _ in range(timed):
            _checked(next(batches))
        return timed * batch_size / (time.perf_counter() - started)


def _checked(batch: Batch | UserError) -> None:
    if isinstance(batch, UserError):
        raise batch
