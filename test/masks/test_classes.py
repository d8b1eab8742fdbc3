"""Names of classes in one spelling, and colours of class lists, also of odd ones."""

import re

import cv2
import numpy as np
import pytest
from places import REPOSITORY

from rgbt_seg_ros.masks.classes import (
    ALIASES,
    CLASS_SETS,
    COLOURS,
    MFNET,
    current_names,
    find_name,
    palette_for,
)


@pytest.mark.parametrize("names", [(), ("car",) * 300, MFNET.names * 40, ("thing",) * 300, ("",)])
def test_any_list_of_names_has_colours(names: tuple[str, ...]) -> None:
    palette = palette_for(names)
    assert (palette.shape, palette.dtype) == ((256, 3), np.uint8)


def test_names_of_a_data_set_have_its_colours_in_any_order() -> None:
    assert [tuple(color) for color in palette_for(("person", "car"))[:2]] == [
        MFNET.palette[2],
        MFNET.palette[1],
    ]


def luminance(colour):
    """Relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(colour) / 255.0]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


def contrast(one, other):
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_is_seen_on_light_and_dark_pages(colour):
    css = (REPOSITORY / "resource/report/report.css").read_text()
    light, dark = (bytes.fromhex(page) for page in re.findall(r"--page: #([0-9a-f]{6})", css))
    assert contrast(colour, tuple(light)) >= 3.0
    assert contrast(colour, tuple(dark)) >= 3.0


# From linear RGB to what eyes without one kind of cones see (Machado et al. 2009, severity 1).
EYES = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("classes", CLASS_SETS.values(), ids=lambda classes: classes.name)
def test_no_two_classes_look_alike(classes, eyes):
    """CIELAB distances; 2 is just seen side by side, 10 at a glance."""
    colours = np.array([colour for colour in classes.palette if any(colour)], np.float32) / 255.0
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(EYES[eyes]).T, 0.0, 1.0)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(encoded[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[~np.eye(len(lab), dtype=bool)]
    least = 13.0 if len(lab) > 8 else 20.0
    assert distances.min() >= least


def test_a_class_has_one_colour_in_every_data_set():
    for name in ("person", "car"):
        found = {
            tuple(classes.palette[classes.names.index(name)])
            for classes in CLASS_SETS.values()
            if name in classes.names
        }
        assert len(found) == 1


def test_unknown_names_take_colours_that_are_left():
    names = ("background", "dog", "person", "cat", *(f"other {i}" for i in range(20)))
    colours = [tuple(int(c) for c in colour) for colour in palette_for(names)[: len(names)]]
    assert colours[0] == (0, 0, 0)
    assert len(set(colours)) == len(names)
    assert set(COLOURS) <= set(colours)


@pytest.mark.parametrize("classes", CLASS_SETS.values(), ids=lambda classes: classes.name)
def test_names_are_words_and_the_data_sets_spelling_is_read(classes):
    for name in classes.names:
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", name)
        assert name not in ALIASES
        assert name != "unlabeled"
    assert set(classes.things) <= set(classes.names)
    published = classes.published or classes.names
    assert current_names(published) == current_names(classes.names) == classes.names
    np.testing.assert_array_equal(palette_for(published), palette_for(classes.names))


def test_a_curve_beside_other_names_than_mfnets_is_one():
    assert current_names(["curve", "road", "car_stop"]) == ("curb", "road", "car stop")
    assert current_names(["curve", "road"]) == ("curve", "road")


def test_a_list_with_both_spellings_keeps_two_names():
    names = ("background", "unlabeled", "car stop", "car_stop")
    assert current_names(names) == names


def test_a_user_means_a_name_in_any_spelling():
    known = ("background", "curb", "car stop", "road_sign")
    asked = ("car_stop", "car-stop", "curve", "unlabeled", "road sign", "curb")
    assert [find_name(name, known) for name in asked] == [
        "car stop",
        "car stop",
        "curb",
        "background",
        "road_sign",
        "curb",
    ]
    assert find_name("carstop", known) is None
    # A name that is there means itself, and one that could be two means none.
    assert find_name("curve", ("curve", "curb")) == "curve"
    assert find_name("a b", ("a_b", "a-b")) is None
