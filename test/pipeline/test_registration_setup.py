"""When there is a registration, and what is said while there is none."""

from types import SimpleNamespace

import numpy as np
import pytest
from settings_of import settings_of

from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.registration.rules import Homography, Plane
from rgbt_seg_ros.settings import Settings

TOPICS = {"rgb": "/cam_info", "thermal": "/boson_info"}


def info(focal: float = 50.0, model: str = "plumb_bob") -> SimpleNamespace:
    k = [focal, 0.0, 31.5, 0.0, focal, 23.5, 0.0, 0.0, 1.0]
    return SimpleNamespace(height=48, width=64, k=k, d=[0.0] * 5, distortion_model=model)


def test_cameras_that_see_the_same_need_nothing() -> None:
    setup = RegistrationSetup(Settings(), TOPICS)
    setup.take("rgb", info(focal=0.0))
    assert (setup.registration, setup.unavailable) == (None, "")


def test_a_homography_is_there_from_the_start() -> None:
    matrix = (1.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    setup = RegistrationSetup(
        settings_of(registration__mode="homography", registration__homography=matrix), TOPICS
    )
    assert isinstance(setup.registration, Homography)
    assert setup.unavailable == ""
    thermal, valid = setup.registration(np.full((48, 64), 9, np.uint8), (48, 64))
    assert not valid[:, :3].any()
    assert valid[:, 3:].all()
    assert (thermal[:, 3:] == 9).all()


def test_a_plane_waits_for_both_calibrations_and_follows_them() -> None:
    setup = RegistrationSetup(settings_of(registration__mode="plane"), TOPICS)
    assert setup.unavailable == "registration.mode plane: waits for /cam_info and /boson_info"
    setup.take("rgb", info())
    assert setup.unavailable == "registration.mode plane: waits for /boson_info"
    setup.take("thermal", info())
    first = setup.registration
    assert isinstance(first, Plane)
    assert setup.unavailable == ""
    setup.take("thermal", info())
    assert setup.registration is first
    setup.take("thermal", info(focal=60.0))
    assert isinstance(setup.registration, Plane)
    assert setup.registration is not first


@pytest.mark.parametrize(
    ("bad", "reason"), [(info(focal=0.0), "holds no calibration"), (info(model="magic"), "'magic'")]
)
def test_a_bad_calibration_is_named_until_a_good_one_comes(bad: SimpleNamespace, reason: str) -> None:
    setup = RegistrationSetup(settings_of(registration__mode="plane"), TOPICS)
    setup.take("rgb", info())
    setup.take("thermal", bad)
    assert setup.registration is None
    assert setup.unavailable.startswith("registration.mode plane: /boson_info ")
    assert reason in setup.unavailable
    setup.take("thermal", info())
    assert setup.unavailable == ""


NO_TURN = (0.0, 0.0, 0.0, 1.0)
OPTICAL = (-0.5, 0.5, -0.5, 0.5)
"""From a frame of REP 103 (x forward, z up) to an optical one (z forward, y down)."""


def framed(frame: str, focal: float = 50.0) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame), **vars(info(focal)))


def table(setup: RegistrationSetup) -> tuple[np.ndarray, np.ndarray]:
    """How a thermal image of numbered pixels is laid onto RGB images."""
    assert setup.registration is not None
    numbered = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    return setup.registration(numbered, (48, 64))


def test_extrinsics_from_transforms_are_those_of_the_parameters() -> None:
    turn = (0.02, -0.01, 0.03, 0.9993)
    given = settings_of(
        registration__mode="plane",
        registration__plane__translation=(0.2, 0.05, 0.01),
        registration__plane__rotation=turn,
        registration__plane__depth=3.0,
    )
    by_parameters = RegistrationSetup(given, TOPICS)
    by_tf = RegistrationSetup(
        settings_of(
            registration__mode="plane",
            registration__plane__extrinsics="tf",
            registration__plane__depth=3.0,
        ),
        TOPICS,
    )
    for setup in (by_parameters, by_tf):
        setup.take("rgb", framed("rgb_optical"))
        setup.take("thermal", framed("thermal_optical"))
    waits = "registration.mode plane: waits for a transform from thermal_optical to rgb_optical on /tf_static"
    assert by_tf.unavailable == waits
    by_tf.add_transform("mast", "rgb_optical", (1.0, 2.0, 3.0), OPTICAL)
    assert by_tf.unavailable == waits
    by_tf.add_transform("rgb_optical", "thermal_optical", (0.2, 0.05, 0.01), turn)
    assert by_tf.unavailable == ""
    for ours, expected in zip(table(by_tf), table(by_parameters), strict=True):
        np.testing.assert_array_equal(ours, expected)
    before = by_tf.registration
    by_tf.add_transform("rgb_optical", "thermal_optical", (0.2, 0.05, 0.01), turn)
    assert by_tf.registration is before, "no news"
    by_tf.add_transform("rgb_optical", "thermal_optical", (0.4, 0.05, 0.01), turn)
    assert by_tf.registration is not before


def test_a_plane_by_its_frame_is_where_the_transforms_say() -> None:
    """The ground, 1.5 m below two cameras that look ahead and 30 degrees down, 0.2 m apart."""
    setup = RegistrationSetup(
        settings_of(registration__mode="plane", registration__plane__frame="base_footprint"), TOPICS
    )
    setup.add_transform(
        "base_footprint", "mast", (0.1, 0.0, 1.5), (0.0, np.sin(np.pi / 12), 0.0, np.cos(np.pi / 12))
    )
    setup.add_transform("mast", "rgb_optical", (0.0, 0.0, 0.0), OPTICAL)
    setup.add_transform("mast", "thermal_optical", (0.0, -0.2, 0.0), OPTICAL)
    setup.take("rgb", framed("rgb_optical"))
    setup.take("thermal", framed("thermal_optical"))
    assert setup.unavailable == ""
    laid, valid = table(setup)
    rows, columns = np.mgrid[:48, :64]
    # A ray to row v of the image, by angles: the axis is 30 degrees below the horizon.
    steepness = np.sin(np.pi / 6) + np.cos(np.pi / 6) * (rows - 23.5) / 50.0
    depth = 1.5 / np.where(steepness > 0, steepness, np.nan)
    # The thermal camera, on the right, sees what is there by focal length * baseline / depth further left.
    expected = columns - 50.0 * 0.2 / depth
    inside = (expected > 1.0) & (expected < 62.0)
    assert inside.sum() > 1500
    assert valid[inside].all()
    found = laid[inside].astype(float) - 64.0 * rows[inside]
    np.testing.assert_allclose(found, expected[inside], atol=0.6)


def test_a_plane_through_the_camera_and_cameras_without_a_frame_are_named() -> None:
    settings = settings_of(registration__mode="plane", registration__plane__frame="rgb_optical")
    setup = RegistrationSetup(settings, TOPICS)
    setup.add_transform("rgb_optical", "thermal_optical", (0.2, 0.0, 0.0), NO_TURN)
    setup.take("rgb", framed("rgb_optical"))
    setup.take("thermal", framed(""))
    assert (
        setup.unavailable
        == "registration.mode plane: /boson_info names no frame: have its driver set a frame_id"
    )
    setup.take("thermal", framed("thermal_optical"))
    assert "lies in the x-y plane of rgb_optical" in setup.unavailable
    assert setup.registration is None
