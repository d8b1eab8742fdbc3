"""Identities of objects over the images of one camera: which object is which one of the image before.

Association in two stages, sure objects before unsure ones, after ByteTrack (Zhang et al., ECCV 2022,
https://arxiv.org/abs/2110.06864): what a detector is unsure of is no new object, but may well be a known one. Boxes are
predicted at constant velocity and assigned by their overlap (intersection over union, IoU).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.detections import Detection

MAX_ID = 65535
"""The largest that a pixel of mono16 holds; after it, those that nobody has are given again."""

_ENLARGED = 0.5
"""What is left over is compared by boxes that are larger by this share on each side: it moved as nobody foresaw."""

_VELOCITY_SHARE = 0.5
"""Weight of the newest velocity against those before."""


def check_tracking() -> None:
    """Raise `UserError` where the library that assigns boxes is missing."""
    if find_spec("scipy") is None:
        raise UserError("identities need scipy: install python3-scipy, or scipy by pip")


@dataclass
class _Track:
    """One object: its class, its last box as [x, y, width, height] about its centre, and its velocity [pixels/s]."""

    object_id: int
    class_id: int
    box: np.ndarray
    velocity: np.ndarray
    seen_ns: int

    def predicted(self, stamp_ns: int) -> np.ndarray:
        box = self.box.copy()
        box[:2] += self.velocity * (stamp_ns - self.seen_ns) / 1e9
        return box

    def see(self, box: np.ndarray, stamp_ns: int) -> None:
        velocity = (box[:2] - self.box[:2]) * 1e9 / (stamp_ns - self.seen_ns)
        self.velocity = self.velocity + _VELOCITY_SHARE * (velocity - self.velocity)
        self.box, self.seen_ns = box, stamp_ns


class Tracker:
    """Gives the objects of one camera's images identities, in the order of the images; for one thread at a time.

    Numbers begin at 1. One that was given up is not given again before `MAX_ID`, so an identity stands for one object
    alone, whatever was lost between. If time jumps back all objects are new.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._stamp_ns: int | None = None
        self._next_id = 1

    def forget(self) -> None:
        """All objects are new from now on, as with other classes or another camera."""
        self._tracks = []

    def update(
        self,
        stamp_ns: int,
        sure: Sequence[Detection],
        unsure: Sequence[Detection],
        min_iou: float,
        max_gap_s: float,
    ) -> list[Detection]:
        """The sure objects with their identities, in the same order.

        Args:
            stamp_ns: of the image.
            sure: objects that are reported.
            unsure: further ones, which only keep identities alive.
            min_iou: overlap with its predicted box from which on an object is taken for the same.
            max_gap_s: how long an object may be unseen and keep its identity [s].
        """
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            self.forget()
        self._stamp_ns = stamp_ns
        self._tracks = [track for track in self._tracks if stamp_ns - track.seen_ns <= max_gap_s * 1e9]
        free = list(self._tracks)
        found: dict[int, _Track] = {}
        found |= self._assign(stamp_ns, free, sure, range(len(sure)), min_iou, 0.0)
        self._assign(stamp_ns, free, unsure, range(len(unsure)), min_iou, 0.0)
        left = [i for i in range(len(sure)) if i not in found]
        found |= self._assign(stamp_ns, free, sure, left, min_iou, _ENLARGED)
        for i in range(len(sure)):
            if i not in found:
                box = _box(sure[i])
                found[i] = _Track(self._new_id(), sure[i].class_id, box, np.zeros(2), stamp_ns)
                self._tracks.append(found[i])
        return [replace(each, object_id=found[i].object_id) for i, each in enumerate(sure)]

    def _assign(
        self,
        stamp_ns: int,
        free: list[_Track],
        objects: Sequence[Detection],
        indices: Sequence[int],
        min_iou: float,
        enlarged: float,
    ) -> dict[int, _Track]:
        """Tracks by the index of the object that is theirs now; they are free no longer, and have seen it."""
        if not free or not indices:
            return {}
        # Not at the top: it takes as long as all else of this package, and most never track.
        from scipy.optimize import linear_sum_assignment

        boxes = np.array([_box(objects[i]) for i in indices])
        predicted = np.array([track.predicted(stamp_ns) for track in free])
        overlap = iou(predicted, boxes, enlarged)
        classes = np.array([objects[i].class_id for i in indices])
        same_class = np.array([track.class_id for track in free])[:, None] == classes
        overlap = np.where(same_class & (overlap >= min_iou), overlap, 0.0)
        found: dict[int, _Track] = {}
        for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
            if overlap[row, column] > 0:
                found[indices[column]] = free[row]
                free[row].see(boxes[column], stamp_ns)
        taken = {id(track) for track in found.values()}
        free[:] = [track for track in free if id(track) not in taken]
        return found

    def _new_id(self) -> int:
        alive = {track.object_id for track in self._tracks}
        while self._next_id in alive:
            self._next_id = self._next_id % MAX_ID + 1
        new = self._next_id
        self._next_id = new % MAX_ID + 1
        return new


def iou(first: np.ndarray, second: np.ndarray, enlarged: float = 0.0) -> np.ndarray:
    """Intersection over union of boxes [N, 4] and [M, 4], as x, y, width, height about their centres: float64 [N, M].

    Args:
        enlarged: share of its width and height by which each box is made larger on each side.
    """
    grow = 1.0 + 2.0 * enlarged
    low = [np.asarray(boxes, float)[:, :2] - grow * boxes[:, 2:] / 2 for boxes in (first, second)]
    high = [np.asarray(boxes, float)[:, :2] + grow * boxes[:, 2:] / 2 for boxes in (first, second)]
    sides = np.minimum(high[0][:, None], high[1]) - np.maximum(low[0][:, None], low[1])
    common = np.clip(sides, 0.0, None).prod(-1)
    areas = [(above - below).prod(-1) for below, above in zip(low, high, strict=True)]
    whole: np.ndarray = areas[0][:, None] + areas[1] - common
    return common / np.maximum(whole, 1e-9)


def _box(found: Detection) -> np.ndarray:
    return np.array([found.center_x, found.center_y, found.size_x, found.size_y])
