"""Is a camera alive? Tells one that is silent, and one that repeats its last image, from one that sees."""

from typing import Any

import numpy as np

from rgbt_seg_ros.pipeline.responder import Frame

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


class Camera:
    """What is known of one of the two streams.

    Args:
        name: rgb or thermal, as in the keys of /diagnostics.
        stale_after: after this time without an image, or with the same one, the camera is missing [s]; 0: never.
        alone_after: its images are answered alone while the other camera is missing, once they have come for this
            time [s]: when both cameras come back from a pause neither is the other's only hope. None: never.

    Attributes:
        received: number of its images so far.
        newest_stamp_ns: stamp of the last one; None before the first.
    """

    def __init__(self, name: str, stale_after: float, alone_after: float | None) -> None:
        self.name = name
        self.received = 0
        self.newest_stamp_ns: int | None = None
        self._stale_after_ns = round(stale_after * 1e9)
        self._watch = CameraWatch(self._stale_after_ns)
        self._paired: Frame | None = None
        self._alone_after_ns = None if alone_after is None else round(alone_after * 1e9)
        self._sending_since_ns = 0
        self._awaited_since_ns: int | None = None

    def saw(self, stamp_ns: int, message: Any, now_ns: int) -> None:
        """Note an image."""
        # WAITING at first, MISSING after a pause; FROZEN is sending, too.
        if self._watch.state(now_ns) in (WAITING, MISSING) or now_ns < self._sending_since_ns:
            self._sending_since_ns = now_ns
        self.received += 1
        self.newest_stamp_ns = stamp_ns
        self._watch.saw(now_ns, message.data)

    def may_go_alone(self, now_ns: int) -> bool:
        """Whether the image that has just come may be answered alone if the other camera is missing."""
        return self._alone_after_ns is not None and now_ns - self._sending_since_ns > self._alone_after_ns

    def expect(self, now_ns: int) -> None:
        """Note that the other camera has sent an image: one that never sends is missing, too, from some time on."""
        if self._awaited_since_ns is None or now_ns < self._awaited_since_ns:
            self._awaited_since_ns = now_ns

    def is_reused(self, frame: Frame) -> bool:
        """Note that a frame goes into a pair; whether the last pair has used it, too."""
        reused, self._paired = frame is self._paired, frame
        return reused

    def state(self, now_ns: int) -> str:
        """`WAITING`, `OK`, `MISSING` or `FROZEN`, see `rgbt_seg_ros.pipeline.camera`."""
        state = self._watch.state(now_ns)
        if state == WAITING and self._awaited_since_ns is not None and self._stale_after_ns > 0:
            return MISSING if now_ns - self._awaited_since_ns > self._stale_after_ns else WAITING
        return state
