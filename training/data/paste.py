"""Objects of a data set's images put into other images: more of the rare classes than a small set shows.

After "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation" (Ghiasi et al., CVPR 2021).
Here an object keeps its height in the image, as what stands on the ground does, and is cut from RGB and thermal alike.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rgbt_seg_ros.masks.classes import UNLABELED

from .sample import Sample, SampleSource

MOST_OBJECTS = 4
SMALLEST_AREA = 24
"""Pixels; what is smaller is rather a slip of the label than an object."""

SHIFT = (0.03, 0.1)
"""Largest shift in shares of the image's height and width."""

FEATHER_SIGMA = 0.8
"""Pixels over which an object's rim fades into its new surroundings, so that no cut gives it away."""

_RIM = 4
"""Pixels around an object, beyond which nothing of it is left."""

_CLOSE_UP = (0.2, 0.5)
"""Share of the image's height and width that a close-up shows."""

_TRIES = 10
"""Windows that are tried for a close-up."""


@dataclass(frozen=True)
class CutObject:
    """A connected region of one class.

    Attributes:
        donor: its sample's place in the source.
        class_id: its class.
        top, left: of its box in the donor's image.
        mask: uint8 [rows, columns] of the box, 1 where the object is.
        whole_rows, whole_columns: whether neither of these sides of the image cuts it.
    """

    donor: int
    class_id: int
    top: int
    left: int
    mask: np.ndarray
    whole_rows: bool
    whole_columns: bool


class PasteObjects:
    """Puts up to `MOST_OBJECTS` objects of a source's samples into a sample.

    Every class that the source shows is drawn as often as any other; 0, everything else, is none. All labels are read
    here, and the donor of every object when it is pasted.

    Args:
        source: whose objects; its class 0 must stand for everything else.
        probability: that a sample gets objects.
        close_ups: probability that it becomes a close-up (see `close_up`) with objects in front instead.

    Raises:
        UserError: a sample cannot be read.
    """

    def __init__(self, source: SampleSource, probability: float, close_ups: float = 0.0) -> None:
        self.source = source
        self.probability = probability
        self.close_ups = close_ups
        self.objects: dict[int, list[CutObject]] = {}
        for i in range(len(source)):
            for found in cut_objects(i, source[i].label):
                self.objects.setdefault(found.class_id, []).append(found)

    def __call__(self, sample: Sample, random: np.random.Generator) -> Sample:
        """The sample with objects, or itself; what `random` gives decides.

        Raises:
            UserError: a donor cannot be read.
        """
        if random.random() < self.close_ups:
            sample = close_up(sample, random)
        elif random.random() >= self.probability:
            return sample
        if not self.objects:
            return sample
        for _ in range(random.integers(1, MOST_OBJECTS + 1)):
            of_class = self.objects[random.choice(list(self.objects))]
            drawn = of_class[random.integers(len(of_class))]
            sample = paste(sample, drawn, self.source[drawn.donor], random)
        return sample


def cut_objects(donor: int, label: np.ndarray) -> list[CutObject]:
    """The objects that a sample's label shows, those of a few pixels excepted."""
    found = []
    for class_id in np.unique(label):
        if class_id in (0, UNLABELED):
            continue
        _, regions, boxes, _ = cv2.connectedComponentsWithStats((label == class_id).astype(np.uint8))
        for region, (left, top, columns, rows, area) in enumerate(boxes.tolist()):
            if region == 0 or area < SMALLEST_AREA:
                continue
            mask = (regions[top : top + rows, left : left + columns] == region).astype(np.uint8)
            whole_rows = top > 0 and top + rows < label.shape[0]
            whole_columns = left > 0 and left + columns < label.shape[1]
            found.append(CutObject(donor, int(class_id), top, left, mask, whole_rows, whole_columns))
    return found


def paste(sample: Sample, cut: CutObject, donor: Sample, random: np.random.Generator) -> Sample:
    """The sample with an object of another, which covers what is there."""
    height, width = sample.label.shape
    place = _placement(donor.label.shape, (height, width), cut, random)
    rows, columns = cut.mask.shape
    corners = np.array([[cut.left, cut.top], [cut.left + columns, cut.top + rows]]) - 0.5
    first, last = np.sort(corners * place[[0, 1], [0, 1]] + place[:, 2], axis=0)
    left, top = np.maximum(np.floor(first).astype(int) - _RIM, 0)
    right, bottom = np.minimum(np.ceil(last).astype(int) + _RIM, (width, height))
    if left >= right or top >= bottom:
        return sample
    window, size = np.s_[top:bottom, left:right], (int(right - left), int(bottom - top))
    place[:, 2] -= left, top
    mask_place = place.copy()
    mask_place[:, 2] += place[:, :2] @ (cut.left, cut.top)
    inside = cv2.warpAffine(cut.mask, mask_place, size, flags=cv2.INTER_NEAREST) == 1
    if sample.thermal_valid is None and donor.thermal_valid is None:
        weight, valid = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), FEATHER_SIGMA), None
        between = cv2.INTER_LINEAR
    else:
        # Unknown thermal must not be mixed with known: no rim, and nothing between two pixels.
        weight, valid = inside.astype(np.float32), _known(sample).copy()
        between = cv2.INTER_NEAREST
        theirs = cv2.warpAffine(_known(donor).astype(np.uint8), place, size, flags=cv2.INTER_NEAREST) == 1
        valid[window][inside] = theirs[inside]

    def mixed(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        moved = cv2.warpAffine(theirs, place, size, flags=between, borderMode=cv2.BORDER_REPLICATE)
        alpha = weight if mine.ndim == 2 else weight[..., None]
        result = mine.copy()
        result[window] = np.rint(mine[window] * (1.0 - alpha) + moved * alpha)
        return result

    label = sample.label.copy()
    label[window][inside] = cut.class_id
    return Sample(
        sample.name, mixed(sample.rgb, donor.rgb), mixed(sample.thermal, donor.thermal), label, valid
    )


def close_up(sample: Sample, random: np.random.Generator) -> Sample:
    """A part of a sample that shows class 0 alone, as large as the sample, in thermal of another warmth.

    Walls, trees and ground that fill the view teach that size and warmth make no car. Without such a part: the sample.
    """
    height, width = sample.label.shape
    for _ in range(_TRIES):
        scale = random.uniform(*_CLOSE_UP)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
        window = np.s_[top : top + rows, left : left + columns]
        if sample.label[window].any() or not _known(sample)[window].all():
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


def _known(sample: Sample) -> np.ndarray:
    return np.ones(sample.label.shape, bool) if sample.thermal_valid is None else sample.thermal_valid


def _placement(
    size: tuple[int, ...], target: tuple[int, int], cut: CutObject, random: np.random.Generator
) -> np.ndarray:
    """Affine map [2, 3] from the donor's pixels to the target's: scaled to its size, mirrored or not, a little shifted.

    What a side of the image cuts off stays at that side.
    """
    height, width = target
    scale_y, scale_x = height / size[0], width / size[1]
    down, across = (random.uniform(-shift, shift) * side for shift, side in zip(SHIFT, target, strict=True))
    # Pixel centres lie at whole numbers here, so that the scaling moves them by half a pixel of either image.
    shift_y = (scale_y - 1.0) / 2.0 + (down if cut.whole_rows else 0.0)
    shift_x = (scale_x - 1.0) / 2.0 + (across if cut.whole_columns else 0.0)
    if random.random() < 0.5:
        scale_x, shift_x = -scale_x, width - 1 - shift_x
    return np.array([[scale_x, 0.0, shift_x], [0.0, scale_y, shift_y]])
