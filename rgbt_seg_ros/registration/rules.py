"""Thermal images laid onto RGB images, pixel on pixel, where the two cameras do not see the same view.

Pixel centres have integer coordinates; positions are (x, y) in pixels, sizes (height, width).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.registration.camera_intrinsics import CameraIntrinsics

_STEPS = 32  # OpenCV interpolates in steps of 1/32 pixel
_OUTSIDE = -2.0  # a position so far outside that it reads as 0

# Lens models are evaluated at every 8th pixel and interpolated in between: 0.1 s instead of 5 s for VGA.
_GRID = 8

_SINGULAR = 1e-10  # share of its largest determinant below which a matrix has no inverse
_SAME_RAY = 0.02  # how far apart rays of one pixel may seem, a share of 1 + their x/z or y/z


class Registration(ABC):
    """Lays thermal images onto RGB images. The rule is turned into a table once for each pair of image sizes.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._table: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
        self._valid = np.empty(0, bool)

    def __call__(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Read the thermal image at every pixel of the RGB image, by bilinear interpolation.

        Args:
            thermal: uint8 or uint16 [h, w].
            rgb_size: of the RGB image, (H, W).

        Returns:
            The thermal image [H, W] in its own type, and bool [H, W]: where it is known. Elsewhere it is 0. No known
            pixel is mixed with what lies outside.

        Raises:
            ValueError: sizes that the rule cannot be applied to.
        """
        sizes = (rgb_size, (thermal.shape[0], thermal.shape[1]))
        if sizes != self._sizes:
            self._table, self._valid = self._tabulate(*sizes)
            self._sizes = sizes
        return cv2.remap(thermal, *self._table, cv2.INTER_LINEAR), self._valid

    def _tabulate(
        self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """OpenCV's fixed-point table of positions, and where they lie in the thermal image, bool [H, W]."""
        positions = np.rint(self._thermal_positions(rgb_size, thermal_size) * _STEPS) / _STEPS
        # NaN, where there is no position, is not inside either.
        inside = _within(positions, thermal_size)
        inside.flags.writeable = False
        positions[~inside] = _OUTSIDE
        columns, rows = cv2.split(positions.astype(np.float32))
        return cv2.convertMaps(columns, rows, cv2.CV_16SC2), inside

    @abstractmethod
    def _thermal_positions(self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> np.ndarray:
        """Where in the thermal image each pixel of the RGB image is: float64 [H, W, 2]; NaN: nowhere."""


class Homography(Registration):
    """Views that differ by a homography: of one plane, of a distant scene, or from one place.

    Args:
        matrix: 3x3, row by row, from thermal to RGB positions at the images' own sizes.

    Raises:
        UserError: not nine finite numbers, or no inverse.
    """

    def __init__(self, matrix: Sequence[float]) -> None:
        super().__init__()
        numbers = np.array(matrix, float).ravel()
        if numbers.size != 9 or not np.isfinite(numbers).all():
            raise UserError("the homography must be 9 finite numbers, the 3x3 matrix row by row")
        self._matrix = numbers.reshape(3, 3)
        largest = np.linalg.norm(self._matrix, axis=0).prod()  # determinant, if the columns were orthogonal
        if not abs(np.linalg.det(self._matrix)) > _SINGULAR * largest:
            raise UserError("the homography has no inverse: estimate it again with calibrate_homography")

    def _thermal_positions(self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> np.ndarray:
        height, width = thermal_size
        rows, columns = np.mgrid[: rgb_size[0], : rgb_size[1]]
        inverse = np.linalg.inv(self._matrix)
        x, y, z = (row[0] * columns + row[1] * rows + row[2] for row in inverse)
        # A homography has no sign: what is in front of the cameras has the sign of the thermal image's centre.
        in_front = z * (self._matrix[2] @ ((width - 1) / 2, (height - 1) / 2, 1)) > 0
        z[~in_front] = np.nan
        return np.dstack([x / z, y / z])


class Plane(Registration):
    """Two calibrated cameras, and a scene that lies in one plane, as a rule parallel to the RGB image.

    What is nearer or farther than the plane is laid beside its place by focal length * distance between the cameras *
    |1/depth - 1/true depth| pixels.

    Args:
        rgb, thermal: intrinsics of the cameras.
        rotation: quaternion (x, y, z, w) and
        translation: (x, y, z) [m], the pose of the thermal camera in the RGB camera's optical frame, as
            `tf2_echo <rgb frame> <thermal frame>` prints it.
        depth: distance of the plane from the RGB camera, along the normal [m].
        normal: of the plane, away from the camera, in the RGB camera's optical frame; by default its optical axis.

    Raises:
        UserError: a depth that is not positive, or a rotation that is none.
    """

    def __init__(
        self,
        rgb: CameraIntrinsics,
        thermal: CameraIntrinsics,
        rotation: Sequence[float],
        translation: Sequence[float],
        depth: float,
        normal: Sequence[float] = (0.0, 0.0, 1.0),
    ) -> None:
        super().__init__()
        if not 0 < depth < np.inf:
            raise UserError(f"the depth of the registration plane must be above 0 m, not {depth:g}")
        self._rgb, self._thermal = rgb, thermal
        self._rotation = rotation_matrix(rotation)
        self._translation = np.array(translation, float)
        self._depth = depth
        self._normal = np.array(normal, float) / np.linalg.norm(normal)

    def _thermal_positions(self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> np.ndarray:
        rgb, thermal = self._rgb.scaled_to(rgb_size), self._thermal.scaled_to(thermal_size)
        rows, columns = np.mgrid[: rgb_size[0] + _GRID : _GRID, : rgb_size[1] + _GRID : _GRID]
        rays = rgb.rays(np.column_stack([columns.ravel(), rows.ravel()]).astype(float))
        directions = np.column_stack([rays, np.ones(len(rays))])
        towards = directions @ self._normal
        towards[~(towards > 0)] = np.nan  # the ray does not meet the plane
        points = (self._depth / towards)[:, None] * directions  # in the RGB camera's frame
        x, y, z = ((points - self._translation) @ self._rotation).T  # in the thermal camera's
        z[~(z > 0)] = np.nan
        thermal_rays = np.column_stack([x / z, y / z])
        positions = thermal.project(np.nan_to_num(thermal_rays))
        # Lens models fold far rays back into the image: the ray of a pixel found there is another.
        apart = np.abs(thermal.rays(positions) - thermal_rays).max(axis=1)
        honest = apart < _SAME_RAY * (1 + np.abs(thermal_rays).max(axis=1))
        positions[np.isnan(thermal_rays[:, 0]) | (_within(positions, thermal_size) & ~honest)] = np.nan
        return _interpolate(positions.reshape(*rows.shape, 2), rgb_size)


def _within(positions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[..., 2] -> bool [...]: whether bilinear interpolation there needs only pixels of an image of this size."""
    height, width = size
    return np.all((positions >= 0) & (positions <= (width - 1, height - 1)), axis=-1)


def _interpolate(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values [h, w, 2] at every 8th pixel -> float64 [H, W, 2] at every pixel; NaN next to NaN."""
    columns, rows = np.meshgrid(*(np.arange(length, dtype=np.float32) / _GRID for length in size[::-1]))
    return cv2.remap(grid, columns, rows, cv2.INTER_LINEAR)


def rotation_matrix(quaternion: Sequence[float]) -> np.ndarray:
    """3x3 of a quaternion (x, y, z, w) of any length but 0."""
    length = np.linalg.norm(quaternion)
    if not 0 < length < np.inf:
        raise UserError("the rotation of the registration must be a quaternion x, y, z, w that is not 0")
    x, y, z, w = np.array(quaternion) / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: np.ndarray = np.eye(3) + 2 * (w * cross + cross @ cross)
    return rotation
