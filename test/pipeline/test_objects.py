"""Numbers of the objects in masks: of each image alone, or identities."""

import numpy as np
from settings_of import settings_of

from rgbt_seg_ros.masks.detections import draw_instances
from rgbt_seg_ros.pipeline.objects import ObjectFinder
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.settings import Settings

CLASSES = ClassSelection(("unlabeled", "car", "person"), ("car", "person"))
TRACKING = {"tracking__enabled": True, "detections__min_area": 50, "detections__score_threshold": 0.5}


def seen(
    *places: int, score: float = 0.9, side: int = 10, classes: ClassSelection = CLASSES, width: int = 200
) -> Segmentation:
    """People at these columns."""
    mask = np.zeros((40, width), np.uint8)
    for place in places:
        mask[5 : 5 + side, place : place + side] = 2
    return Segmentation(mask, np.full(mask.shape, score, np.float32), {}, classes)


class Eye:
    """A finder at 10 Hz."""

    def __init__(self, settings: Settings) -> None:
        self.finder, self.settings, self.now_ns = ObjectFinder(), settings, 0

    def ids(self, segmentation: Segmentation, camera: str = "rgb") -> list[int]:
        self.now_ns += 100_000_000
        found = self.finder.find(self.settings, segmentation, camera, self.now_ns)
        # The picture of all objects says the same.
        picture = draw_instances(segmentation.mask.shape, found)
        at = [picture[round(each.center_y), round(each.center_x)] for each in found]
        assert at == [each.object_id for each in found]
        assert np.count_nonzero(picture) == sum(each.area for each in found)
        return [each.object_id for each in found]


def test_without_tracking_numbers_are_those_of_the_image() -> None:
    eye = Eye(settings_of())
    assert eye.ids(seen(10, 50, 90)) == [1, 2, 3]
    assert eye.ids(seen(50, 90)) == [1, 2]


def test_with_tracking_they_are_the_objects() -> None:
    eye = Eye(settings_of(**TRACKING))
    assert eye.ids(seen(10, 50, 90)) == [1, 2, 3]
    assert eye.ids(seen(52, 92)) == [2, 3]
    assert eye.ids(seen(12, 55, 95, 150)) == [1, 2, 3, 4]


def test_what_is_below_the_thresholds_is_remembered_and_not_reported() -> None:
    eye = Eye(settings_of(**TRACKING))
    assert eye.ids(seen(50)) == [1]
    for _ in range(40):
        assert eye.ids(seen(50, score=0.3)) == []
    assert eye.ids(seen(50)) == [1]
    for _ in range(40):
        assert eye.ids(seen(51, side=6)) == []
    assert eye.ids(seen(50)) == [1]
    for _ in range(40):
        assert eye.ids(seen(50, score=0.1)) == []
    assert eye.ids(seen(50)) == [2]


def test_other_classes_sizes_and_cameras_begin_anew() -> None:
    eye = Eye(settings_of(**TRACKING))
    assert eye.ids(seen(50)) == [1]
    other = ClassSelection(("unlabeled", "dog", "cat"), ("dog", "cat"))
    assert eye.ids(seen(50, classes=other)) == [2]
    assert eye.ids(seen(50, classes=other, width=240)) == [3]
    assert eye.ids(seen(50, classes=other, width=240), "thermal") == [4]
    assert eye.ids(seen(50, classes=other, width=240), "thermal") == [4]
