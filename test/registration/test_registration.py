"""Thermal images laid onto RGB images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.registration.camera_intrinsics import CameraIntrinsics
from rgbt_seg_ros.registration.rules import Homography, Plane

IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)
TILTED = (1.1, 0.05, -20.0, -0.03, 0.95, 12.0, 1e-4, -2e-4, 1.0)


def noise(height: int, width: int, dtype: type = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (height, width), dtype, endpoint=True)


def ramps(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two thermal images whose values are their own columns and rows, in 1/64 pixel."""
    rows, columns = np.mgrid[:height, :width]
    return (64 * columns).astype(np.uint16), (64 * rows).astype(np.uint16)


def positions_read(registration: Any, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> np.ndarray:
    """Where in the thermal image each RGB pixel was read, by the values found there; NaN where it was not."""
    (columns, valid), (rows, _) = (registration(ramp, rgb_size) for ramp in ramps(*thermal_size))
    return np.where(valid[..., None], np.dstack([columns, rows]) / 64, np.nan)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("matrix", [IDENTITY, [-3 * number for number in IDENTITY]])
def test_the_identity_changes_nothing(dtype: type, matrix: Any) -> None:
    thermal = noise(48, 64, dtype)
    laid, valid = Homography(matrix)(thermal, (48, 64))
    assert laid.dtype == dtype
    assert valid.all()
    np.testing.assert_array_equal(laid, thermal)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_matrix_of_large_images_has_its_inverse(scale: float) -> None:
    far = scale * np.array([0.2, 0, -4000, 0, 0.2, -3000, 0, 0, 1])
    thermal = noise(8, 10)
    _, valid = Homography(far.tolist())(thermal, (8, 10))
    assert not valid.any()


def test_a_shift_marks_what_the_thermal_camera_does_not_see() -> None:
    thermal = noise(48, 64)
    laid, valid = Homography((1, 0, 5, 0, 1, -7, 0, 0, 1))(thermal, (48, 64))
    np.testing.assert_array_equal(laid[:41, 5:], thermal[7:, :59])
    expected = np.zeros((48, 64), bool)
    expected[:41, 5:] = True
    np.testing.assert_array_equal(valid, expected)
    assert not laid[~valid].any()


@pytest.mark.parametrize("rgb_size", [(480, 640), (120, 200)])
@pytest.mark.parametrize("thermal_size", [(512, 640), (120, 160)])
def test_a_homography_reads_where_its_inverse_says(
    rgb_size: tuple[int, int], thermal_size: tuple[int, int]
) -> None:
    rows, columns = np.mgrid[: rgb_size[0], : rgb_size[1]]
    x, y, z = np.tensordot(np.linalg.inv(np.reshape(TILTED, (3, 3))), [columns, rows, np.ones(rgb_size)], 1)
    expected = np.dstack([x, y]) / z[..., None]
    limits = (thermal_size[1] - 1, thermal_size[0] - 1)
    inside = ((expected >= 0) & (expected <= limits)).all(axis=2)
    read = positions_read(Homography(TILTED), rgb_size, thermal_size)
    assert 0.05 < inside.mean() < 1
    assert np.abs(read[inside] - expected[inside])[2:-2].max() < 0.04
    surely_outside = ((expected < -0.1) | (expected > np.array(limits) + 0.1)).any(axis=2)
    assert np.isnan(read[surely_outside]).all()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9), st.integers(8, 40), st.integers(8, 40))
def test_what_is_known_is_never_mixed_with_the_outside(changes: list[float], height: int, width: int) -> None:
    """Any homography near the identity: a thermal image of one value keeps it wherever it is known."""
    scales = np.array([0.5, 0.3, 9, 0.3, 0.5, 9, 1e-2, 1e-2, 0])
    registration = Homography(np.array(IDENTITY) + scales * changes)
    laid, valid = registration(np.full((height, width), 60_000, np.uint16), (30, 35))
    assert np.isin(laid, (0, 60_000)).all()
    np.testing.assert_array_equal(laid == 60_000, valid)


def test_what_lies_behind_the_camera_is_not_seen() -> None:
    # The horizon is at column 40 of the RGB image: beyond it, the inverse leads back into the thermal image.
    horizon = np.linalg.inv([[1, 0, 0], [0, 1, 0], [-1 / 40, 0, 1]])
    _, valid = Homography(horizon.ravel().tolist())(noise(2_000, 2_000, np.uint8), (48, 64))
    assert valid[:, :39].all()
    assert not valid[:, 40:].any()


def test_read_only_views_are_laid_as_they_are() -> None:
    padded = noise(48, 80)
    padded.flags.writeable = False
    laid, _ = Homography(TILTED)(padded[:, :64], (48, 64))
    np.testing.assert_array_equal(laid, Homography(TILTED)(padded[:, :64].copy(), (48, 64))[0])


