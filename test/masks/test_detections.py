"""Objects in masks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbt_seg_ros.masks.detections import Detection, find_detections

NAMES = ("unlabeled", "car", "person", "road")
THINGS = ("car", "person")


def find(mask: np.ndarray, confidence: np.ndarray | None = None, **limits: Any) -> list[Detection]:
    confidence = np.ones(mask.shape, np.float32) if confidence is None else confidence
    return find_detections(
        mask, confidence, NAMES, THINGS, **{"min_area": 1, "score_threshold": 0.0, **limits}
    )


def test_a_single_pixel_is_a_box_of_one_pixel_centred_on_it() -> None:
    mask = np.zeros((5, 8), np.uint8)
    mask[3, 6] = 2
    assert find(mask) == [Detection(2, "person", 1.0, 6.0, 3.0, 1.0, 1.0, 1)]


def test_a_box_spans_its_component() -> None:
    mask = np.zeros((40, 50), np.uint8)
    mask[5:9, 10:20] = 1
    mask[5, 10] = 0
    assert find(mask) == [Detection(1, "car", 1.0, 14.5, 6.5, 10.0, 4.0, 39)]


def test_diagonal_neighbours_are_one_object_and_classes_are_kept_apart() -> None:
    mask = np.zeros((6, 6), np.uint8)
    mask[1, 1] = mask[2, 2] = mask[3, 1] = 1
    mask[1, 2] = 2
    assert [(found.class_name, found.area) for found in find(mask)] == [("car", 3), ("person", 1)]


def test_the_score_is_the_mean_confidence_of_the_component_alone() -> None:
    mask = np.zeros((4, 9), np.uint8)
    mask[1, 1:3] = mask[1, 5:8] = 2
    confidence = np.full(mask.shape, 0.9, np.float32)
    confidence[1, 1:3] = 0.25, 0.75
    confidence[1, 5:8] = 0.5, 1.0, 0.75
    assert [found.score for found in find(mask, confidence)] == [0.75, 0.5]
    assert [found.area for found in find(mask, confidence, score_threshold=0.75)] == [3]
    assert find(mask, confidence, score_threshold=0.76) == []


def test_small_components_are_left_out() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[1:4, 1:4] = mask[10:12, 10:12] = 1
    assert [found.area for found in find(mask, min_area=4)] == [9, 4]
    assert [found.area for found in find(mask, min_area=5)] == [9]


def test_stuff_background_and_unlabeled_pixels_are_no_objects() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[:3], mask[3:6] = 3, 255
    assert find(mask) == []


def test_objects_come_by_class_then_area_then_position() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[0, 0] = 2
    mask[2, 5] = mask[2, 1] = mask[8, 0] = 1
    mask[12:14, 12:14] = 1
    order = [(found.class_id, found.area, found.center_y, found.center_x) for found in find(mask)]
    assert order == [
        (1, 4, 12.5, 12.5),
        (1, 1, 2.0, 1.0),
        (1, 1, 2.0, 5.0),
        (1, 1, 8.0, 0.0),
        (2, 1, 0.0, 0.0),
    ]


def components_by_flood(mask: np.ndarray, confidence: np.ndarray) -> set[tuple]:
    """(class, area, left, top, right, bottom, score to 5 digits) of all components, grown pixel by pixel."""
    found, seen = set(), np.zeros(mask.shape, bool)
    for start in zip(*np.nonzero(np.isin(mask, (1, 2))), strict=True):
        if seen[start]:
            continue
        seen[start] = True
        component = [start]
        for y, x in component:
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                inside = 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1]
                if inside and not seen[near] and mask[near] == mask[start]:
                    seen[near] = True
                    component.append(near)
        ys, xs = np.array(component).T
        score = round(float(confidence[ys, xs].astype(np.float64).mean()), 5)
        found.add((int(mask[start]), len(ys), xs.min(), ys.min(), xs.max(), ys.max(), score))
    return found


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_components_are_those_found_by_flooding(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (height, width), p=[0.3, 0.2, 0.2, 0.15, 0.15])
    confidence = rng.random((height, width), np.float32)
    found = find(mask, confidence)
    boxes = {
        (
            d.class_id,
            d.area,
            d.center_x - (d.size_x - 1) / 2,
            d.center_y - (d.size_y - 1) / 2,
            d.center_x + (d.size_x - 1) / 2,
            d.center_y + (d.size_y - 1) / 2,
            round(d.score, 5),
        )
        for d in found
    }
    assert boxes == components_by_flood(mask, confidence)
    assert len(boxes) == len(found)


def test_masks_of_more_than_255_classes_have_objects_too() -> None:
    mask = np.full((6, 8), 65_535, np.uint16)
    mask[2:4, 3:6] = 290
    names = [f"thing {i}" for i in range(300)]
    found = find_detections(mask, np.ones(mask.shape, np.float32), names, names, min_area=1)
    assert found == [Detection(290, "thing 290", 1.0, 4.0, 2.5, 3.0, 2.0, 6)]


def test_sizes_and_names_that_do_not_fit_are_refused() -> None:
    mask = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"mask \[4, 4\] and confidence \[4, 5\]"):
        find(mask, np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match="no class is named tram"):
        find_detections(mask, np.ones((4, 4)), NAMES, ("tram",))
