"""Pinhole and fisheye cameras as sensor_msgs/CameraInfo describes them: from pixels to rays and back.

Pixel centres have integer coordinates. Images are the camera's raw ones, with its distortion in them.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError

# distortion model: numbers of coefficients that it may have
_COEFFICIENTS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}

_ROUNDS = 8
_CONVERGED_PX = 0.01


@dataclass(frozen=True)
class CameraIntrinsics:
    """A camera's intrinsics.

    Attributes:
        width, height: of the images that they hold for [pixels].
        k: the 3x3 camera matrix, row by row.
        d: coefficients of the distortion model; none: no distortion.
        distortion_model: `plumb_bob`, `rational_polynomial` or `equidistant`.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"

    @classmethod
    def from_message(cls, message: Any, topic: str) -> "CameraIntrinsics":
        """Of anything shaped like sensor_msgs/CameraInfo; the topic is for the errors.

        Raises:
            UserError: not calibrated, a distortion model that is not known here, or coefficients that do not fit it.
        """
        k, d = tuple(float(x) for x in message.k), tuple(float(x) for x in message.d)
        if not (math.prod((k[0], k[4], message.width, message.height)) and all(map(math.isfinite, k + d))):
            raise UserError(f"{topic} holds no calibration (focal length or size is 0): calibrate the camera")
        model = message.distortion_model or "plumb_bob"
        if model not in _COEFFICIENTS:
            raise UserError(
                f"{topic} has the distortion model {model!r}: it must be one of {', '.join(_COEFFICIENTS)}"
            )
        if any(d) and len(d) not in _COEFFICIENTS[model]:
            raise UserError(
                f"{topic} has {len(d)} coefficients, which do not make the distortion model {model}"
            )
        return cls(message.width, message.height, k, d if any(d) else (), model)

    def scaled_to(self, size: tuple[int, int]) -> "CameraIntrinsics":
        """For the same images scaled to (height, width), as binning does.

        Raises:
            ValueError: the proportions are others.
        """
        height, width = size
        if abs(width * self.height - height * self.width) > max(self.width, self.height):
            raise ValueError(
                f"the image is {width}x{height}, but its camera_info is for {self.width}x{self.height}: "
                "the proportions differ"
            )
        scale = np.diag([width / self.width, height / self.height, 1.0])
        centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        k = np.linalg.inv(centre) @ scale @ centre @ self._matrix
        return replace(self, width=width, height=height, k=tuple(k.ravel().tolist()))

    def project(self, rays: np.ndarray) -> np.ndarray:
        """Rays (x/z, y/z), float64 [N, 2] -> pixels (x, y), float64 [N, 2]."""
        if self._is_fisheye:
            return cv2.fisheye.distortPoints(rays[:, None], self._matrix, self._coefficients)[:, 0]
        points = np.column_stack([rays, np.ones(len(rays))])
        nowhere = np.zeros(3)
        pixels: np.ndarray = cv2.projectPoints(points, nowhere, nowhere, self._matrix, self._coefficients)[0]
        return pixels[:, 0]

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (x, y), float64 [N, 2] -> rays (x/z, y/z), float64 [N, 2]; NaN where the model has no inverse."""
        rays = self._roughly(pixels)
        for _ in range(_ROUNDS):
            rays += self._roughly(pixels) - self._roughly(self.project(rays))
        rays[~(np.abs(self.project(rays) - pixels).max(axis=1) < _CONVERGED_PX)] = np.nan
        return rays

    def _roughly(self, pixels: np.ndarray) -> np.ndarray:
        """OpenCV's inverse of `project`, which stops after a few iterations."""
        undistort = cv2.fisheye.undistortPoints if self._is_fisheye else cv2.undistortPoints
        rays: np.ndarray = undistort(pixels[:, None], self._matrix, self._coefficients)[:, 0]
        return rays

    @property
    def _is_fisheye(self) -> bool:
        return self.distortion_model == "equidistant" and bool(self.d)

    @property
    def _matrix(self) -> np.ndarray:
        return np.array(self.k, float).reshape(3, 3)

    @property
    def _coefficients(self) -> np.ndarray:
        return np.array(self.d or (0, 0, 0, 0), float)
