"""Scores against hand-computed values, brute force and torchmetrics where the definitions agree."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from rgbt_seg_ros.evaluation import ConfusionMatrix


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
    assert scores.as_dict(("road", "person", "car")) == {
        "miou": scores.miou(),
        "macc": scores.macc(),
        "iou": {"road": 0.5, "person": 0.6, "car": None},
        "acc": {"road": 2 / 3, "person": 0.75, "car": None},
    }


def test_a_class_only_predicted_counts_as_zero() -> None:
    scores = ConfusionMatrix(2)
    scores.update(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 1]], np.uint8))
    assert scores.iou() == [0.75, 0.0]
    assert scores.accuracy() == [0.75, 0.0]
    assert scores.miou() == 0.375
    assert scores.macc() == 0.375


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
        assert scores.iou()[c] == (both / union if union else None)


def test_agrees_with_torchmetrics() -> None:
    """Where every class is labelled and no pixel is unknown, the definitions are the same."""
    random = np.random.default_rng(3)
    labels = random.choice([0, 1, 2, 3, 4, 255], (4, 32, 40)).astype(np.uint8)
    masks = np.where(random.random(labels.shape) < 0.6, labels % 5, random.integers(0, 5, labels.shape))
    masks = masks.astype(np.uint8)
    scores = ConfusionMatrix(5)
    for label, mask in zip(labels, masks, strict=True):
        scores.update(label, mask)
    jaccard = MulticlassJaccardIndex(5, average="none", ignore_index=255)
    recall = MulticlassAccuracy(5, average="none", ignore_index=255)
    prediction, truth = torch.from_numpy(masks).long(), torch.from_numpy(labels).long()
    assert scores.iou() == pytest.approx(jaccard(prediction, truth).tolist(), abs=1e-6)
    assert scores.accuracy() == pytest.approx(recall(prediction, truth).tolist(), abs=1e-6)
    # A class that is only predicted counts as 0 in both means.
    few = np.where(labels == 4, 255, labels)
    scores = ConfusionMatrix(6)
    scores.update(few, masks)
    truth = torch.from_numpy(few).long()
    macro = {"num_classes": 6, "average": "macro", "ignore_index": 255}
    assert scores.miou() == pytest.approx(MulticlassJaccardIndex(**macro)(prediction, truth).item(), abs=1e-6)
    assert scores.macc() == pytest.approx(MulticlassAccuracy(**macro)(prediction, truth).item(), abs=1e-6)
