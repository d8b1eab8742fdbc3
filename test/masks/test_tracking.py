"""Identities of objects: on made-up boxes, and on rendered drives with known ones."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from identities import Known, idf1, known_sequence

from rgbt_seg_ros.masks import tracking
from rgbt_seg_ros.masks.detections import Detection
from rgbt_seg_ros.masks.tracking import Tracker, iou

SECOND = 1_000_000_000
PERIOD_NS = SECOND // 10


def box(x: float, y: float = 50.0, size: float = 20.0, class_id: int = 2) -> Detection:
    return Detection(class_id, "person", 0.9, x, y, size, size, int(size * size))


class Eye:
    """A tracker at 10 Hz; `see` gives the identities of what is seen, in order."""

    def __init__(self) -> None:
        self.tracker = Tracker()
        self.now_ns = 0

    def see(self, *sure: Detection, unsure: tuple[Detection, ...] = (), max_gap_s: float = 1.0) -> list[int]:
        self.now_ns += PERIOD_NS
        found = self.tracker.update(self.now_ns, sure, unsure, 0.2, max_gap_s)
        assert [replace(each, object_id=0) for each in found] == list(sure)
        return [each.object_id for each in found]


def test_iou_is_that_of_the_boxes_and_of_larger_ones() -> None:
    first = np.array([[0.0, 0.0, 4.0, 4.0]])
    second = np.array([[2.0, 0.0, 4.0, 4.0], [10.0, 0.0, 4.0, 4.0], [0.0, 0.0, 2.0, 2.0]])
    np.testing.assert_allclose(iou(first, second), [[8 / 24, 0.0, 4 / 16]])
    np.testing.assert_allclose(iou(first, second[:1], enlarged=0.5), [[6 * 8 / (2 * 64 - 48)]])


def test_two_that_cross_keep_their_identities_whatever_their_order() -> None:
    eye = Eye()
    for step in range(21):
        right, left = box(10.0 + 6 * step, 40.0), box(130.0 - 6 * step, 52.0)
        assert eye.see(right, left) == [1, 2]
        assert eye.see(box(10.0 + 6 * step + 3, 40.0), box(130.0 - 6 * step - 3, 52.0)) == [1, 2]
    assert sorted(eye.see(left, right)) == [1, 2]


def test_the_one_that_is_assigned_best_as_a_whole_wins() -> None:
    """Each for itself, both would take the box in the middle."""
    eye = Eye()
    assert eye.see(box(50.0), box(62.0)) == [1, 2]
    assert eye.see(box(57.0), box(71.0)) == [1, 2]


def test_an_object_may_be_unseen_for_a_while_and_is_new_afterwards() -> None:
    for missing, expected in ((9, [1]), (11, [2])):
        eye = Eye()
        for step in range(5):
            eye.see(box(10.0 + 8 * step))
        for _ in range(missing):
            assert eye.see() == []
        # Where it would be by its velocity.
        assert eye.see(box(10.0 + 8 * (5 + missing))) == expected


def test_unsure_objects_keep_identities_alive_and_get_none() -> None:
    eye = Eye()
    assert eye.see(box(50.0)) == [1]
    for _ in range(30):
        assert eye.see(unsure=(box(50.0), box(150.0))) == []
    assert eye.see(box(50.0), box(150.0)) == [1, 2]


def test_another_class_is_another_object() -> None:
    eye = Eye()
    assert eye.see(box(50.0), box(90.0)) == [1, 2]
    assert eye.see(box(50.0, class_id=1), box(90.0)) == [3, 2]


@pytest.mark.parametrize("jump_ns", [-60 * SECOND, -PERIOD_NS, 60 * SECOND])
def test_a_jump_of_time_makes_all_new_and_gives_no_number_twice(jump_ns: int) -> None:
    eye = Eye()
    assert eye.see(box(50.0)) == [1]
    eye.now_ns += jump_ns
    assert eye.see(box(50.0)) == [2]
    assert eye.see(box(50.0)) == [2]


def test_numbers_fit_into_16_bits_and_pass_over_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "MAX_ID", 4)
    eye = Eye()
    ids = [eye.see(box(50.0), box(200.0 + 100 * step), max_gap_s=0.15) for step in range(6)]
    assert ids == [[1, 2], [1, 3], [1, 4], [1, 2], [1, 3], [1, 4]]


@pytest.fixture(scope="module")
def drives() -> list[list[Known]]:
    """Two rendered drives of 12 s at 5 Hz, with people, bikes and cars."""
    return [
        list(known_sequence(seed, 12.0, 5.0, condition)) for seed, condition in ((2, "night"), (3, "day"))
    ]


Identify = Callable[[Known], list[Detection]]


def with_tracker(miss: float = 0.0) -> Identify:
    tracker, draw = Tracker(), np.random.default_rng(0)

    def identify(known: Known) -> list[Detection]:
        found = [each for each in known.found if draw.random() >= miss]
        return tracker.update(known.stamp_ns, found, [], 0.2, 2.0)

    return identify


def perfectly(known: Known) -> list[Detection]:
    """Each object has the identity of the thing that it overlaps most."""

    def thing(each: Detection) -> int:
        place = np.array([[each.center_x, each.center_y, each.size_x, each.size_y]])
        overlaps = {
            number: iou(np.array([box]), place)[0, 0]
            for (number, class_id), box in known.boxes.items()
            if class_id == each.class_id
        }
        return max(overlaps, key=lambda number: overlaps[number], default=0)

    return [replace(each, object_id=thing(each)) for each in known.found]


def score(drive: list[Known], identify: Identify, step: int = 1) -> float:
    return idf1([(known, identify(known)) for known in drive[::step]])


def test_identities_are_kept_on_rendered_drives(drives: list[list[Known]], capsys: Any) -> None:
    """docs/tracking.md quotes longer ones."""
    for drive in drives:
        assert sum(len(known.found) for known in drive) > 50
        best = score(drive, perfectly)
        scores = [
            score(drive, with_tracker()),
            score(drive, with_tracker(), 2),
            score(drive, with_tracker(0.2)),
        ]
        with capsys.disabled():
            print(f"\nIDF1 {', '.join(f'{each:.2f}' for each in scores)}; perfect identities {best:.2f}")
        assert scores[0] > 0.85 * best
        assert scores[1] > 0.8 * best
        assert scores[2] > 0.65 * best
        # Numbers that say nothing.
        number = count(1)
        nobodys = [
            (known, [replace(each, object_id=next(number)) for each in known.found]) for known in drive
        ]
        assert idf1(nobodys) < 0.2


def test_idf1_counts_each_identity_once() -> None:
    known = [Known(i, {(1, 2): (50.0, 50.0, 20.0, 20.0)}, []) for i in range(10)]
    kept = [(each, [replace(box(50.0), object_id=7)]) for each in known]
    assert idf1(kept) == 1.0
    switched = [(each, [replace(box(50.0), object_id=1 if i < 6 else 2)]) for i, each in enumerate(known)]
    assert idf1(switched) == pytest.approx(0.6)
    missed = [(each, objects if i % 2 else []) for i, (each, objects) in enumerate(kept)]
    assert idf1(missed) == pytest.approx(2 * 5 / 15)
    elsewhere = [(each, [replace(box(80.0), object_id=7)]) for each in known]
    assert idf1(elsewhere) == 0.0
