"""Scores of segmentation masks: one integer confusion matrix, and IoU and accuracy read from it.

A class without labelled pixels is absent: it has no score (None) and takes no part in a mean, unless it is given one
(`absent`). Where it is predicted all the same, the classes that are there lose: their pixels are missed.

Against torchmetrics, with `ignore_index=255` (test_scores.py holds each line):

- `MulticlassConfusionMatrix` counts the same pixels. It fails on 255 in a prediction, which is a miss here.
- `MulticlassJaccardIndex` and `MulticlassAccuracy` with `average="none"` give the same scores to labelled classes, and
  0 to absent ones; the mean over all classes is that of `absent=0.0`.
- With `average="macro"` they average over the classes that are labelled or predicted, so that one wrong pixel of an
  absent class lowers the mean by a whole class.
- `segmentation.MeanIoU` is another quantity: IoU by image and class, averaged over all of these in which the class
  occurs, so that a car of ten pixels weighs as much as one of ten thousand. It cannot ignore a label.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgbt_seg_ros.masks.classes import UNLABELED, by_current_name


@dataclass(frozen=True)
class Scores:
    """IoU and accuracy of each class by its name; None for a class that has none."""

    iou: Mapping[str, float | None]
    acc: Mapping[str, float | None]

    @property
    def f1(self) -> dict[str, float | None]:
        """F1 (Dice) of each class: 2 hits / (labelled + predicted), which is 2 IoU / (1 + IoU)."""
        return {
            name: None if value is None else 2.0 * value / (1.0 + value) for name, value in self.iou.items()
        }

    @property
    def miou(self) -> float | None:
        """Mean IoU over the classes that have one; None if none has."""
        return _mean(self.iou.values())

    @property
    def mf1(self) -> float | None:
        """Mean F1 over the classes that have one; None if none has."""
        return _mean(self.f1.values())

    @property
    def macc(self) -> float | None:
        """Mean accuracy over the classes that have one; None if none has."""
        return _mean(self.acc.values())

    def miou_without(self, name: str) -> float | None:
        """Mean IoU over the other classes that have one; None if none has."""
        return _mean(score for other, score in self.iou.items() if other != name)

    def to_json(self) -> dict[str, Any]:
        """``{miou, macc, mf1, iou: {class: value or None}, acc: the same, f1: the same}``."""
        means = {"miou": self.miou, "macc": self.macc, "mf1": self.mf1}
        return {**means, "iou": {**self.iou}, "acc": {**self.acc}, "f1": self.f1}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Scores":
        """From what `to_json` made; means are of the classes again."""
        return cls(by_current_name(values.get("iou", {})), by_current_name(values.get("acc", {})))


class ConfusionMatrix:
    """Counts of pixels by label and prediction over any number of images.

    Args:
        num_classes: N.
        absent: IoU and accuracy of a class without labels; None gives it none and leaves it out of the means.

    Attributes:
        matrix: int64 [N, N + 1], row = label, column = prediction; the last column counts labelled pixels
            that were predicted as 255 (unknown): misses of their label that belong to no other class.
    """

    def __init__(self, num_classes: int, absent: float | None = None) -> None:
        self.num_classes = num_classes
        self.absent = absent
        self.matrix = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, label: np.ndarray, mask: np.ndarray) -> None:
        """Add one image: label and mask are integer [H, W] of one shape; pixels labelled 255 are ignored.

        Raises:
            ValueError: shapes differ, or an id is neither below the number of classes nor 255.
        """
        if label.shape != mask.shape:
            raise ValueError(
                f"the label is {label.shape} and the mask {mask.shape}: they must have one shape"
            )
        scored = label != UNLABELED
        truth = label[scored].astype(np.int64)
        predicted = mask[scored].astype(np.int64)
        predicted[predicted == UNLABELED] = self.num_classes
        if truth.size == 0:
            return
        if truth.min() < 0 or truth.max() >= self.num_classes:
            raise ValueError(f"a label has id {_worst(truth)}, but there are {self.num_classes} classes")
        if predicted.min() < 0 or predicted.max() > self.num_classes:
            raise ValueError(f"a mask has id {_worst(predicted)}, but there are {self.num_classes} classes")
        cells = np.bincount(truth * (self.num_classes + 1) + predicted, minlength=self.matrix.size)
        self.matrix += cells.reshape(self.matrix.shape)

    def iou(self) -> list[float | None]:
        """Intersection over union by class; `absent` for a class without labels."""
        hits, labelled, predicted = self._totals()
        return [
            int(hit) / int(total + seen - hit) if total else self.absent
            for hit, total, seen in zip(hits, labelled, predicted, strict=True)
        ]

    def accuracy(self) -> list[float | None]:
        """Share of each class's labelled pixels that were found (recall); `absent` for a class without labels."""
        hits, labelled, _ = self._totals()
        return [
            int(hit) / int(total) if total else self.absent for hit, total in zip(hits, labelled, strict=True)
        ]

    def miou(self) -> float | None:
        """Mean IoU over the classes that have one; None if none has."""
        return _mean(self.iou())

    def macc(self) -> float | None:
        """Mean accuracy over the classes that have one; None if none has."""
        return _mean(self.accuracy())

    def scores(self, class_names: Sequence[str]) -> Scores:
        """IoU and accuracy by name, for names in the order of the ids."""
        return Scores(
            iou=dict(zip(class_names, self.iou(), strict=True)),
            acc=dict(zip(class_names, self.accuracy(), strict=True)),
        )

    def _totals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels [N] by class: found, labelled, predicted."""
        square = self.matrix[:, : self.num_classes]
        return np.diagonal(square), self.matrix.sum(axis=1), square.sum(axis=0)


def image_miou(label: np.ndarray, mask: np.ndarray, num_classes: int) -> float | None:
    """mIoU of one image over the classes that its label has; None if all of it is ignored.

    Label and mask are as in `ConfusionMatrix.update`.
    """
    matrix = ConfusionMatrix(num_classes)
    matrix.update(label, mask)
    return matrix.miou()


def _mean(scores: Iterable[float | None]) -> float | None:
    present = [score for score in scores if score is not None]
    return sum(present) / len(present) if present else None


def _worst(ids: np.ndarray) -> int:
    return int(ids.min() if ids.min() < 0 else ids.max())
