"""What is said of masks beside whether they came."""

from dataclasses import replace

from rgbt_seg_ros.masks.scores import Scores
from rgbt_seg_ros.runs.folder import MaskRecord
from rgbt_seg_ros.runs.quality import flicker_of, quality
from rgbt_seg_ros.runs.summary import LabelledMasks, Summary


def test_quality_is_told_apart_from_health() -> None:
    """Masks that came are one thing, masks that are right another."""
    plain = Summary(pairs=5, masks=5, confidence=0.62, flicker=0.25)
    assert quality(plain) == (
        "Not scored: the recording has no labels. Mean confidence 0.62. "
        "25 % of the appearances of classes flicker: they last one mask alone."
    )
    scores = Scores(
        {"car": 0.1, "color_cone": 0.5, "bump": None}, {"car": 1.0, "color_cone": 1.0, "bump": None}
    )
    scored = replace(plain, labelled=LabelledMasks(3, scores))
    assert quality(scored) == "Scored by 3 labels: mIoU 0.30 (color cone 0.50, car 0.10)."
    nothing = Scores({"car": None}, {"car": None})
    assert quality(replace(plain, labelled=LabelledMasks(1, nothing))) == (
        "Not scored: nothing of the 1 label is labelled."
    )
    assert quality(Summary(masks=0)) == ""


def test_flicker_counts_appearances_of_one_mask() -> None:
    def masks(*classes: str) -> list[MaskRecord]:
        """One mask for each word, with a class for each of its letters."""
        return [
            MaskRecord(i, 0.0, None, None, {ord(letter): 1 for letter in word}, {}, None)
            for i, word in enumerate(classes)
        ]

    assert flicker_of(masks("a", "ab")) is None
    assert flicker_of(masks("a", "a", "a")) == 0.0
    # b once for a mask and once for two; a and c reach beyond the ends.
    assert flicker_of(masks("a", "ab", "a", "bc", "bc", "c")) == 0.5
    backwards = masks("a", "ab", "a", "bc", "bc", "c")[::-1]
    assert flicker_of(backwards) == 0.5
