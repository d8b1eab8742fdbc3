import cv2
import numpy as np
import pytest

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import UNLABELED
from training.data.paste import MOST_OBJECTS, PasteObjects, close_up, cut_objects, paste
from training.data.sample import Sample

ROWS, COLUMNS = 96, 128


def _giver(valid: np.ndarray | None = None) -> Sample:
    """Bright objects of classes 3 and 7 on black, one large, one small; class 3 touches the left side."""
    label = np.zeros((ROWS, COLUMNS), np.uint8)
    label[40:60, :30] = 3
    label[70:76, 80:86] = 7
    label[0:10] = UNLABELED
    picture = label * 25
    return Sample("giver", np.dstack([picture] * 3), picture // 2, label, valid)


def _taker(rows: int = ROWS, columns: int = COLUMNS) -> Sample:
    grey = np.full((rows, columns), 10, np.uint8)
    return Sample("taker", np.dstack([grey] * 3), grey, np.zeros((rows, columns), np.uint8))


def _pasted(paste: PasteObjects, taker: Sample, count: int = 40) -> list[Sample]:
    return [paste(taker, np.random.default_rng(seed)) for seed in range(count)]


def test_pasted_objects_are_the_same_pixels_in_rgb_thermal_and_label(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of two objects the second has a rim in the first.
    monkeypatch.setattr("training.data.paste.MOST_OBJECTS", 1)
    for sample in _pasted(PasteObjects([_giver()], 1.0), _taker()):
        assert set(np.unique(sample.label)) <= {0, 3, 7}
        assert sample.label.any()
        for class_id in (3, 7):
            inside = sample.label == class_id
            # Rims are a mixture of both images.
            core = cv2.erode(inside.astype(np.uint8), np.ones((7, 7), np.uint8)) == 1
            assert (sample.rgb[core] == class_id * 25).all()
            assert (sample.thermal[core] == class_id * 25 // 2).all()
        assert (sample.rgb[90:] == 10).all()
        assert (sample.thermal[:30] == 10).all()


def test_every_class_is_pasted_about_as_often_whatever_its_size() -> None:
    samples = _pasted(PasteObjects([_giver()], 1.0), _taker(), 200)
    large, small = (np.mean([(sample.label == class_id).any() for sample in samples]) for class_id in (3, 7))
    assert large == pytest.approx(small, abs=0.1)
    assert 0.6 < small < 0.95


def test_an_object_is_what_is_connected_and_nothing_else_in_its_box() -> None:
    label = np.zeros((ROWS, COLUMNS), np.uint8)
    label[10:40, 10:14] = label[36:40, 10:40] = 3
    label[15:25, 25:35] = 3
    first, second = cut_objects(0, label)
    assert (first.mask.sum(), second.mask.sum()) == (30 * 4 + 26 * 4, 100)
    donor = Sample("donor", np.dstack([label] * 3), label, label)
    for seed in range(20):
        seen = paste(_taker(), first, donor, np.random.default_rng(seed))
        assert (seen.label == 3).sum() == first.mask.sum()


def test_what_the_bottom_cuts_stays_at_the_bottom() -> None:
    label = np.zeros((ROWS, COLUMNS), np.uint8)
    label[80:, 60:70] = 2
    donor = Sample("donor", np.dstack([label] * 3), label, label)
    for sample in _pasted(PasteObjects([donor], 1.0), _taker(), 20):
        assert (sample.label[-1] == 2).sum() >= 10


def test_an_object_keeps_its_height_and_what_the_side_cuts_stays_there() -> None:
    places = set()
    for sample in _pasted(PasteObjects([_giver()], 1.0), _taker()):
        rows, columns = np.nonzero(sample.label == 3)
        if len(rows) == 0:
            continue
        assert rows.min() >= 36
        assert rows.max() <= 63
        assert columns.min() == 0 or columns.max() == COLUMNS - 1
        places |= {int(columns.min()), int(columns.max())}
    assert {0, COLUMNS - 1} <= places


def test_objects_of_larger_images_are_shrunk_to_the_sample() -> None:
    for sample in _pasted(PasteObjects([_giver()], 1.0), _taker(ROWS // 2, COLUMNS // 2), 20):
        count = int((sample.label == 7).sum())
        # Objects of one class may cover each other, but there are no more than MOST_OBJECTS of 3 x 3 pixels.
        assert count <= MOST_OBJECTS * 16
        assert sample.rgb.shape == (ROWS // 2, COLUMNS // 2, 3)


def test_share_says_how_many_samples_get_objects_and_the_rest_stay_themselves() -> None:
    taker = _taker()
    samples = _pasted(PasteObjects([_giver()], 0.25), taker, 400)
    assert np.mean([sample is not taker for sample in samples]) == pytest.approx(0.25, abs=0.06)


def test_same_random_numbers_paste_the_same() -> None:
    paste = PasteObjects([_giver()], 1.0)
    first, second = (paste(_taker(), np.random.default_rng(3)) for _ in range(2))
    assert (first.label == second.label).all()
    assert (first.rgb == second.rgb).all()


def test_a_source_without_objects_changes_nothing() -> None:
    taker = _taker()
    assert PasteObjects([_taker()], 1.0)(taker, np.random.default_rng(0)) is taker


def test_unknown_thermal_is_pasted_as_unknown() -> None:
    hole = np.ones((ROWS, COLUMNS), bool)
    hole[70:76, 80:83] = False
    samples = _pasted(PasteObjects([_giver(hole)], 1.0), _taker(), 30)
    unknown = [sample for sample in samples if (sample.label == 7).any()]
    for sample in unknown:
        assert sample.thermal_valid is not None
        assert 0 < int((~sample.thermal_valid).sum()) <= MOST_OBJECTS * 24
        assert (sample.label[~sample.thermal_valid] != 0).all()
    assert unknown


def test_known_thermal_is_not_mixed_with_unknown() -> None:
    known = np.ones((ROWS, COLUMNS), bool)
    known[:, 86:] = False  # beside the object of class 7
    giver, taker = _giver(known), _taker()
    giver.thermal[:] = taker.thermal[:] = 200
    giver.thermal[~known] = 0
    for sample in _pasted(PasteObjects([giver], 1.0), taker):
        assert sample.thermal_valid is None or (sample.thermal[sample.thermal_valid] == 200).all()


class _Unreadable(list[Sample]):
    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        raise UserError(f"sample {index} is damaged")


def test_a_sample_that_cannot_be_read_is_said_at_once() -> None:
    with pytest.raises(UserError, match="sample 0 is damaged"):
        PasteObjects(_Unreadable([_giver()]), 1.0)


def test_raw_thermal_keeps_its_counts() -> None:
    label = _giver().label
    counts = np.where(label == 7, 31000, 29000).astype(np.uint16)
    giver = Sample("giver", np.dstack([label] * 3), counts, label)
    taker = Sample("taker", _taker().rgb, np.full((ROWS, COLUMNS), 28000, np.uint16), _taker().label)
    warmest = max(int(sample.thermal.max()) for sample in _pasted(PasteObjects([giver], 1.0), taker, 20))
    assert 30900 <= warmest <= 31000


def _street() -> Sample:
    """Brighter and warmer downwards, with people over the whole upper half."""
    rows = np.repeat(np.arange(ROWS, dtype=np.uint8)[:, None], COLUMNS, 1)
    label = np.where(rows < ROWS // 2, 2, 0).astype(np.uint8)
    return Sample("street", np.dstack([rows] * 3), rows, label)


def test_a_close_up_shows_only_what_is_not_labelled_and_larger() -> None:
    warmest = set()
    for seed in range(40):
        near = close_up(_street(), np.random.default_rng(seed))
        if near.label.any():
            continue  # no such part was found in a few tries
        # Of a ramp from 48 to 95 a fifth to a half is seen.
        rises = int(near.rgb[-1, 0, 0]) - int(near.rgb[0, 0, 0])
        assert near.rgb.shape == (ROWS, COLUMNS, 3)
        assert near.rgb.min() >= ROWS // 2
        assert 0.15 * ROWS < rises < 0.55 * ROWS
        warmest.add(int(near.thermal.max()))
    assert len(warmest) > 10
    assert max(warmest) > 150


def test_a_sample_without_such_a_part_stays_itself() -> None:
    full = Sample("full", _street().rgb, _street().thermal, np.full((ROWS, COLUMNS), 1, np.uint8))
    assert close_up(full, np.random.default_rng(0)) is full


def test_close_ups_come_as_often_as_asked_and_with_objects() -> None:
    samples = _pasted(PasteObjects([_giver()], 0.0, 0.25), _taker(), 400)
    assert np.mean([sample.label.any() for sample in samples]) == pytest.approx(0.25, abs=0.06)
