"""Scores against hand-computed values, brute force and torchmetrics where the definitions agree."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
)
from torchmetrics.segmentation import MeanIoU

from rgbt_seg_ros.masks.scores import ConfusionMatrix, image_miou


def test_hand_computed_scores() -> None:
    label = np.array([[0, 0, 1, 1], [0, 1, 1, 255]], np.uint8)
    mask = np.array([[0, 1, 1, 1], [0, 1, 0, 2]], np.uint8)
    scores = ConfusionMatrix(3)
    scores.update(label, mask)
    assert scores.matrix.dtype == np.int64
    assert scores.matrix.tolist() == [[2, 1, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0]]
    assert scores.iou() == [2 / 4, 3 / 5, None]
    assert scores.accuracy() == [2 / 3, 3 / 4, None]
    assert scores.miou() == pytest.approx((2 / 4 + 3 / 5) / 2)
    assert scores.macc() == pytest.approx((2 / 3 + 3 / 4) / 2)
    # F1 is 2 hits / (labelled + predicted).
    f1 = {"road": pytest.approx(2 * 2 / (3 + 3)), "person": pytest.approx(2 * 3 / (4 + 4)), "car": None}
    assert scores.scores(("road", "person", "car")).to_json() == {
        "miou": scores.miou(),
        "macc": scores.macc(),
        "mf1": pytest.approx((4 / 6 + 6 / 8) / 2),
        "iou": {"road": 0.5, "person": 0.6, "car": None},
        "acc": {"road": 2 / 3, "person": 0.75, "car": None},
        "f1": f1,
    }


def test_a_class_without_labels_has_no_score_and_enters_no_mean() -> None:
    scores = ConfusionMatrix(3)
    scores.update(np.array([[0, 0, 0, 0, 2]], np.uint8), np.array([[0, 0, 0, 1, 0]], np.uint8))
    assert scores.iou() == [3 / 5, None, 0.0]
    assert scores.accuracy() == [3 / 4, None, 0.0]
    assert scores.miou() == pytest.approx(3 / 10)
    assert scores.macc() == pytest.approx(3 / 8)


def test_unknown_pixels_of_a_mask_are_misses() -> None:
    scores = ConfusionMatrix(2)
    scores.update(np.array([[1, 1, 0, 0]], np.uint8), np.array([[1, 255, 0, 0]], np.uint8))
    assert scores.iou() == [1.0, 0.5]
    assert scores.accuracy() == [1.0, 0.5]


def test_nothing_labelled_has_no_score() -> None:
    scores = ConfusionMatrix(2)
    scores.update(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8))
    assert scores.iou() == [None, None]
    assert scores.miou() is None
    assert scores.macc() is None


def test_bad_input_is_refused() -> None:
    scores = ConfusionMatrix(3)
    with pytest.raises(ValueError, match="one shape"):
        scores.update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="label has id 7"):
        scores.update(np.full((2, 2), 7, np.uint8), np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="mask has id 4"):
        scores.update(np.zeros((2, 2), np.uint8), np.full((2, 2), 4, np.uint8))


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_counts_equal_brute_force_over_several_images(seed: int, num_classes: int) -> None:
    random = np.random.default_rng(seed)
    ids = [*range(num_classes), 255]
    labels, masks = random.choice(ids, (2, 3, 5, 4)).astype(np.uint8)
    scores = ConfusionMatrix(num_classes)
    for label, mask in zip(labels, masks, strict=True):
        scores.update(label, mask)
    for c in range(num_classes):
        scored = labels != 255
        both = int(((labels == c) & (masks == c)).sum())
        union = int(((labels == c) | ((masks == c) & scored)).sum())
        assert scores.iou()[c] == (both / union if (labels == c).any() else None)


def test_a_mean_can_leave_one_class_out() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 0, 1, 2]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8))
    assert matrix.iou() == [1.0, 0.5, 0.0]
    scores = matrix.scores(("road", "person", "car"))
    assert scores.miou_without("car") == 0.75
    assert scores.miou_without("road") == 0.25


def test_absent_classes_can_be_given_a_score() -> None:
    scores = ConfusionMatrix(4, absent=0.0)
    scores.update(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 1]], np.uint8))
    assert scores.iou() == [0.75, 0.0, 0.0, 0.0]
    assert scores.accuracy() == [0.75, 0.0, 0.0, 0.0]
    assert scores.miou() == scores.macc() == 0.75 / 4


def test_miou_of_one_image_is_over_the_classes_in_it() -> None:
    label = np.array([[0, 0, 1, 255]], np.uint8)
    assert image_miou(label, np.array([[0, 1, 1, 2]], np.uint8), 3) == (1 / 2 + 1 / 2) / 2
    assert image_miou(np.full((2, 2), 255, np.uint8), np.zeros((2, 2), np.uint8), 3) is None


def _random_images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and masks uint8 [4, 32, 40] of 6 classes: 3 is only predicted, 4 is nowhere; some labels are 255."""
    random = np.random.default_rng(seed)
    labels = random.choice([0, 1, 2, 5, 255], (4, 32, 40)).astype(np.uint8)
    masks = random.choice([0, 1, 2, 3, 5], labels.shape).astype(np.uint8)
    right = (random.random(labels.shape) < 0.6) & (labels != 255)
    return labels, np.where(right, labels, masks)


