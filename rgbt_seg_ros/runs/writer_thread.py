"""A thread that writes what another one receives; no ROS."""

import functools
import queue
import threading
from collections.abc import Callable

from rgbt_seg_ros.base.errors import UserError

_WAITING_JOBS = 256


class WriterThread:
    """Runs jobs one after another in a thread, so that encoding and the disk delay no receipt.

    Attributes:
        error: why it gave up; nothing is written after that.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._jobs: queue.Queue[functools.partial[None] | None] = queue.Queue(_WAITING_JOBS)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, job: Callable[..., None], *args: object) -> None:
        """Have a job done; waits while too many are waiting."""
        self._jobs.put(functools.partial(job, *args))

    def finish(self) -> None:
        """Do what is waiting and end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self.error is None:
                try:
                    job()
                except UserError as error:
                    self.error = str(error)
                except Exception as error:
                    # Whatever it is, the recorder must end and say so rather than wait for a dead thread.
                    self.error = f"{type(error).__name__}: {error}"
