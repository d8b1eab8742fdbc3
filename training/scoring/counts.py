"""Scores of a segmenter over a source of samples, by one process or shared among several."""

from dataclasses import dataclass, field

import numpy as np
from rich.progress import track
from torch import distributed

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.scores import ConfusionMatrix, image_miou
from rgbt_seg_ros.runs.evaluation import SUBSETS, ImageScore, SplitScores, SubsetScores
from rgbt_seg_ros.segmenter import Segmenter

from ..data.sample import SampleSource, subset_of
from .protocols import NATIVE, Protocol, segment_sample


@dataclass
class Counts:
    """What a pass over a source counts.

    Attributes:
        total: pixels of all images.
        subsets: pixels of the images of a subset.
        per_image: each image by itself, in the order of the source.
    """

    total: ConfusionMatrix
    subsets: dict[str, ConfusionMatrix]
    per_image: list[ImageScore] = field(default_factory=list)

    @classmethod
    def none(cls, num_classes: int, absent: float | None) -> "Counts":
        """Counts of no image."""
        parts = {subset: ConfusionMatrix(num_classes, absent) for subset in SUBSETS}
        return cls(ConfusionMatrix(num_classes, absent), parts)

    def add_image(self, index: int, name: str, label: np.ndarray, mask: np.ndarray) -> None:
        """Count one image; raises ValueError like `ConfusionMatrix.update`."""
        self.total.update(label, mask)
        subset = subset_of(name)
        if subset is not None:
            self.subsets[subset].update(label, mask)
        self.per_image.append(ImageScore(index, name, image_miou(label, mask, self.total.num_classes)))

    def add(self, other: "Counts") -> None:
        """Count what others have counted of the same source."""
        self.total.matrix += other.total.matrix
        for subset, part in self.subsets.items():
            part.matrix += other.subsets[subset].matrix
        self.per_image = sorted([*self.per_image, *other.per_image], key=lambda image: image.index)

    def scores(self, class_names: tuple[str, ...]) -> SplitScores:
        """Scores of all images, and by day and night."""
        found = [subset_of(image.name) for image in self.per_image]
        subsets: dict[str, SubsetScores | None] = dict.fromkeys(self.subsets)
        for subset, part in self.subsets.items():
            if subset in found:
                scores = part.scores(class_names)
                subsets[subset] = SubsetScores(scores.iou, scores.acc, found.count(subset))
        total = self.total.scores(class_names)
        return SplitScores(total.iou, total.acc, len(self.per_image), subsets)


def score(
    segmenter: Segmenter,
    source: SampleSource,
    protocol: Protocol = NATIVE,
    modality: str = "both",
    description: str | None = None,
    shared: bool = False,
) -> SplitScores:
    """Scores over all samples.

    The arguments are those of `count`, the result is that of `Counts.scores`.
    """
    counts = count(segmenter, source, protocol, modality, description=description, shared=shared)
    return counts.scores(segmenter.class_names)


def count(
    segmenter: Segmenter,
    source: SampleSource,
    protocol: Protocol = NATIVE,
    modality: str = "both",
    tta: bool = False,
    description: str | None = None,
    shared: bool = False,
) -> Counts:
    """Segment all samples and count pixels in one integer confusion matrix.

    Args:
        segmenter: the model in service form.
        source: samples whose labels are ids of the model's classes, or 255.
        protocol: sizes, and what absent classes count.
        modality: `both`, or the only one that the model is given, `rgb` or `thermal`.
        tta: average over scales and the mirrored image, see `segment_sample`.
        description: of the progress bar; None shows none.
        shared: every process of torch's default group, if there is one, calls this, segments its share of the
            samples, and gets the counts of all. After an error in one their launcher ends the others.

    Raises:
        UserError: a sample cannot be read, does not fit the model's classes, or makes the network's output not finite.
    """
    shared = shared and distributed.is_initialized()
    rank, processes = (distributed.get_rank(), distributed.get_world_size()) if shared else (0, 1)
    counts = Counts.none(len(segmenter.class_names), protocol.absent)
    indices = range(rank, len(source), processes)
    for index in indices if description is None else track(indices, description):
        sample = source[index]
        try:
            mask = segment_sample(segmenter, sample, protocol, modality, tta).mask
            counts.add_image(index, sample.name, protocol.label(sample), mask)
        except ValueError as error:
            raise UserError(f"{sample.name} cannot be scored: {error}") from error
    return _sum_over_processes(counts) if shared else counts


def _sum_over_processes(counts: Counts) -> Counts:
    """The counts of all processes together, in each of them."""
    gathered: list[Counts] = [counts] * distributed.get_world_size()
    distributed.all_gather_object(gathered, counts)
    first, *others = gathered
    for other in others:
        first.add(other)
    return first
