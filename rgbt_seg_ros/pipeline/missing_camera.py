"""Is a camera missing, silent or repeating its last image, and are the other one's images then answered alone?"""

from enum import Enum
from typing import Any

import numpy as np

_FIRST_LOOK = 4096
"""Bytes of two payloads that are compared first."""


class CameraState(str, Enum):
    """How a camera does."""

    WAITING = "waiting"
    """Nothing came yet."""
    OK = "ok"
    MISSING = "missing"
    """Silent for too long."""
    FROZEN = "frozen"
    """It has sent the same image for too long."""

    __str__ = str.__str__


class Camera:
    """What is known of one of the two streams; for use in one thread.

    A camera is frozen if its whole payload stays the same to the bit: the noise of a sensor that works changes some
    pixel of every image. A thermal camera with its shutter closed (flat-field correction, about half a second) is
    silent or repeats its last image. If that lasts longer than `stale_after` it is treated as what it is.

    Times are nanoseconds of one clock. If that clock jumps back (a recording starts again), waiting starts anew.

    Args:
        name: rgb or thermal, as in the keys of /diagnostics.
        stale_after: silence, or repetition, for longer than this is a fault [s]; 0: never.
        alone_after: its images are answered alone while the other camera is missing, once they have come for this
            time [s]: when both cameras come back from a pause neither is the other's only hope. None: never.

    Attributes:
        received: number of its images so far.
        newest_stamp_ns: stamp of the last one; None before the first.
    """

    def __init__(self, name: str, stale_after: float, alone_after: float | None = None) -> None:
        self.name = name
        self.received = 0
        self.newest_stamp_ns: int | None = None
        self._stale_after_ns = round(stale_after * 1e9)
        self._alone_after_ns = None if alone_after is None else round(alone_after * 1e9)
        self._payload: np.ndarray | None = None
        self._seen_ns = 0
        self._changed_ns = 0
        self._sending_since_ns = 0
        self._awaited_since_ns: int | None = None
        self._last_paired: Any = None

    def saw(self, stamp_ns: int, payload: Any, now_ns: int) -> None:
        """Note an image: its stamp, its data (any buffer of bytes), and when it came.

        The buffer is kept until the next image comes, and must not be written to meanwhile.
        """
        # A frozen camera is sending.
        was_silent = self.state(now_ns) in (CameraState.WAITING, CameraState.MISSING)
        if was_silent or now_ns < self._sending_since_ns:
            self._sending_since_ns = now_ns
        self.received += 1
        self.newest_stamp_ns = stamp_ns
        # Comparing with the last image costs less than any checksum and misses nothing.
        pixels = np.frombuffer(payload, np.uint8) if len(payload) else np.zeros(0, np.uint8)
        if self._payload is None or not _equal(pixels, self._payload):
            self._changed_ns = now_ns
        self._payload = pixels
        self._seen_ns = now_ns

    def state(self, now_ns: int) -> CameraState:
        """How the camera does at a time."""
        if now_ns < self._seen_ns:
            self._seen_ns = self._changed_ns = now_ns
        if self._payload is None:
            return CameraState.MISSING if self._is_overdue(now_ns) else CameraState.WAITING
        if self._stale_after_ns <= 0:
            return CameraState.OK
        if now_ns - self._seen_ns > self._stale_after_ns:
            return CameraState.MISSING
        repeated_ns = self._seen_ns - self._changed_ns
        return CameraState.FROZEN if repeated_ns > self._stale_after_ns else CameraState.OK

    def expect(self, now_ns: int) -> None:
        """Note that the other camera has sent an image: one that never sends is missing from some time on."""
        if self._awaited_since_ns is None or now_ns < self._awaited_since_ns:
            self._awaited_since_ns = now_ns

    def goes_alone(self, other: "Camera", now_ns: int) -> bool:
        """Whether the image that has just come is answered without the other camera's, as that one is missing."""
        if self._alone_after_ns is None or now_ns - self._sending_since_ns <= self._alone_after_ns:
            return False
        return other.state(now_ns) in (CameraState.MISSING, CameraState.FROZEN)

    def is_reused(self, image: object) -> bool:
        """Note that an image goes into a pair; whether it was also in the pair before."""
        reused, self._last_paired = image is self._last_paired, image
        return reused

    def _is_overdue(self, now_ns: int) -> bool:
        """Whether the first image has been expected for too long."""
        if self._awaited_since_ns is None or self._stale_after_ns <= 0:
            return False
        return now_ns - self._awaited_since_ns > self._stale_after_ns


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two payloads uint8 [n] are the same; a difference mostly shows at once, and ends the look."""
    if one.size != other.size:
        return False
    begin, size = 0, _FIRST_LOOK
    while begin < one.size:
        if not (one[begin : begin + size] == other[begin : begin + size]).all():
            return False
        begin, size = begin + size, 16 * size
    return True
