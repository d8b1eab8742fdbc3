"""Pixels that are no temperatures are found, whatever the camera puts there, and scenes keep theirs."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.images.thermal_defects import find_defects, mend

WALL, PERSON = np.s_[5:35, 100:150], np.s_[60:90, 75:90]


def scene(base: int = 29_300, size: tuple[int, int] = (120, 160), contrast: int = 1200) -> np.ndarray:
    """A wall, and a person before it; at 100 counts a kelvin a wall of 293 K and a person of 305 K."""
    height, width = size
    image = (base + np.random.default_rng(0).integers(0, 40, size)).astype(np.uint16)
    image[height // 3 : height * 11 // 12, width * 7 // 16 : width * 19 // 32] += contrast
    return image


def telemetry(rows: int, width: int = 160, seed: int = 1) -> np.ndarray:
    """Rows of numbers of a camera: most are zero, some by chance like temperatures."""
    draw = np.random.default_rng(seed)
    values = draw.choice(np.array([0, 0, 0, 7, 29_310, 30_115, 65_535, 513], np.uint16), (rows, width))
    return values


def dead_pixels(image: np.ndarray, number: int, value: int | None = None) -> np.ndarray:
    draw = np.random.default_rng(2)
    image = image.copy()
    places = draw.choice(image.size, number, replace=False)
    image.reshape(-1)[places] = draw.integers(0, 65_535, number) if value is None else value
    return image


def bordered(image: np.ndarray, value: int = 0, width: int = 4) -> np.ndarray:
    return cv2.copyMakeBorder(
        image[width:-width, width:-width], *(width,) * 4, cv2.BORDER_CONSTANT, value=value
    )


def half_registered(image: np.ndarray) -> np.ndarray:
    turned = cv2.warpAffine(image, np.array([[0.95, 0.0, 6.0], [0.0, 0.9, 5.0]]), image.shape[::-1])
    return np.where(turned > 20_000, turned, 0).astype(np.uint16)


DEFECTIVE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "telemetry below": lambda image: np.vstack([image, telemetry(2)]),
    "telemetry above": lambda image: np.vstack([telemetry(1), image[:-1]]),
    "telemetry of four rows": lambda image: np.vstack([image, telemetry(4)]),
    "random telemetry": lambda image: np.vstack(
        [image, np.random.default_rng(5).integers(0, 65_535, (2, 160)).astype(np.uint16)]
    ),
    "reference columns": lambda image: np.hstack([image[:, :-3], telemetry(120, 3)]),
    "columns at the left": lambda image: np.hstack([telemetry(120, 2), image[:, :-2]]),
    "zero border": bordered,
    "zero border of 25": lambda image: bordered(image, width=25),
    "full border": lambda image: bordered(image, 65_535),
    "registered": half_registered,
    "two of a hundred dead": lambda image: dead_pixels(image, 400),
    "five of a hundred zero": lambda image: dead_pixels(image, 960, 0),
    "dead lattice": lambda image: np.where(
        (np.arange(120)[:, None] % 4 == 0) & (np.arange(160) % 4 == 0), 0, image
    ).astype(np.uint16),
    "saturated": lambda image: cv2.rectangle(image.copy(), (100, 60), (130, 110), 65_535, -1),
    "saturated at 14 bits": lambda image: cv2.rectangle(
        np.minimum(image - 22_000, 16_383).astype(np.uint16), (105, 60), (130, 110), 16_383, -1
    ),
}


@pytest.mark.parametrize("kind", DEFECTIVE)
def test_contrast_is_that_of_the_clean_image(kind: str) -> None:
    clean = scene()
    image = DEFECTIVE[kind](clean)
    normalize = ThermalNormalization()
    cleaned, valid, number = normalize.clean(image)
    assert number > 0
    result = normalize(cleaned, valid)
    known = np.ones(image.shape, bool) if valid is None else valid
    assert result[WALL][known[WALL]].mean() < 0.05
    assert result[PERSON][known[PERSON]].mean() > 0.9


@pytest.mark.parametrize("mode", ["auto", "percentile"])
@pytest.mark.parametrize("kind", DEFECTIVE)
def test_a_call_alone_leaves_out_what_is_no_temperature(kind: str, mode: str) -> None:
    image = DEFECTIVE[kind](scene())
    result = ThermalNormalization(mode)(image)
    known = (image > 5_000) & (image < 31_000)
    if kind == "saturated at 14 bits":
        known = image < 16_383
    assert np.median(result[WALL][known[WALL]]) < 0.05
    assert np.median(result[PERSON][known[PERSON]]) > 0.9


def test_a_call_leaves_out_counts_of_the_user() -> None:
    image = scene()
    image[:40, :40] = 40_000
    for mode in ("auto", "percentile", "minmax"):
        result = ThermalNormalization(mode, invalid=(40_000,))(image)
        assert result[PERSON].mean() > 0.9


@pytest.mark.parametrize("kind", DEFECTIVE)
def test_defects_are_filled_or_unknown_and_the_rest_is_as_it_was(kind: str) -> None:
    image = DEFECTIVE[kind](scene())
    cleaned, valid, _ = ThermalNormalization().clean(image)
    known = np.ones(image.shape, bool) if valid is None else valid
    body = image[(image > 5_000) & (image < 31_000)]
    assert (cleaned[known] >= body.min() - 50).all()
    assert (cleaned != image)[known].mean() < 0.08
    # At most a few pixels of the picture are taken with the defects.
    assert (known | (image == 0) | (image >= 16_383)).mean() > 0.95 or kind == "random telemetry"


CLEAN: dict[str, np.ndarray] = {
    "scene": scene(),
    "raw counts of 14 bits": scene(7_400, contrast=220),
    "cold sky": np.vstack([scene()[:50] - 6_000, scene()[50:]]).astype(np.uint16),
    "sky that grows colder": (scene() - np.linspace(8_000, 0, 120)[:, None]).astype(np.uint16),
    "fire": cv2.circle(scene(), (30, 60), 4, 60_000, -1),
    "small fire": cv2.rectangle(scene(), (30, 60), (31, 61), 60_000, -1),
    "closed shutter": (29_500 + np.random.default_rng(3).integers(0, 6, (120, 160))).astype(np.uint16),
    "eight bits in sixteen": np.random.default_rng(4).integers(0, 256, (120, 160)).astype(np.uint16),
    "eight bits stretched": np.random.default_rng(4).integers(0, 256, (120, 160)).astype(np.uint16) * 257,
    "min-max stretched": np.linspace(0, 65_535, 120 * 160).reshape(120, 160).astype(np.uint16),
    "one value": np.full((120, 160), 29_300, np.uint16),
    "zeros": np.zeros((120, 160), np.uint16),
    "tiny": scene()[:8, :8],
}


@pytest.mark.parametrize("kind", CLEAN)
def test_scenes_keep_their_pixels(kind: str) -> None:
    assert find_defects(CLEAN[kind]) is None
    image = CLEAN[kind]
    cleaned, valid, number = ThermalNormalization().clean(image)
    assert cleaned is image
    assert (valid, number) == (None, 0)


def test_invalid_counts_of_the_user_are_left_out_in_every_mode() -> None:
    image = scene()
    image[:40, :40] = 29_999
    for mode in ("auto", "fixed", "percentile", "minmax"):
        _, valid, number = ThermalNormalization(mode, 29_000, 31_000, invalid=(29_999,)).clean(image)
        assert number == 1600
        assert valid is not None
        assert not valid[:40, :40].any()
        assert valid[40:].all()


@pytest.mark.parametrize("step", [4, 6])
def test_dead_pixels_all_over_are_no_border(step: int) -> None:
    rows, columns = np.mgrid[:120, :160]
    image = np.where((columns + step * rows) % 15 == 0, 0, scene()).astype(np.uint16)
    _, valid, number = ThermalNormalization().clean(image)
    assert number == (image == 0).sum()
    assert valid is None or valid.mean() > 0.999


def test_defects_that_stand_alone_are_filled_from_their_neighbours() -> None:
    image = dead_pixels(scene(), 100, 0)
    defects = image == 0
    mended, valid = mend(image, defects)
    assert valid is None or valid.mean() > 0.99
    np.testing.assert_allclose(mended[defects], scene()[defects], atol=1300)
    assert np.median(np.abs(mended[defects].astype(int) - scene()[defects])) < 40
