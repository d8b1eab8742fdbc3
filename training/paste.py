"""Objects of a data set's images put into other images: more of the rare classes than a small set shows.

After "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation" (Ghiasi et al., CVPR 2021).
Here an object keeps its height in the image, as what stands on the ground does, and is cut from RGB and thermal alike.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rgbt_seg_ros.classes import UNLABELED

from .sample import Sample, Source

MOST_OBJECTS = 4
SMALLEST_AREA = 24
"""Pixels; what is smaller is rather a slip of the label than an object."""

SHIFT = (0.03, 0.1)
"""Largest shift in shares of the image's height and width."""

_CLOSE_UP = (0.2, 0.5)
"""Share of the image's height and width that a close-up shows."""

_TRIES = 10
FEATHER_SIGMA = 0.8
"""Pixels over which an object's rim fades into its new surroundings, so that no cut gives it away."""


@dataclass(frozen=True)
class PastedObject:
    """A connected region of one class in sample `sample`, in a box (top, left, bottom, right)."""

    sample: int
    class_id: int
    box: tuple[int, int, int, int]


class PasteObjects:
    """Puts up to `MOST_OBJECTS` objects of a source's samples into a sample.

    Every class that the source shows is drawn as often as any other. Regions that are what a label says nothing about
    (0 and 255) are no objects. Every sample of the source is read at the first call.

    Args:
        source: whose objects.
        share: probability that a sample gets any.
        close_ups: probability that it gets them before a close-up of its surroundings, see `close_up`.
    """

    def __init__(self, source: Source, share: float, close_ups: float = 0.0) -> None:
        self.source = source
        self.share = share
        self.close_ups = close_ups
        self._objects: dict[int, list[PastedObject]] | None = None

    def __call__(self, sample: Sample, random: np.random.Generator) -> Sample:
        """The sample with objects, or itself; what `random` gives decides."""
        near = random.random() < self.close_ups
        if near:
            sample = close_up(sample, random)
        elif random.random() >= self.share:
            return sample
        objects = self._find_objects()
        if not objects:
            return sample
        for _ in range(random.integers(1, MOST_OBJECTS + 1)):
            of_class = objects[random.choice(list(objects))]
            sample = self._paste(sample, of_class[random.integers(len(of_class))], random)
        return sample

    def _find_objects(self) -> dict[int, list[PastedObject]]:
        if self._objects is None:
            self._objects = {}
            for i in range(len(self.source)):
                for found in _regions(i, self.source[i].label):
                    self._objects.setdefault(found.class_id, []).append(found)
        return self._objects

    def _paste(self, sample: Sample, what: PastedObject, random: np.random.Generator) -> Sample:
        giver = self.source[what.sample]
        height, width = sample.label.shape
        region = np.zeros(giver.label.shape, np.uint8)
        top, left, bottom, right = what.box
        region[top:bottom, left:right] = giver.label[top:bottom, left:right] == what.class_id
        place = _placement(region.shape, (height, width), what, random)

        def put(image: np.ndarray, flags: int) -> np.ndarray:
            return cv2.warpAffine(image, place, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)

        inside = cv2.warpAffine(region, place, (width, height), flags=cv2.INTER_NEAREST) == 1
        weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), FEATHER_SIGMA)

        def mix(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            alpha = weight[..., None] if mine.ndim == 3 else weight
            return np.rint(mine + alpha * (put(theirs, cv2.INTER_LINEAR) - mine.astype(np.float32))).astype(
                mine.dtype
            )

        valid = sample.thermal_valid
        if valid is not None or giver.thermal_valid is not None:
            mine = np.ones((height, width), bool) if valid is None else valid
            theirs = giver.thermal_valid
            known = np.ones(giver.label.shape, np.uint8) if theirs is None else theirs.astype(np.uint8)
            valid = np.where(inside, put(known, cv2.INTER_NEAREST) == 1, mine)
        return Sample(
            sample.name,
            mix(sample.rgb, giver.rgb),
            mix(sample.thermal, giver.thermal),
            np.where(inside, np.uint8(what.class_id), sample.label),
            valid,
        )


def close_up(sample: Sample, random: np.random.Generator) -> Sample:
    """A part of a sample in which nothing is labelled, as large as the sample, in thermal of another warmth.

    Walls, trees and ground that fill the view teach that size and warmth make no car. Without such a part: the sample.
    """
    height, width = sample.label.shape
    for _ in range(_TRIES):
        scale = random.uniform(*_CLOSE_UP)
        rows, columns = round(height * scale), round(width * scale)
        top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
        window = np.s_[top : top + rows, left : left + columns]
        if sample.label[window].any() or not (
            sample.thermal_valid is None or sample.thermal_valid[window].all()
        ):
            continue
        rgb, thermal = (
            cv2.resize(image[window], (width, height), interpolation=cv2.INTER_LINEAR)
            for image in (sample.rgb, sample.thermal)
        )
        span = 255.0 if thermal.dtype == np.uint8 else 65535.0
        warmth = random.uniform(0.5, 2.0) * thermal + 0.5 * random.random() ** 2 * span
        thermal = np.rint(warmth.clip(0.0, span)).astype(thermal.dtype)
        return Sample(sample.name, rgb, thermal, np.zeros_like(sample.label))
    return sample


def _regions(index: int, label: np.ndarray) -> list[PastedObject]:
    found = []
    for class_id in np.unique(label):
        if class_id in (0, UNLABELED):
            continue
        _, _, boxes, _ = cv2.connectedComponentsWithStats((label == class_id).astype(np.uint8))
        for left, top, columns, rows, area in boxes[1:].tolist():
            if area >= SMALLEST_AREA:
                found.append(PastedObject(index, int(class_id), (top, left, top + rows, left + columns)))
    return found


def _placement(
    size: tuple[int, ...], target: tuple[int, int], what: PastedObject, random: np.random.Generator
) -> np.ndarray:
    """Affine map [2, 3] from the giver's pixels to the target's: scaled to its size, mirrored or not, a little shifted.

    What the image's side cuts off stays at that side.
    """
    height, width = target
    scale_y, scale_x = height / size[0], width / size[1]
    down = random.uniform(-SHIFT[0], SHIFT[0]) * height
    across = random.uniform(-SHIFT[1], SHIFT[1]) * width
    if what.box[1] == 0 or what.box[3] == size[1]:
        across = 0.0
    # Pixel centres lie at whole numbers here, so that the scaling moves them by half a pixel of either image.
    first_y, first_x = (scale_y - 1.0) / 2.0, (scale_x - 1.0) / 2.0
    if random.random() < 0.5:
        return np.array([[-scale_x, 0.0, width - 1 - first_x + across], [0.0, scale_y, first_y + down]])
    return np.array([[scale_x, 0.0, first_x + across], [0.0, scale_y, first_y + down]])
