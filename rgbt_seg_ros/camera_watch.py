"""Is a camera alive? Tells one that is silent, and one that repeats its last image, from one that sees."""

from typing import Any

import numpy as np

WAITING, OK, MISSING, FROZEN = "waiting", "ok", "missing", "frozen"
"""Nothing came yet; alive; silent for too long; sending the same image for too long."""


class CameraWatch:
    """State of one camera, from when its images come and what is in them; for use in one thread.

    A camera is frozen if its whole payload stays the same to the bit: the noise of a sensor that works changes some
    pixel of every image. A thermal camera with its shutter closed (flat-field correction, about half a second) is
    silent or repeats its last image; if that lasts longer than `stale_after_ns` it is treated as what it is.

    Times are nanoseconds of one clock. If that clock jumps back (a recording starts again), waiting starts anew.

    Args:
        stale_after_ns: silence, or repetition, for longer than this is a fault; 0: never.
    """

    def __init__(self, stale_after_ns: int) -> None:
        self._stale_after_ns = stale_after_ns
        self._payload: np.ndarray | None = None
        self._seen_ns = 0
        self._changed_ns = 0

    def saw(self, now_ns: int, payload: Any) -> None:
        """Note an image: when it came, and its data, any buffer of bytes.

        The buffer is kept until the next image comes, and must not be written to meanwhile.
        """
        self._follow_clock(now_ns)
        # Comparing with the last image costs less than any checksum and misses nothing.
        pixels = np.frombuffer(payload, np.uint8) if len(payload) else np.zeros(0, np.uint8)
        if self._payload is None or not np.array_equal(pixels, self._payload):
            self._changed_ns = now_ns
        self._payload = pixels
        self._seen_ns = now_ns

    def state(self, now_ns: int) -> str:
        """`WAITING`, `OK`, `MISSING` or `FROZEN` at a time."""
        self._follow_clock(now_ns)
        if self._payload is None:
            return WAITING
        if self._stale_after_ns <= 0:
            return OK
        if now_ns - self._seen_ns > self._stale_after_ns:
            return MISSING
        return FROZEN if self._seen_ns - self._changed_ns > self._stale_after_ns else OK

    def _follow_clock(self, now_ns: int) -> None:
        if now_ns < self._seen_ns:
            self._seen_ns = self._changed_ns = now_ns
