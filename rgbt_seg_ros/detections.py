"""Objects in a mask: connected components of the classes that are countable things."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Detection:
    """One object: its class, its mean confidence in 0..1 and its box.

    Pixel centres have integer coordinates: a single pixel at column x, row y is a box with centre (x, y) and size
    (1, 1); a component over columns 10..19 has centre 14.5 and size 10. `area` counts the component's own pixels.
    """

    class_id: int
    class_name: str
    score: float
    center_x: float
    center_y: float
    size_x: float
    size_y: float
    area: int


def find_detections(
    mask: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    thing_classes: Collection[str],
    min_area: int = 50,
    score_threshold: float = 0.5,
) -> list[Detection]:
    """8-connected components of each thing class, by class id, then largest first, then top to bottom.

    Args:
        mask: class ids, uint8 [H, W]; ids without a name (255) are no objects.
        confidence: probability of the chosen class, float [H, W] in 0..1.
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
    pixels_of = np.bincount(mask.ravel(), minlength=256)
    detections = []
    for class_id, class_name in enumerate(class_names):
        if class_name in thing_classes and pixels_of[class_id] >= max(min_area, 1):
            detections += _components(mask, confidence, class_id, class_name, min_area, score_threshold)
    detections.sort(key=lambda found: (found.class_id, -found.area, found.center_y, found.center_x))
    return detections


def _components(
    mask: np.ndarray,
    confidence: np.ndarray,
    class_id: int,
    class_name: str,
    min_area: int,
    score_threshold: float,
) -> list[Detection]:
    members = mask == class_id
    count, labels, stats, _ = cv2.connectedComponentsWithStats(members.view(np.uint8), connectivity=8)
    # One pass over the class's pixels for all components; label 0 is everything else.
    sums = np.bincount(labels[members], weights=confidence[members], minlength=count)
    detections = []
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        score = float(sums[label]) / area
        if area < min_area or score < score_threshold:
            continue
        center_x, center_y = left + (width - 1) / 2, top + (height - 1) / 2
        detections.append(
            Detection(class_id, class_name, score, center_x, center_y, float(width), float(height), area)
        )
    return detections
