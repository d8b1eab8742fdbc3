"""Worker processes make samples ahead: the same whatever their number, and nobody waits for one that is gone."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from places import REPOSITORY

from rgbt_seg_ros.base.errors import UserError
from training.config.schema import AugmentConfig
from training.data.augment import RawBatch
from training.data.crop import RandomCrop
from training.data.sample import Sample
from training.data.stream import Job, RenderedShare, TrainingStream
from training.engine.ring import SampleRing

SIZE = (8, 12)


class Noise:
    """A source of endless random samples, one of which cannot be read."""

    def __init__(self, broken: int | None = None) -> None:
        self.broken = broken

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> Sample:
        if index == self.broken:
            raise UserError(f"{index}.png cannot be read: copy it again")
        random = np.random.default_rng(index)
        # What OpenCV does in several threads must also work in a forked process.
        rgb = cv2.resize(
            random.integers(0, 256, (600, 900, 3), np.uint8), (18, 16), interpolation=cv2.INTER_AREA
        )
        return Sample(str(index), rgb, rgb[..., 0], rgb[..., 1] % 9)


def _ring(workers: int, broken: int | None = None) -> SampleRing:
    crop = RandomCrop(AugmentConfig(crop_height=SIZE[0], crop_width=SIZE[1]), None)
    stream = TrainingStream(None, Noise(broken), RenderedShare(1.0, 1.0), crop, seed=3, kept=6, uses=2)
    return SampleRing(stream, SIZE, batch_size=3, workers=workers)


def _jobs(ring: SampleRing, count: int) -> Iterator[Job]:
    return (ring.stream.job(k, 0.0) for k in range(count))


def _bytes(batch: RawBatch) -> bytes:
    crops = batch.crops
    parts = (crops.rgb, crops.thermal, crops.label, crops.known, batch.draws, batch.seeds)
    return b"".join(part.tobytes() for part in parts)


def test_batches_are_the_same_for_any_number_of_workers() -> None:
    cv2.resize(
        np.zeros((600, 900, 3), np.uint8), (18, 16), interpolation=cv2.INTER_AREA
    )  # starts OpenCV's threads
    seen = []
    for workers in (0, 1, 3):
        ring = _ring(workers)
        batches = ring.batches(_jobs(ring, 35))
        seen.append([_bytes(batch) for batch in batches if isinstance(batch, RawBatch)])
    assert len(seen[0]) == 12
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_in_the_place_of_its_batch(workers: int) -> None:
    ring = _ring(workers, broken=7)
    batches = list(ring.batches(_jobs(ring, 30)))
    broken = [i for i, batch in enumerate(batches) if isinstance(batch, UserError)]
    assert len(batches) == 10
    assert broken[0] == next(job.k for job in _jobs(ring, 30) if job.place == 7) // 3
    assert len(broken) < 4
    assert str(batches[broken[0]]) == "7.png cannot be read: copy it again"


def test_jobs_are_asked_for_only_as_far_ahead_as_the_ring_is_deep() -> None:
    ring = _ring(1)
    asked: list[int] = []

    def endless() -> Iterator[Job]:
        for k in range(10**6):
            asked.append(k)
            yield ring.stream.job(k, 0.0)

    with closing(ring.batches(endless())) as batches:  # type: ignore[type-var]
        next(batches)
        assert len(asked) == ring.depth * ring.batch_size
        next(batches)
        assert len(asked) == (ring.depth + 1) * ring.batch_size


def _children() -> set[int]:
    return {child.pid for child in multiprocessing.active_children() if child.pid is not None}


def test_a_killed_worker_is_said_in_one_sentence_and_the_others_end() -> None:
    before = _children()
    ring = _ring(2)
    batches = ring.batches(_jobs(ring, 10**6))
    next(batches)
    workers = list(_children() - before)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    with pytest.raises(UserError, match=r"was killed \(signal 9\).*lower data.workers"):
        for _ in batches:
            pass
    assert not any(_alive(pid) for pid in workers)


def _alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


KILLS_ITSELF = """
import os, signal, sys
sys.path[:0] = [{tests!r}, {support!r}]
from test_ring import _children, _jobs, _ring
ring = _ring(3)
next(batches := ring.batches(_jobs(ring, 10**6)))
print(*_children(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_when_the_training_process_is_killed() -> None:
    folders = {"tests": str(Path(__file__).parent), "support": str(REPOSITORY / "test" / "support")}
    done = subprocess.run(
        [sys.executable, "-c", KILLS_ITSELF.format(**folders)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    workers = [int(pid) for pid in done.stdout.split()]
    assert len(workers) == 3
    deadline = time.monotonic() + 60.0
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
