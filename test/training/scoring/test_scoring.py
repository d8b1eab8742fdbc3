"""Scores of a segmenter whose every answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from training.data.sample import Sample
from training.scoring.counts import count, score
from training.scoring.protocols import Protocol

CAR, GUARDRAIL = MFNET.names.index("car"), MFNET.names.index("guardrail")


class _Oracle:
    """Answers with the labels themselves, but calls one image entirely class 0."""

    class_names = MFNET.names

    def __init__(self, samples: list[Sample], wrong: str = "") -> None:
        self.samples = samples
        self.wrong = wrong

    def __call__(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, thermal_valid: np.ndarray | None = None
    ) -> SimpleNamespace:
        (sample,) = (known for known in self.samples if known.rgb is rgb or known.thermal is thermal)
        return SimpleNamespace(
            mask=np.zeros_like(sample.label) if sample.name == self.wrong else sample.label
        )


def _sample(name: str, car_rows: int, guardrail_rows: int = 0) -> Sample:
    """16x8 pixels, of which the first rows are cars and the last ones guardrails."""
    label = np.zeros((16, 8), np.uint8)
    label[:car_rows] = CAR
    label[16 - guardrail_rows :] = GUARDRAIL
    return Sample(name, np.zeros((16, 8, 3), np.uint8), np.zeros((16, 8), np.uint8), label)


@pytest.fixture
def samples() -> list[Sample]:
    return [_sample("00001D", 2), _sample("00002N", 4), _sample("00003N", 6, guardrail_rows=1)]


def test_scores_are_exact_and_day_and_night_apart(samples: list[Sample]) -> None:
    perfect = score(_Oracle(samples), samples)
    assert perfect.miou == perfect.macc == 1.0
    assert perfect.images == 3
    assert {name: part.images for name, part in perfect.subsets.items()} == {"day": 1, "night": 2}

    flawed = score(_Oracle(samples, wrong="00002N"), samples)
    assert flawed.iou["car"] == pytest.approx(8 / 12)
    assert flawed.subsets["day"].iou["car"] == 1.0
    assert flawed.subsets["night"].iou["car"] == pytest.approx(6 / 10)
    assert flawed.iou["person"] is None


def test_mean_is_given_without_guardrails_too(samples: list[Sample]) -> None:
    flawed = score(_Oracle(samples, wrong="00003N"), samples)
    iou = flawed.iou
    assert iou["guardrail"] == 0.0
    assert flawed.miou == pytest.approx((iou["background"] + iou["car"]) / 3)
    assert flawed.miou_without_guardrail == pytest.approx((iou["background"] + iou["car"]) / 2)
    assert flawed.subsets["day"].miou_without_guardrail == 1.0


def test_names_without_a_letter_have_no_subsets() -> None:
    samples = [_sample("00001", 3)]
    assert score(_Oracle(samples), samples).subsets == {"day": None, "night": None}


def test_protocol_says_what_an_absent_class_counts(samples: list[Sample]) -> None:
    strict = Protocol("strict", absent=0.0, in_service=True)
    scores = count(_Oracle(samples), samples, strict).scores(MFNET.names)
    assert scores.iou["person"] == scores.acc["person"] == 0.0
    assert scores.miou == scores.macc == pytest.approx(3 / 9)
    assert scores.subsets["day"].miou == pytest.approx(2 / 9)


def test_each_image_has_a_score_of_its_own(samples: list[Sample]) -> None:
    images = count(_Oracle(samples, wrong="00002N"), samples).per_image
    assert [(image.index, image.name) for image in images] == list(enumerate(["00001D", "00002N", "00003N"]))
    assert [image.miou for image in images] == [1.0, pytest.approx((12 / 16 + 0) / 2), 1.0]


def test_alone_a_shared_count_is_the_whole(samples: list[Sample]) -> None:
    oracle = _Oracle(samples)
    assert score(oracle, samples, shared=True) == score(oracle, samples)


def test_an_image_that_cannot_be_scored_is_named(samples: list[Sample]) -> None:
    samples[1].label[3, 3] = 9
    with pytest.raises(UserError, match="00002N cannot be scored: a label has id 9, but there are 9 classes"):
        score(_Oracle(samples), samples)
