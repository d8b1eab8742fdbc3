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