def _count(labels: np.ndarray, masks: np.ndarray, absent: float | None = None) -> ConfusionMatrix:
    scores = ConfusionMatrix(6, absent)
    for label, mask in zip(labels, masks, strict=True):
        scores.update(label, mask)
    return scores


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_torchmetrics(seed: int) -> None:
    labels, masks = _random_images(seed)
    prediction, truth = torch.from_numpy(masks).long(), torch.from_numpy(labels).long()
    ignoring = {"num_classes": 6, "ignore_index": 255}
    scores = _count(labels, masks)
    matrix = MulticlassConfusionMatrix(**ignoring)(prediction, truth)
    assert scores.matrix[:, :6].tolist() == matrix.tolist()

    jaccard = MulticlassJaccardIndex(**ignoring, average="none")(prediction, truth).tolist()
    recall = MulticlassAccuracy(**ignoring, average="none")(prediction, truth).tolist()
    iou, accuracy = scores.iou(), scores.accuracy()
    assert iou[3] is iou[4] is accuracy[3] is accuracy[4] is None
    assert jaccard[3] == jaccard[4] == recall[3] == recall[4] == 0.0
    labelled = [0, 1, 2, 5]
    assert [iou[c] for c in labelled] == pytest.approx([jaccard[c] for c in labelled], abs=1e-6)
    assert [accuracy[c] for c in labelled] == pytest.approx([recall[c] for c in labelled], abs=1e-6)

    f1 = MulticlassF1Score(**ignoring, average="none")(prediction, truth).tolist()
    by_name = scores.scores([*"abcdef"])
    assert by_name.f1["e"] is None
    assert [by_name.f1["abcdef"[c]] for c in labelled] == pytest.approx([f1[c] for c in labelled], abs=1e-6)
    assert by_name.mf1 == pytest.approx(sum(f1[c] for c in labelled) / 4, abs=1e-6)

    macro = MulticlassJaccardIndex(**ignoring, average="macro")(prediction, truth)
    assert scores.miou() == pytest.approx(macro.item() * 5 / 4, abs=1e-6)
    macro = MulticlassAccuracy(**ignoring, average="macro")(prediction, truth)
    assert scores.macc() == pytest.approx(macro.item() * 5 / 4, abs=1e-6)
    assert _count(labels, masks, absent=0.0).miou() == pytest.approx(sum(jaccard) / 6, abs=1e-6)


def test_torchmetrics_cannot_count_unknown_pixels_of_a_mask() -> None:
    labels, masks = np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 255, np.uint8)
    metric = MulticlassConfusionMatrix(num_classes=6, ignore_index=255)
    with pytest.raises(RuntimeError):
        metric(torch.from_numpy(masks).long(), torch.from_numpy(labels).long())
    assert _count(labels, masks).iou()[0] == 0.0


def test_mean_iou_of_torchmetrics_weighs_images_and_not_pixels() -> None:
    """Class 1 has 1 of 1 pixels found in the first image and 0 of 7 in the second."""
    labels = np.array([[[1, 0, 0, 0, 0, 0, 0, 0]], [[1, 1, 1, 1, 1, 1, 1, 0]]], np.uint8)
    masks = np.array([[[1, 0, 0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 0, 0, 0]]], np.uint8)
    metric = MeanIoU(num_classes=6, input_format="index")
    theirs = metric(torch.from_numpy(masks).long(), torch.from_numpy(labels).long()).item()
    assert theirs == pytest.approx((1.0 + 1.0 + 1 / 8 + 0.0) / 4)
    assert _count(labels, masks).miou() == pytest.approx((8 / 15 + 1 / 8) / 2)
