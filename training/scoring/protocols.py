"""How a sample is shown to a model and compared with its label: protocols by name, modalities, several scales."""

import time
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.segmenter.class_selection import own_classes

from ..data.sample import Sample

MODALITIES = ("both", "rgb", "thermal")
PROTOCOLS = ("native", "official")

# (height, width) to which the papers' code resizes images and labels; other data sets keep their own.
_OFFICIAL_SIZES = {"fmb": (1024, 1376), "pst900": (736, 1280)}
# Test-time augmentation: factors of the size at which images enter the network, each as it is and mirrored.
_TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


@dataclass(frozen=True)
class Protocol:
    """Sizes in which images are segmented and scored, and what an absent class counts.

    Attributes:
        name: `native` or `official`.
        absent: score of a class in neither labels nor predictions, see `rgbt_seg_ros.masks.scores.ConfusionMatrix`.
        in_service: images enter the network at the size that they have in service; else exactly at the label's.
        size: (height, width) that labels are resized to; None: never.
    """

    name: str
    absent: float | None
    in_service: bool
    size: tuple[int, int] | None = None

    def label(self, sample: Sample) -> np.ndarray:
        """The label that is scored, uint8 [h, w]; a resized one takes the nearest pixel's id."""
        if self.size is None or sample.label.shape == self.size:
            return sample.label
        height, width = self.size
        # Not INTER_NEAREST, whose samples lie up to half a pixel beside those of the resized images.
        return cv2.resize(sample.label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


NATIVE = Protocol("native", absent=None, in_service=True)
"""As a robot uses the model, at the labels' own resolution."""


def protocol_for(name: str, data: str) -> Protocol:
    """A protocol by its name (one of `PROTOCOLS`) for a data set by its name.

    `official` is how the papers' tables were made: images and labels at 1024x1376 (height x width) for FMB, 736x1280
    for PST900, and any other data set's own size.
    """
    official = Protocol("official", absent=0.0, in_service=False, size=_OFFICIAL_SIZES.get(data))
    return {"native": NATIVE, "official": official}[name]


def segment_sample(
    segmenter: Segmenter,
    sample: Sample,
    protocol: Protocol = NATIVE,
    modality: str = "both",
    tta: bool = False,
) -> Segmentation:
    """Mask and confidence at the size of `protocol.label(sample)`; the stages' times as in service, else their sum.

    Args:
        segmenter: the model in service form.
        sample: its images are used, its label only for its size.
        protocol: sizes.
        modality: `both`, or the only one that the model is given, `rgb` or `thermal`.
        tta: average the probabilities over six scales (0.5 to 1.75 of the network's size) and the mirrored image.

    Raises:
        ValueError: the network's output is not finite.
    """
    pair = _pair(sample, modality)
    if protocol.in_service and not tta:
        return segmenter(pair.rgb, pair.thermal, pair.thermal_valid)
    started = time.perf_counter()
    size = protocol.size or (sample.label.shape[0], sample.label.shape[1])
    base = segmenter.network_size(size) if protocol.in_service else size
    total = torch.zeros((), device=segmenter.device)
    scales = _TTA_SCALES if tta else (1.0,)
    for scale in scales:
        network_size = (round(base[0] * scale), round(base[1] * scale))
        total = total + _probabilities(segmenter, pair, network_size, size)
        if tta:
            total = total + _probabilities(segmenter, _mirror(pair), network_size, size).flip(-1)
    if not torch.isfinite(total).all():
        raise ValueError("the network's output is not finite for this pair")
    summed, mask = total.max(dim=0)
    return Segmentation(
        mask.to(torch.uint8).cpu().numpy(),
        (summed / (len(scales) * (1 + tta))).cpu().numpy(),
        {"inference": 1e3 * (time.perf_counter() - started)},
        own_classes(segmenter.card),
    )


def _pair(sample: Sample, modality: str) -> ImagePair:
    if modality == "rgb":
        return ImagePair(sample.rgb, None)
    return ImagePair(None if modality == "thermal" else sample.rgb, sample.thermal, sample.thermal_valid)


def _probabilities(
    segmenter: Segmenter, pair: ImagePair, network_size: tuple[int, int], size: tuple[int, int]
) -> torch.Tensor:
    """float32 [N, h, w] at `size` for a pair that enters the network at `network_size`."""
    logits = segmenter.logits(pair, network_size)[None]
    if network_size != size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    return logits.softmax(dim=1)[0]


def _mirror(pair: ImagePair) -> ImagePair:
    """The pair with left and right exchanged."""
    rgb, thermal, valid = (
        None if image is None else np.ascontiguousarray(image[:, ::-1])
        for image in (pair.rgb, pair.thermal, pair.thermal_valid)
    )
    return ImagePair(rgb, thermal, valid, pair.thermal_limits)