def test_another_size_gets_another_table() -> None:
    registration = Homography((2, 0, 0.5, 0, 2, 0.5, 0, 0, 1))
    small, large = noise(24, 32), noise(48, 64)
    for thermal, size in [(small, (48, 64)), (large, (96, 128)), (small, (48, 64)), (small, (24, 32))]:
        laid, valid = registration(thermal, size)
        fresh, fresh_valid = Homography((2, 0, 0.5, 0, 2, 0.5, 0, 0, 1))(thermal, size)
        assert laid.shape == valid.shape == size
        np.testing.assert_array_equal(laid, fresh)
        np.testing.assert_array_equal(valid, fresh_valid)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        ((1, 0, 0, 0, 1), "must be 9 finite numbers"),
        ((1, 0, 0, 0, float("nan"), 0, 0, 0, 1), "must be 9 finite numbers"),
        ((0,) * 9, "has no inverse"),
        ((1, 0, 0, 2, 0, 0, 0, 0, 1), "has no inverse"),
    ],
)
def test_matrices_that_are_no_homography_are_refused(matrix: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Homography(matrix)


def distort(model: str, d: tuple[float, ...], ray: np.ndarray) -> np.ndarray:
    """The distortion models as CameraInfo's documentation (REP 104, OpenCV's calibration) defines them."""
    x, y = ray
    r = np.hypot(x, y)
    if not d:
        return ray
    if model == "equidistant":
        angle = np.arctan(r)
        if r == 0:
            return ray
        longer = angle * (1 + d[0] * angle**2 + d[1] * angle**4 + d[2] * angle**6 + d[3] * angle**8) / r
        return ray * longer
    k1, k2, p1, p2, k3, k4, k5, k6 = (*d, *(0,) * (8 - len(d)))
    radial = (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / (1 + k4 * r**2 + k5 * r**4 + k6 * r**6)
    return np.array(
        [
            x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2),
            y * radial + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y,
        ]
    )


def to_pixel(camera: CameraIntrinsics, point: np.ndarray) -> np.ndarray:
    """Pixel of a 3D point in the camera's optical frame."""
    x, y = distort(camera.distortion_model, camera.d, point[:2] / point[2])
    fx, _, cx, _, fy, cy, *_ = camera.k
    return np.array([fx * x + cx, fy * y + cy])


def camera(
    width: int, height: int, focal: float, d: tuple[float, ...] = (), model: str = "plumb_bob"
) -> CameraIntrinsics:
    return CameraIntrinsics(
        width, height, (focal, 0, width / 2 - 3, 0, 1.02 * focal, height / 2 + 2, 0, 0, 1), d, model
    )


CAMERAS = {
    "no distortion": (camera(640, 480, 520), camera(640, 512, 700)),
    "plumb_bob": (
        camera(640, 480, 480, (-0.28, 0.09, 0.001, -0.0015, -0.01)),
        camera(640, 512, 640, (-0.38, 0.18, -0.001, 0.001)),
    ),
    "rational_polynomial": (
        camera(640, 480, 400, (1.2, 0.4, 0.0002, -0.0003, 0.02, 1.6, 0.7, 0.1), "rational_polynomial"),
        camera(320, 256, 300),
    ),
    "equidistant": (
        camera(640, 480, 260, (-0.02, 0.008, -0.003, 0.0004), "equidistant"),
        camera(160, 120, 120, (-0.01, 0.002, 0.0, 0.0), "equidistant"),
    ),
}
# 4 degrees about y and 2 about z, and a quarter of a metre beside and below.
ROTATION = (0.0, np.sin(np.radians(2)), np.sin(np.radians(1)), np.cos(np.radians(2)))
TRANSLATION = (0.2, 0.15, -0.02)


def rotation_matrix() -> np.ndarray:
    """The rotation of ROTATION: its axes, turned by the quaternion product q v q*."""
    x, y, z, w = np.array(ROTATION) / np.linalg.norm(ROTATION)

    def turn(v: np.ndarray) -> np.ndarray:
        axis = np.array([x, y, z])
        return v + 2 * w * np.cross(axis, v) + 2 * np.cross(axis, np.cross(axis, v))

    return np.column_stack([turn(axis) for axis in np.eye(3)])


@pytest.mark.parametrize("cameras", CAMERAS)
@pytest.mark.parametrize("depth", [1.5, 20.0])
def test_points_of_the_plane_are_read_where_they_project_to(cameras: str, depth: float) -> None:
    rgb, thermal = CAMERAS[cameras]
    registration = Plane(rgb, thermal, ROTATION, TRANSLATION, depth)
    read = positions_read(registration, (rgb.height, rgb.width), (thermal.height, thermal.width))
    checked = 0
    for x in np.linspace(-1, 1, 41):
        for y in np.linspace(-0.8, 0.8, 33):
            point = depth * np.array([x, y, 1])
            column, row = pixel = to_pixel(rgb, point)
            if not (0 < column < rgb.width - 2 and 0 < row < rgb.height - 2):
                continue
            expected = to_pixel(thermal, rotation_matrix().T @ (point - TRANSLATION))
            if (expected < 4).any() or (expected > (thermal.width - 5, thermal.height - 5)).any():
                continue
            near = read[int(row) : int(row) + 2, int(column) : int(column) + 2]
            across, down = pixel - np.floor(pixel)
            between = near[0] * (1 - down) + near[1] * down
            found = between[0] * (1 - across) + between[1] * across
            np.testing.assert_allclose(found, expected, atol=0.1)
            checked += 1
    assert checked > 150


def test_parallel_cameras_are_shifted_by_focal_length_and_baseline_over_depth() -> None:
    both = camera(64, 48, 50)
    thermal = noise(48, 64)
    laid, valid = Plane(both, both, (0, 0, 0, 1), (0.4, 0, 0), depth=5.0)(thermal, (48, 64))
    # 50 pixels * 0.4 m / 5 m: the thermal camera, on the right, sees the plane 4 pixels further left.
    np.testing.assert_array_equal(laid[:, 4:], thermal[:, :60])
    np.testing.assert_array_equal(valid, np.broadcast_to(np.arange(64) >= 4, (48, 64)))


def test_rays_that_the_lens_model_folds_back_are_not_seen() -> None:
    wide, narrow = camera(640, 480, 150), camera(640, 512, 640, (-0.38, 0.0, 0.0, 0.0))
    far_ray = np.array([1.6, 0.0, 1.0])
    folded = to_pixel(narrow, far_ray)
    assert 0 < folded[0] < 640
    assert 0 < folded[1] < 512
    _, valid = Plane(wide, narrow, (0, 0, 0, 1), (0, 0, 0), 5.0)(noise(512, 640), (480, 640))
    columns = np.nonzero(valid[240])[0]
    # Half of the narrow image is 317 pixels, at a ray of 0.59: 88 pixels of the wide image.
    assert 310 - 95 < columns.min() < columns.max() < 320 + 95


def test_a_scene_behind_the_thermal_camera_is_not_seen() -> None:
    both = camera(64, 48, 50)
    _, valid = Plane(both, both, (0, 0, 0, 1), (0, 0, 6.0), depth=5.0)(noise(48, 64), (48, 64))
    assert not valid.any()


def test_binned_images_use_the_same_calibration() -> None:
    rgb, thermal = CAMERAS["plumb_bob"]
    full = positions_read(Plane(rgb, thermal, ROTATION, TRANSLATION, 3.0), (480, 640), (512, 640))
    binned = positions_read(Plane(rgb, thermal, ROTATION, TRANSLATION, 3.0), (240, 320), (256, 320))
    # The centre of a binned pixel is the middle of the four that it is made of.
    middle = (full[::2, ::2] + full[1::2, ::2] + full[::2, 1::2] + full[1::2, 1::2]) / 4
    expected = (middle - 0.5) / 2
    both = np.isfinite(expected) & np.isfinite(binned)
    assert both.mean() > 0.5
    assert np.abs(binned[both] - expected[both]).max() < 0.1


def test_images_of_other_proportions_than_the_calibration_are_refused() -> None:
    rgb, thermal = CAMERAS["plumb_bob"]
    registration = Plane(rgb, thermal, ROTATION, TRANSLATION, 3.0)
    with pytest.raises(ValueError, match="image is 640x360, but its camera_info is for 640x480"):
        registration(noise(512, 640), (360, 640))
    with pytest.raises(ValueError, match="image is 640x480, but its camera_info is for 640x512"):
        registration(noise(480, 640), (480, 640))


@dataclass
class Info:
    """The fields of sensor_msgs/CameraInfo that are read."""

    width: int
    height: int
    k: Any
    d: Any
    distortion_model: str


K = np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1])


