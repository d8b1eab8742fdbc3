"""Limits that are steady in time, and closed shutters, from images and stamps alone."""

import numpy as np
import pytest
from settings_of import settings_of

from rgbt_seg_ros.images.codec import encode_image
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.pipeline.answer import decode_images, register_thermal
from rgbt_seg_ros.pipeline.thermal_limits import ThermalFollower
from rgbt_seg_ros.registration.rules import Homography

MS = 1_000_000
RGB = np.zeros((120, 160, 3), np.uint8)


def scene(hot: int = 0, kind: type = np.uint16) -> ImagePair:
    """An even ramp of 1000 counts (200 of 8 bits), of which a fifth is hotter by `hot`."""
    ramp = np.linspace(7_000, 8_000, 120 * 160) if kind is np.uint16 else np.linspace(20, 220, 120 * 160)
    image = ramp.reshape(120, 160)
    image[:, :32] += hot
    return ImagePair(RGB, image.astype(kind))


def shutter(kind: type = np.uint16, noise: int = 6) -> ImagePair:
    level = 7_500 if kind is np.uint16 else 120
    return ImagePair(RGB, (level + np.random.default_rng(0).integers(0, noise, (120, 160))).astype(kind))


def limits(follower: ThermalFollower, images: ImagePair, stamp_ns: int) -> tuple[float, float]:
    followed = follower.follow(images, stamp_ns)
    assert followed is not None
    assert followed.thermal_limits is not None
    return followed.thermal_limits


def test_the_first_image_has_its_own_limits() -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    own = ThermalNormalization().limits(scene().thermal)
    assert limits(follower, scene(), 123) == own


def test_limits_approach_those_of_a_new_scene() -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    old = limits(follower, scene(), 0)
    new = ThermalNormalization().limits(scene(4000).thermal)
    highs = [limits(follower, scene(4000), i * 100 * MS)[1] for i in range(1, 31)]
    assert highs == sorted(highs)
    assert highs[0] - old[1] < 0.11 * (new[1] - old[1])
    assert highs[9] - old[1] == pytest.approx((1 - np.exp(-1)) * (new[1] - old[1]), rel=0.01)
    assert highs[-1] == pytest.approx(new[1], rel=0.05)


def test_the_rate_of_the_images_does_not_matter() -> None:
    ends = []
    for steps in (10, 30):
        follower = ThermalFollower(ThermalNormalization(), 1.0)
        limits(follower, scene(), 0)
        for i in range(1, steps + 1):
            end = limits(follower, scene(4000), i * 1000 * MS // steps)
        ends.append(end[1])
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


@pytest.mark.parametrize("stamp_ns", [-1, 10_000 * MS, 86_400_000 * MS])
def test_after_a_jump_of_time_it_starts_anew(stamp_ns: int) -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    limits(follower, scene(), 0)
    assert limits(follower, scene(4000), stamp_ns) == ThermalNormalization().limits(scene(4000).thermal)


def test_without_a_time_constant_each_image_has_its_own_limits() -> None:
    follower = ThermalFollower(ThermalNormalization(), 0.0)
    for i, hot in enumerate((0, 4000, 0, 2000)):
        own = ThermalNormalization().limits(scene(hot).thermal)
        assert limits(follower, scene(hot), i * 100 * MS) == own


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_closed_shutter_is_told_until_it_opens(kind: type) -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    assert follower.follow(scene(kind=kind), 0) is not None
    assert [follower.follow(shutter(kind), i * 100 * MS) for i in range(1, 8)] == [None] * 7
    opened = follower.follow(scene(kind=kind), 800 * MS)
    assert opened is not None
    if kind is np.uint16:
        assert opened.thermal_limits == pytest.approx(
            ThermalNormalization().limits(scene().thermal), rel=1e-6
        )


@pytest.mark.parametrize("noise", [40, 130])
def test_a_closed_shutter_of_a_noisy_camera_is_told(noise: int) -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    assert follower.follow(scene(4000), 0) is not None
    assert follower.follow(shutter(noise=noise), 100 * MS) is None


def test_a_registered_image_has_the_least_span_of_the_one_that_the_camera_gave() -> None:
    even, rgb = encode_image(shutter(noise=20).thermal), encode_image(np.zeros((480, 640, 3), np.uint8))
    images, _ = decode_images(settings_of(), rgb, even)
    # Enlarged four times, neighbours are much alike.
    enlarged = register_thermal(images, Homography([4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 1.0]))
    low, high = limits(ThermalFollower(ThermalNormalization(), 1.0), enlarged, 0)
    assert high - low == pytest.approx(images.thermal_span)
    assert high - low > 10 * 20


def test_what_stays_even_is_a_wall() -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    follower.follow(scene(), 0)
    seen = [follower.follow(shutter(), i * 200 * MS) is not None for i in range(1, 40)]
    assert seen == [False] * 15 + [True] * 24


@pytest.mark.parametrize("mode", ["auto", "fixed", "minmax"])
def test_an_even_scene_from_the_start_is_no_shutter(mode: str) -> None:
    follower = ThermalFollower(ThermalNormalization(mode, 7_000, 8_000), 1.0)
    assert all(follower.follow(shutter(), i * 100 * MS) is not None for i in range(30))


def test_a_scene_with_less_contrast_is_no_shutter() -> None:
    follower = ThermalFollower(ThermalNormalization(), 1.0)
    follower.follow(scene(4000), 0)
    noise = np.random.default_rng(0).integers(0, 6, (120, 160))
    wall = ImagePair(RGB, (7_000 + np.linspace(0, 130, 160) + noise).astype(np.uint16))
    assert follower.follow(wall, 100 * MS) is not None


def test_pairs_without_thermal_and_fixed_limits_pass_unchanged() -> None:
    alone, pair = ImagePair(RGB, None), scene()
    assert ThermalFollower(ThermalNormalization(), 1.0).follow(alone, 0) is alone
    fixed = ThermalFollower(ThermalNormalization("fixed", 7_000, 8_000), 1.0)
    assert fixed.follow(pair, 0) is pair
