"""What every pairer can do."""

from typing import Protocol

from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.pairing.nearest_neighbour import Pair, R, T


class Pairer(Protocol[R, T]):
    """Two streams of stamped frames in, pairs out; the methods are described in `pairing.nearest.NearestPairer`."""

    def add_rgb(self, stamp_ns: int, item: R) -> list[Pair[R, T]]: ...

    def add_thermal(self, stamp_ns: int, item: T) -> list[Pair[R, T]]: ...

    def poll(self, now_ns: int) -> list[Pair[R, T]]: ...

    def flush(self) -> list[Pair[R, T]]: ...

    @property
    def idle(self) -> bool: ...

    @property
    def counts(self) -> dict[Key | Drop, int]: ...

    @property
    def rgb_waiting(self) -> int: ...

    @property
    def thermal_waiting(self) -> int: ...