def test_camera_info_is_read() -> None:
    camera = CameraIntrinsics.from_message(Info(640, 480, K, np.array([0.1, 0, 0, 0, 0]), "plumb_bob"), "t")
    assert camera == CameraIntrinsics(640, 480, tuple(K.tolist()), (0.1, 0, 0, 0, 0), "plumb_bob")
    for d in ([], [0.0] * 5):
        assert CameraIntrinsics.from_message(Info(640, 480, K, d, ""), "t").d == ()


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        (Info(640, 480, np.zeros(9), [], "plumb_bob"), "rgb/camera_info holds no calibration"),
        (Info(0, 0, K, [], "plumb_bob"), "holds no calibration"),
        (Info(640, 480, K * np.nan, [], "plumb_bob"), "holds no calibration"),
        (Info(640, 480, K, [0.1], "magic"), "distortion model 'magic': it must be one of plumb_bob"),
        (Info(640, 480, K, [0.1] * 5, "equidistant"), "has 5 coefficients, which do not make .* equidistant"),
    ],
)
def test_camera_info_that_cannot_be_used_is_refused(info: Info, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        CameraIntrinsics.from_message(info, "rgb/camera_info")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"depth": 0.0}, "depth of the registration plane must be above 0 m, not 0"),
        ({"depth": float("nan")}, "must be above 0 m"),
        ({"rotation": (0, 0, 0, 0)}, "must be a quaternion x, y, z, w that is not 0"),
    ],
)
def test_a_plane_that_is_none_is_refused(change: dict[str, Any], sentence: str) -> None:
    rgb, thermal = CAMERAS["no distortion"]
    pose = {"rotation": ROTATION, "translation": TRANSLATION, "depth": 1.0}
    with pytest.raises(UserError, match=sentence):
        Plane(rgb, thermal, **{**pose, **change})
