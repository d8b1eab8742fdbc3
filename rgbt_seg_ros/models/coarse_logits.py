"""A network's logits as they are before their last enlargement, and how they are to be enlarged."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Enlargement:
    """The last step of a decoder: bilinear, by a whole number in both directions."""

    factor: int
    align_corners: bool = False

    def __call__(self, logits: Tensor) -> Tensor:
        """[B, N, h, w] -> [B, N, factor * h, factor * w]."""
        if self.factor == 1:
            return logits
        return F.interpolate(
            logits, scale_factor=self.factor, mode="bilinear", align_corners=self.align_corners
        )


AS_IT_IS = Enlargement(1)


@dataclass(frozen=True)
class CoarseLogits:
    """Logits of a batch at a decoder's resolution.

    Which class is the likeliest, and how likely, can be told of them without a logit for each class and pixel, see
    `rgbt_seg_ros.segmenter.decision`.

    Attributes:
        maps: [B, N, h, w], one for each path of a network; of two the probabilities are averaged.
        enlargement: of each.
        size: (height, width) of the images; enlarged maps may be larger below and at the right.
    """

    maps: tuple[Tensor, ...]
    enlargement: Enlargement
    size: tuple[int, int]

    @classmethod
    def of_full(cls, logits: Tensor) -> "CoarseLogits":
        """Of logits [B, N, H, W] that are as large as the images."""
        return cls((logits,), AS_IT_IS, (logits.shape[-2], logits.shape[-1]))

    def each(self, change: Callable[[Tensor], Tensor]) -> "CoarseLogits":
        """With every map changed."""
        return replace(self, maps=tuple(change(each) for each in self.maps))

    def full(self) -> Tensor:
        """Logits at the images' size: [B, N, H, W]."""
        height, width = self.size
        return joined([self.enlargement(each)[..., :height, :width] for each in self.maps])


def joined(logits: list[Tensor]) -> Tensor:
    """One answer of one or two paths, whose logits are [B, N, ...] each: [B, N, ...]."""
    return logits[0] if len(logits) == 1 else mean_prediction(*logits)


def mean_prediction(mask: Tensor, auxiliary: Tensor) -> Tensor:
    """Logarithm of the mean of both paths' probabilities; logits [B, N, ...] each -> [B, N, ...]."""
    return torch.logaddexp(mask.log_softmax(dim=1), auxiliary.log_softmax(dim=1)) - math.log(2)
