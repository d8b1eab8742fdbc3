"""Static transforms between frames, as /tf_static tells them, and their composition; no ROS.

A pose is a 4x4 matrix that takes positions in its own frame to positions in another one.
"""

import math
from collections.abc import Sequence

import numpy as np

from rgbt_seg_ros.registration.rules import rotation_matrix


class TransformTree:
    """Frames, each with its pose in its parent; a frame that is told again has its newest parent and pose.

    Names may begin with a slash, as in ROS 1.
    """

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, np.ndarray]] = {}

    def add(self, parent: str, child: str, translation: Sequence[float], rotation: Sequence[float]) -> bool:
        """Take the pose of a frame in its parent.

        Args:
            parent, child: names of the frames.
            translation: x, y, z [m].
            rotation: quaternion x, y, z, w.

        Returns:
            Whether that is news; what is no pose is none.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        numbers = (*translation, *rotation)
        if not all(map(math.isfinite, numbers)) or not any(rotation) or parent == child:
            return False
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation_matrix(rotation), translation
        before = self._parents.get(child)
        if before is not None and before[0] == parent and np.array_equal(before[1], pose):
            return False
        self._parents[child] = parent, pose
        return True

    def pose(self, frame: str, within: str) -> np.ndarray | None:
        """The pose of one frame in another, float64 [4, 4]; None where nothing known joins them."""
        ours, theirs = self._chain(frame.lstrip("/")), self._chain(within.lstrip("/"))
        common = next((name for name in ours if name in theirs), None)
        if common is None:
            return None
        pose: np.ndarray = np.linalg.inv(theirs[common]) @ ours[common]
        return pose

    def _chain(self, frame: str) -> dict[str, np.ndarray]:
        """The pose of a frame in itself and in each of its ancestors, the nearest first."""
        poses = {frame: np.eye(4)}
        while frame in self._parents:
            parent, step = self._parents[frame]
            if parent in poses:  # frames that are each other's ancestors have no root
                break
            poses[parent] = step @ poses[frame]
            frame = parent
        return poses


def quaternion(rotation: np.ndarray) -> tuple[float, ...]:
    """x, y, z, w of a rotation matrix, float64 [3, 3]."""
    # Eigenvector of the largest eigenvalue (Bar-Itzhack, 2000): exact for every rotation, near half turns as well.
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array(
        [
            [a - e - i, d + b, g + c, h - f],
            [d + b, e - a - i, h + f, c - g],
            [g + c, h + f, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    return tuple(np.linalg.eigh(matrix)[1][:, -1].tolist())
