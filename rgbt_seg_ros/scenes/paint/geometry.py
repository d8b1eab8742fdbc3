"""Where things are: camera, poses, clipping and outlines in the image.

World frame: x to the right, y up, z along the street, in metres. Image frame: columns u, rows v, in pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

NEAR = 0.35
"""Metres before the camera at which polygons are cut off."""

_FLIP = np.array([1.0, -1.0])
_CIRCLE = np.stack([np.cos(a := np.linspace(0.0, 2 * np.pi, 12, endpoint=False)), np.sin(a)], axis=1)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that may turn about the vertical; pitch is a shift of the horizon."""

    height: int
    """Image rows."""
    width: int
    """Image columns."""
    focal: float
    """Pixels."""
    horizon: float
    """Row of the horizon."""
    x: float
    y: float
    z: float
    """Position in the world, metres; y is the height above the ground."""
    yaw: float
    """Radians, positive to the right."""

    @cached_property
    def _rotation(self) -> np.ndarray:
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])

    @cached_property
    def _position(self) -> np.ndarray:
        return np.array([self.x, self.y, self.z]) @ self._rotation

    @cached_property
    def _center(self) -> np.ndarray:
        return np.array([self.width / 2, self.horizon])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points [N,3] to (right, up, forward) [N,3] as seen from the camera."""
        return points @ self._rotation - self._position

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera points [N,3] with forward > 0 to pixels (u, v) [N,2]."""
        return self._center + points[:, :2] * (_FLIP * self.focal / points[:, 2:])

    def distance(self, x: float, z: float) -> float:
        """Metres along the viewing direction to a place on the ground."""
        return float(np.sin(self.yaw) * (x - self.x) + np.cos(self.yaw) * (z - self.z))


@dataclass(frozen=True)
class Pose:
    """Where an object stands and where it looks: heading in radians from the z axis towards x."""

    x: float
    z: float
    heading: float
    ground: float = 0.0

    @cached_property
    def _rotation(self) -> np.ndarray:
        sin, cos = np.sin(self.heading), np.cos(self.heading)
        return np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])

    @cached_property
    def _position(self) -> np.ndarray:
        return np.array([self.x, self.ground, self.z])

    def world(self, points: np.ndarray) -> np.ndarray:
        """Points (right, up, forward) [N,3] of the object's own frame to the world."""
        return points @ self._rotation + self._position

    def local(self, places: np.ndarray) -> np.ndarray:
        """Places (x, z) [N,2] on the ground in the object's frame: (right, forward) [N,2]."""
        return (places - self._position[::2]) @ self._rotation[::2, ::2].T

    def moved(self, distance: float) -> "Pose":
        """The pose after going `distance` metres forward."""
        return Pose(
            self.x + distance * float(np.sin(self.heading)),
            self.z + distance * float(np.cos(self.heading)),
            self.heading,
            self.ground,
        )


def clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a polygon in camera coordinates [N,3] that lies beyond `NEAR` (Sutherland-Hodgman); may be empty."""
    inside = points[:, 2] >= NEAR
    if inside.all():
        return points
    kept = []
    for i, (point, here) in enumerate(zip(points, inside, strict=True)):
        before, was_inside = points[i - 1], inside[i - 1]
        if here != was_inside:
            share = (NEAR - before[2]) / (point[2] - before[2])
            kept.append(before + share * (point - before))
        if here:
            kept.append(point)
    return np.array(kept).reshape(-1, 3)


def capsule(start: np.ndarray, start_radius: float, end: np.ndarray, end_radius: float) -> np.ndarray:
    """Outline [N,2] of the hull of two discs in the image: a limb."""
    rim = np.concatenate([start + _CIRCLE * start_radius, end + _CIRCLE * end_radius]).astype(np.float32)
    return cv2.convexHull(rim)[:, 0]


def ellipse(center: np.ndarray, radius_u: float, radius_v: float) -> np.ndarray:
    """Outline [N,2] of an upright ellipse in the image."""
    return center + _CIRCLE * (radius_u, radius_v)
