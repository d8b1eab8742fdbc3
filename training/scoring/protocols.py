"""How a sample is shown to a model and compared with its label: protocols by name, modalities, several scales."""

import time
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from rgbt_seg_ros.images.pair import ImagePair, resize_image, resize_valid
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.segmenter.class_selection import own_classes

from ..data.sample import Sample

# (height, width) to which SHIFNet's code resizes images and labels, one after the other; others keep their own size.
# FMB's: first to a height of 1024, then to multiples of 32.
_FMB_STEPS = ((1024, 1365), (1024, 1376))
_SHIFNET_STEPS = {"fmb": _FMB_STEPS, "fmb15": _FMB_STEPS, "pst900": ((736, 1280),)}
# (height, width) to which SARTM's code pads images.
_SARTM_PADDED = (1280, 1280)
# Test-time augmentation: factors of the size at which images enter the network, each as it is and mirrored.
_TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


@dataclass(frozen=True)
class Protocol:
    """Sizes in which images are segmented and scored, and what a class without labels counts.

    Attributes:
        name: `native` or `official`.
        absent: score of a class without labels, see `rgbt_seg_ros.masks.scores.ConfusionMatrix`.
        in_service: images enter the network at the size that they have in service; else exactly at the label's.
        steps: (height, width) that images and labels are resized to, one after the other; empty: never.
        padded: (height, width) that scaled images are padded to, with zeros below and at the right; None: never.
        head: of SARTM, what answers, as the choices of its argument `prediction`; None: what the model file says.
    """

    name: str
    absent: float | None
    in_service: bool
    steps: tuple[tuple[int, int], ...] = ()
    padded: tuple[int, int] | None = None
    head: str | None = None

    def label(self, sample: Sample) -> np.ndarray:
        """The label that is scored, uint8 [h, w].

        A resized one takes ids as the papers' code does: of pixel floor(i * old / new), which lies up to half a pixel
        beside the resized images'.
        """
        label = sample.label
        for height, width in self.steps:
            label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)
        return label

    def images(self, pair: ImagePair) -> ImagePair:
        """The pair after all steps but the last, which is that into the network."""
        for size in self.steps[:-1]:
            pair = _resized(pair, size)
        return pair


NATIVE = Protocol("native", absent=None, in_service=True)
"""As a robot uses the model, at the labels' own resolution."""


def protocol_for(name: str, data: str, arch: str = "shifnet") -> Protocol:
    """A protocol by its name (one of `PROTOCOLS`) for a data set and an architecture by their names.

    `official` is how the paper's tables were made. SHIFNet: images and labels at 1024x1376 (height x width) for FMB,
    736x1280 for PST900, and any other data set's own size. SARTM: labels at their own size, images padded to 1280x1280,
    and the answer of the mask decoder alone.
    """
    if name == "native":
        return NATIVE
    if arch == "sartm":
        return Protocol("official", absent=0.0, in_service=False, padded=_SARTM_PADDED, head="mask")
    return Protocol("official", absent=0.0, in_service=False, steps=_SHIFNET_STEPS.get(data, ()))


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
    pair = protocol.images(_pair(sample, modality))
    if protocol.in_service and not tta:
        return segmenter(pair.rgb, pair.thermal, pair.thermal_valid)
    started = time.perf_counter()
    size = protocol.steps[-1] if protocol.steps else (sample.label.shape[0], sample.label.shape[1])
    base = segmenter.network_size(size) if protocol.in_service else size
    total = torch.zeros((), device=segmenter.device)
    scales = _TTA_SCALES if tta else (1.0,)
    for scale in scales:
        network_size = (round(base[0] * scale), round(base[1] * scale))
        total = total + _probabilities(segmenter, pair, network_size, protocol.padded, size)
        if tta:
            mirrored = _probabilities(segmenter, _mirror(pair), network_size, protocol.padded, size)
            total = total + mirrored.flip(-1)
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


def _resized(pair: ImagePair, size: tuple[int, int]) -> ImagePair:
    return replace(
        pair,
        rgb=None if pair.rgb is None else resize_image(pair.rgb, size),
        thermal=None if pair.thermal is None else resize_image(pair.thermal, size),
        thermal_valid=None if pair.thermal_valid is None else resize_valid(pair.thermal_valid, size),
    )


def _probabilities(
    segmenter: Segmenter,
    pair: ImagePair,
    network_size: tuple[int, int],
    padded: tuple[int, int] | None,
    size: tuple[int, int],
) -> torch.Tensor:
    """float32 [N, h, w] at `size` for a pair that enters the network at `network_size`, padded."""
    logits = segmenter.logits(pair, network_size, padded)[None]
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
