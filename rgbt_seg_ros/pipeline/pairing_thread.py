"""The thread between those who receive images and the inference: it takes what they hand over and pairs it; no ROS."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rgbt_seg_ros.pipeline.pipeline import Arrival, Pipeline

Handed = tuple[Pipeline, str, int, Any, Arrival]


class PairingThread:
    """Gives images to their pipelines in the order in which they were handed over, and lets time pass for these.

    Whoever receives images only leaves them here, which takes microseconds, so that no queue in front of it runs over.

    Args:
        poll_period_s: how often they see that time passes [s]; not while images wait here, as these are not late, and
            not while time decides nothing: without images the thread sleeps.
        capacity: images that may wait; a further one is refused and counted.
        report: told one sentence of an image that has raised an error.

    Attributes:
        failure: the exception that ended the thread, in words; empty while there is none.
    """

    def __init__(
        self,
        poll_period_s: float,
        capacity: int,
        report: Callable[[str], None],
    ) -> None:
        self.failure = ""
        self._pipelines: list[Pipeline] = []
        self._poll_period_s = poll_period_s
        self._capacity = capacity
        self._report = report
        self._handed: queue.SimpleQueue[Handed | None] = queue.SimpleQueue()
        self._refused: Counter[tuple[Pipeline, str]] = Counter()
        # A daemon: it may wait for a lock of the inference thread, which may hang in a driver.
        self._thread = threading.Thread(target=self._run, name="pairing", daemon=True)
        self._thread.start()

    def serve(self, pipeline: Pipeline) -> None:
        """Let a pipeline see that time passes from now on."""
        self._pipelines.append(pipeline)

    def hand_over(
        self, pipeline: Pipeline, camera: str, stamp_ns: int, message: Any, arrival: Arrival
    ) -> None:
        """Leave an image of camera ``rgb`` or ``thermal`` for its pipeline, without waiting; called in one thread."""
        refused = self._refused[pipeline, camera]
        if self._handed.qsize() >= self._capacity:
            self._refused[pipeline, camera] = refused + arrival.lost + 1
            pipeline.refuse(camera)
            return
        if refused:
            # They are counted, and no gap in the stamps.
            arrival = replace(arrival, lost=arrival.lost + refused)
            del self._refused[pipeline, camera]
        self._handed.put((pipeline, camera, stamp_ns, message, arrival))

    @property
    def alive(self) -> bool:
        """Whether the thread still takes images."""
        return self._thread.is_alive()

    def stop(self, timeout: float) -> None:
        """End the thread after what has been handed over; idempotent.

        Args:
            timeout: how long to wait for that [s].
        """
        self._handed.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            polled: float | None = None  # while time decides nothing
            while True:
                wait_s = None
                if polled is not None:
                    wait_s = max(0.0, polled + self._poll_period_s - time.monotonic())
                try:
                    handed = self._handed.get(timeout=wait_s)
                except queue.Empty:
                    polled = self._poll()
                    continue
                if handed is None:
                    return
                polled = time.monotonic() if polled is None else polled
                pipeline, camera, stamp_ns, message, arrival = handed
                self._attempt(partial(pipeline.add, camera, stamp_ns, message, arrival))
                # What is kept here would be one more image in memory.
                del handed, message
        except BaseException as error:
            self.failure = f"{type(error).__name__}: {error}"
            raise

    def _poll(self) -> float | None:
        """Let the pipelines see that time has passed; when that was, or None where none needs to see more of it."""
        now = time.monotonic()
        pipelines = list(self._pipelines)
        for each in pipelines:
            self._attempt(each.poll)
        return None if all(each.idle for each in pipelines) else now

    def _attempt(self, action: Callable[[], None]) -> None:
        """Run an action; an error of one image must not end the thread."""
        try:
            action()
        except Exception as error:
            self._report(f"{type(error).__name__}: {error}")
