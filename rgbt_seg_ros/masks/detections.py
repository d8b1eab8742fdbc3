"""Objects in a mask: connected components of the classes that are countable things."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

import cv2
import numpy as np


@dataclass(frozen=True)
class Detection:
    """One object: its class, its mean confidence in 0..1 and its box.

    Pixel centres have integer coordinates: a single pixel at column x, row y is a box with centre (x, y) and size
    (1, 1); a component over columns 10..19 has centre 14.5 and size 10. `area` counts the component's own pixels.

    `object_id` is its number in the image, or over all images, from 1 to 65535; 0: none. `cover` says which pixels of
    its box are its own, bool [size_y, size_x].
    """

    class_id: int
    class_name: str
    score: float
    center_x: float
    center_y: float
    size_x: float
    size_y: float
    area: int
    object_id: int = 0
    cover: np.ndarray | None = field(default=None, compare=False, repr=False)

    def as_record(self) -> dict[str, int | float | str]:
        """For JSON: all but the number and the pixels."""
        names = (each.name for each in fields(self) if each.name not in ("object_id", "cover"))
        return {name: getattr(self, name) for name in names}


class PixelProbability(Protocol):
    """Tells the probability of the chosen class at single pixels.

    Attributes:
        shape: height and width.
    """

    shape: tuple[int, int]

    def probability(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Of pixels whose rows and columns are int64 [P]: float [P] in 0..1."""


def find_detections(
    mask: np.ndarray,
    confidence: np.ndarray | PixelProbability,
    class_names: Sequence[str],
    thing_classes: Collection[str],
    min_area: int = 50,
    score_threshold: float = 0.5,
) -> list[Detection]:
    """8-connected components of each thing class, by class id, then largest first, then top to bottom.

    Args:
        mask: class ids, uint8 or uint16 [H, W]; ids without a name (255, 65535) are no objects.
        confidence: probability of the chosen class, float [H, W] in 0..1, or what tells it of the pixels of objects.
        class_names: names in id order.
        thing_classes: names of the classes to look for.
        min_area: components with fewer pixels are left out.
        score_threshold: components with a lower mean confidence are left out.

    Raises:
        ValueError: mask and confidence differ in size, or a thing class is none of the class names.
    """
    if mask.shape != confidence.shape:
        raise ValueError(f"mask {list(mask.shape)} and confidence {list(confidence.shape)} differ in size")
    unknown = set(thing_classes) - set(class_names)
    if unknown:
        raise ValueError(
            f"no class is named {', '.join(sorted(unknown))}: classes are {', '.join(class_names)}"
        )
    detections = [
        found
        for class_id, class_name in enumerate(class_names)
        if class_name in thing_classes
        for found in _components(mask, confidence, class_id, class_name, min_area)
        if found.score >= score_threshold
    ]
    detections.sort(key=lambda found: (found.class_id, -found.area, found.center_y, found.center_x))
    return detections


def _components(
    mask: np.ndarray,
    confidence: np.ndarray | PixelProbability,
    class_id: int,
    class_name: str,
    min_area: int,
) -> Iterator[Detection]:
    members = mask == class_id
    # Labelling costs by the pixel: only the part of the image that holds the class is labelled.
    left, top, width, height = cv2.boundingRect(members.view(np.uint8))
    part = np.s_[top : top + height, left : left + width]
    members = np.ascontiguousarray(members[part])
    if not members.size:
        return
    count, labels, stats, _ = cv2.connectedComponentsWithStats(members.view(np.uint8), connectivity=8)
    # One pass over the class's pixels scores all components that are large enough; label 0 is everything else.
    rows, columns = np.nonzero(members & (stats[:, cv2.CC_STAT_AREA] >= min_area)[labels])
    if isinstance(confidence, np.ndarray):
        sure = confidence[part][rows, columns]
    else:
        sure = confidence.probability(rows + top, columns + left)
    sums = np.bincount(labels[rows, columns], weights=sure, minlength=count)
    for number, ((x, y, size_x, size_y, area), total) in enumerate(
        zip(stats[1:].tolist(), sums[1:].tolist(), strict=True), 1
    ):
        if area < min_area:
            continue
        yield Detection(
            class_id=class_id,
            class_name=class_name,
            score=total / area,
            center_x=left + x + (size_x - 1) / 2,
            center_y=top + y + (size_y - 1) / 2,
            size_x=float(size_x),
            size_y=float(size_y),
            area=area,
            cover=labels[y : y + size_y, x : x + size_x] == number,
        )


def draw_instances(size: tuple[int, int], detections: Sequence[Detection]) -> np.ndarray:
    """Which object each pixel belongs to: uint16 [H, W] with `object_id`, 0 where there is none.

    Args:
        size: (H, W) of the mask that they were found in.
        detections: with `cover`.
    """
    image = np.zeros(size, np.uint16)
    for found in detections:
        assert found.cover is not None
        rows, columns = found.cover.shape
        left = round(found.center_x - (found.size_x - 1) / 2)
        top = round(found.center_y - (found.size_y - 1) / 2)
        image[top : top + rows, left : left + columns][found.cover] = found.object_id
    return image
