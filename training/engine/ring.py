"""Samples made ahead by worker processes, in a ring of batches in shared memory."""

import mmap
import multiprocessing
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import cv2
import numpy as np
import torch

from rgbt_seg_ros.base.errors import UserError

from ..data.augment import DRAWS, RawBatch
from ..data.crop import CroppedSample
from ..data.stream import Job, TrainingStream
from .interrupts import ignore_interrupts

_AHEAD = 4
"""Samples for each worker that are under way, so that a slow one does not stop the others."""


class _WorkerFailedError(RuntimeError):
    """A worker ended by a fault of ours, which it has printed."""


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    connection: Connection


class SampleRing:
    """Makes the samples of jobs and hands them over in their order, a batch at a time.

    The memory is shared from the start and used again and again: nothing is sent but the numbers of slots. A still
    of the renderer is always made by the same worker, which keeps it, so that it is drawn once and lies in memory once.
    The batches are the same for any number of workers.

    Args:
        stream: makes the samples.
        size: (H, W) of the crops.
        batch_size: samples in a batch.
        workers: processes; 0 makes the samples in this one, when they are asked for.
    """

    def __init__(self, stream: TrainingStream, size: tuple[int, int], batch_size: int, workers: int) -> None:
        self.stream = stream
        self.batch_size = batch_size
        self.workers = workers
        self.depth = 1 if workers == 0 else 2 + -(-_AHEAD * workers // batch_size)
        slots = self.depth * batch_size
        self._slots = RawBatch(
            CroppedSample(
                _shared((slots, *size, 3), np.uint8),
                _shared((slots, *size), np.uint16),
                _shared((slots, *size), np.uint8),
                _shared((slots, *size), np.uint8),
            ),
            _shared((slots, DRAWS), np.float64),
            _shared((slots,), np.int64),
        )

    def batches(self, jobs: Iterator[Job]) -> Iterator[RawBatch | UserError]:
        """Batches of the jobs, each valid until the next one is asked for; or an error, as a value, in its place.

        Jobs are asked for only as far ahead as the ring is deep. A last batch may be smaller.

        Raises:
            UserError: a worker process was killed.
        """
        make = self._made_here if self.workers == 0 else self._made_by_workers
        return make(jobs)

    def _made_here(self, jobs: Iterator[Job]) -> Iterator[RawBatch | UserError]:
        while group := list(islice(jobs, self.batch_size)):
            errors = [error for slot, job in enumerate(group) if (error := self._fill(slot, job))]
            yield errors[0] if errors else self._batch(0, len(group))

    def _made_by_workers(self, jobs: Iterator[Job]) -> Iterator[RawBatch | UserError]:
        workers = self._start_workers()
        try:
            free = deque(range(self.depth))
            waiting: deque[tuple[int, int]] = deque()  # places in the ring and their numbers of samples
            left: dict[int, int] = dict.fromkeys(free, 0)
            errors: dict[int, UserError] = {}
            while True:
                while free and (group := list(islice(jobs, self.batch_size))):
                    place = free.popleft()
                    left[place] = len(group)
                    waiting.append((place, len(group)))
                    for slot, job in enumerate(group, place * self.batch_size):
                        turn = job.place if job.rendered else job.k
                        _send(workers[turn % len(workers)], (slot, job))
                if not waiting:
                    return
                place, count = waiting.popleft()
                while left[place] > 0:
                    for slot, error in _received(workers):
                        left[slot // self.batch_size] -= 1
                        if error is not None:
                            errors.setdefault(slot // self.batch_size, error)
                error = errors.pop(place, None)
                yield self._batch(place, count) if error is None else error
                free.append(place)
        finally:
            _stop(workers)

    def _batch(self, place: int, count: int) -> RawBatch:
        part = slice(place * self.batch_size, place * self.batch_size + count)
        return RawBatch(self._slots.crops[part], self._slots.draws[part], self._slots.seeds[part])

    def _fill(self, slot: int, job: Job) -> UserError | None:
        """Make the sample of a job; an error that users can mend is told, as it may have to go to another process."""
        try:
            self._slots.seeds[slot] = self.stream.make(job, self._slots.crops[slot], self._slots.draws[slot])
        except UserError as error:
            return error
        return None

    def _start_workers(self) -> list[_Worker]:
        # OpenCV's threads do not live on in a forked process, which would wait for them for ever: they end before.
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            return [self._start() for _ in range(self.workers)]
        finally:
            cv2.setNumThreads(threads)

    def _start(self) -> _Worker:
        # Forked: all of them share the memory, and what the sources have read already.
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._work, args=(ours, theirs), daemon=True)
        process.start()
        theirs.close()  # each has its own end alone, or nobody would notice the other's
        return _Worker(process, ours)

    def _work(self, others: Connection, connection: Connection) -> None:
        """A worker's life: it ends with the connection, also if the training process was killed."""
        others.close()
        ignore_interrupts()
        torch.set_num_threads(1)
        try:
            while True:
                slot, job = connection.recv()
                connection.send((slot, self._fill(slot, job)))
        except (EOFError, OSError):
            return


def _shared(shape: tuple[int, ...], kind: type) -> np.ndarray:
    """Zeros that processes forked later share. Not in /dev/shm, which is small in containers."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), kind, int(np.prod(shape))).reshape(shape)


def _send(worker: _Worker, message: tuple[int, Job]) -> None:
    try:
        worker.connection.send(message)
    except OSError:
        raise _ended(worker) from None


def _received(workers: list[_Worker]) -> Iterator[tuple[int, UserError | None]]:
    """What workers have made since; waits for one at least."""
    ready = wait([worker.connection for worker in workers])
    for worker in workers:
        if worker.connection in ready:
            try:
                yield worker.connection.recv()
            except (EOFError, OSError):
                raise _ended(worker) from None


def _ended(worker: _Worker) -> Exception:
    worker.process.join(10.0)
    code = worker.process.exitcode
    if code is not None and code < 0:
        return UserError(
            f"a process that prepares samples was killed (signal {-code}), as it is where memory runs out: "
            "lower data.workers or data.rendered_stills, or set data.keep_in_memory=false"
        )
    return _WorkerFailedError("a process that prepares samples failed: see its traceback")


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
    for worker in workers:
        worker.process.join(2.0)
        if worker.process.is_alive():  # still drawing
            worker.process.kill()
            worker.process.join()
