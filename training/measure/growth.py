"""How time grows with the pixels of a pair and with the number of classes."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.class_selection import ClassSelection, own_classes

from .multiply_adds import forward_multiply_adds

GROWTH_SIZES = ((256, 320), (384, 480), (480, 640), (608, 800), (720, 1280))
MORE_CLASSES = 10
"""Times the model's own classes: each with nine others whose vectors are near its own, the hardest to tell apart."""

_NEARNESS = 0.03
_WARM_UP = 1
_SEED = 0


@dataclass(frozen=True)
class Growth:
    """Times of a pair, and how they grow.

    Attributes:
        clock: `process`, the processor's time in all threads, where it computes; else `wall`.
        sizes: (height, width) of the pairs.
        ms: of each, median.
        multiply_adds: of the network at each.
        classes: milliseconds at one size by the number of classes, median.
        classes_size: that size.
    """

    clock: str
    sizes: Sequence[tuple[int, int]]
    ms: Sequence[float]
    multiply_adds: Sequence[int]
    classes: dict[int, float]
    classes_size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """With the fits: a straight line over the pixels, and a power of them."""
        pixels, ms = np.array([h * w for h, w in self.sizes]) / 1e6, np.array(self.ms)
        # Of all lines the one with the least relative errors.
        slope, base = np.polyfit(pixels, ms, 1, w=1 / ms)
        residual = np.abs(base + slope * pixels - ms) / ms
        few, many = (self.classes[number] for number in sorted(self.classes))
        cases = zip(self.sizes, self.ms, self.multiply_adds, strict=True)
        return {
            "clock": self.clock,
            "sizes": [{"size": size, "ms": spent, "multiply_adds": needed} for size, spent, needed in cases],
            "ms_per_megapixel": float(slope),
            "base_ms": float(base),
            "largest_residual": float(residual.max()),
            "exponent": _exponent(pixels, ms),
            "multiply_adds_exponent": _exponent(pixels, np.array(self.multiply_adds)),
            "classes": {str(number): spent for number, spent in sorted(self.classes.items())},
            "classes_size": self.classes_size,
            "classes_ratio": many / few,
        }


def measure_growth(
    segmenter: Segmenter,
    network: nn.Module,
    sizes: Sequence[tuple[int, int]],
    classes_size: tuple[int, int],
    rounds: int,
) -> Growth:
    """Segment one picture at all sizes in turn, and at one of them with more classes, with the detections.

    Args:
        segmenter: of a SHIFNet whose card has no short side; it goes on with its own classes.
        network: the same on the host, whose multiply-adds are counted.
        sizes: of the pairs, at least two.
        classes_size: of the pairs with more classes.
        rounds: how often.
    """
    clock = "wall" if segmenter.device.type == "cuda" else "process"
    now = time.perf_counter if clock == "wall" else time.process_time
    few = own_classes(segmenter.card)
    many = _more(segmenter, few)
    steps = [(size, few) for size in sizes] + [(classes_size, few), (classes_size, many)]
    pairs = {size: _picture(size) for size, _ in steps}
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        # In turn, so that what else the machine does meets all of them.
        for step, (size, classes) in enumerate(steps):
            segmenter.use(classes)
            # The first time of a size is longer: what depends on it is made anew.
            for _ in range(_WARM_UP):
                segmenter.segment([pairs[size]])
            started = now()
            (found,) = segmenter.segment([pairs[size]])
            find_detections(found.mask, found.probability, classes.names, MFNET.things)
            seconds[step].append(now() - started)
    segmenter.use(few)
    *medians, own, more = (1e3 * float(np.median(each)) for each in seconds)
    # Counting takes the values away.
    needed = [forward_multiply_adds(copy.deepcopy(network), size).total for size in sizes]
    return Growth(
        clock, tuple(sizes), medians, needed, {len(few.names): own, len(many.names): more}, classes_size
    )


def _more(segmenter: Segmenter, few: ClassSelection) -> ClassSelection:
    own = segmenter._own_vectors.cpu()
    noise = torch.randn(
        (MORE_CLASSES - 1) * len(own), own.shape[1], generator=torch.Generator().manual_seed(_SEED)
    )
    others = F.normalize(own.repeat(MORE_CLASSES - 1, 1) + _NEARNESS * noise, dim=1)
    names = (*few.names, *(f"class {number}" for number in range(len(others))))
    return ClassSelection(names, (), vectors=torch.cat([own, others]).to(segmenter.device))


def _exponent(pixels: np.ndarray, cost: np.ndarray) -> float:
    """Of the power law that fits best."""
    return float(np.polyfit(np.log(pixels), np.log(cost), 1)[0])


def _picture(size: tuple[int, int]) -> ImagePair:
    still = render_still(_SEED, (480, 640))
    rgb, thermal = (cv2.resize(image, size[::-1]) for image in (still.rgb, still.thermal))
    if thermal.dtype != np.uint8:
        low, high = int(thermal.min()), int(thermal.max())
        thermal = ((thermal - low) * (255.0 / max(1, high - low))).astype(np.uint8)
    return ImagePair(rgb, thermal, thermal_limits=(0.0, 255.0))
