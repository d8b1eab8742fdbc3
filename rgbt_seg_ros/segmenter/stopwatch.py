"""Times of what a device does, by its own events; on the CPU by the clock."""

import time
from collections.abc import Callable

import torch


class Stopwatch:
    """Marks in the order of a frame's way, and the one wait for the last of them.

    Args:
        device: CUDA or CPU.
        marks: how many there are.
    """

    def __init__(self, device: torch.device, marks: int) -> None:
        self._is_cuda = device.type == "cuda"
        # Whoever waits for the last one sleeps meanwhile: a robot has other use for that core.
        self._events = [
            torch.cuda.Event(enable_timing=True, blocking=number == marks - 1)
            for number in range(marks if self._is_cuda else 0)
        ]
        self._seconds = [0.0] * marks

    def settle(self) -> None:
        """Wait until the last use is over; at once before the first."""
        if self._is_cuda:
            self._events[-1].synchronize()

    def host_ms(self, action: Callable[[], object]) -> float:
        """Run something on the host, and tell its milliseconds."""
        started = time.perf_counter()
        action()
        return 1e3 * (time.perf_counter() - started)

    def mark(self, number: int) -> None:
        """Note that the current stream has come here."""
        if self._is_cuda:
            self._events[number].record()
        else:
            self._seconds[number] = time.perf_counter()

    def follow(self, number: int) -> None:
        """Have the current stream wait for a mark of another one."""
        if self._is_cuda:
            torch.cuda.current_stream().wait_event(self._events[number])

    def wait(self) -> tuple[float, float, float]:
        """Wait for the last mark.

        Returns:
            Milliseconds of upload (marks 0 to 1), run (2 to 3) and download (3 to 4).
        """
        spans = ((0, 1), (2, 3), (3, 4))
        if self._is_cuda:
            self._events[-1].synchronize()
            upload, run, download = (self._events[a].elapsed_time(self._events[b]) for a, b in spans)
        else:
            upload, run, download = (1e3 * (self._seconds[b] - self._seconds[a]) for a, b in spans)
        return upload, run, download
