"""SHIFNet's loss: cross-entropy, and Lovász-softmax beside it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.masks.classes import UNLABELED

from .criterion import Criterion
from .lovasz import lovasz_softmax


class SegmentationLoss(Criterion):
    """Cross-entropy at label resolution; pixels labelled 255 do not count.

    Args:
        class_weights: one factor a class, in the order of the ids; None: all 1.
        lovasz: weight of the Lovász-softmax loss as a second term; 0: cross-entropy alone.
    """

    watched = "cross_entropy"

    def __init__(self, class_weights: Sequence[float] | None = None, lovasz: float = 0.0) -> None:
        super().__init__()
        self.lovasz = lovasz
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("weights", weights, persistent=False)
        self.weights: Tensor | None

    def weight(self, label: Tensor) -> Tensor:
        """What a mean over labelled pixels is divided by: the sum of their classes' weights, a float64 scalar.

        Args:
            label: int64 [B, H, W].
        """
        labelled = label[label != UNLABELED]
        if self.weights is None:
            return torch.tensor(labelled.numel(), dtype=torch.float64, device=label.device)
        return self.weights[labelled].sum(dtype=torch.float64)

    def terms(self, output: Tensor, label: Tensor, total: Tensor) -> dict[str, Tensor]:
        terms = {"cross_entropy": self(output, label, total)}
        if self.lovasz > 0.0:
            # An IoU is not a mean over pixels: each forward pass has its own, and counts by what is labelled in it.
            share = self.weight(label) / torch.where(total > 0, total, 1.0)
            terms["lovasz"] = self.lovasz * share.to(output.dtype) * lovasz_softmax(output.float(), label)
        return terms

    def forward(self, logits: Tensor, label: Tensor, total: Tensor | None = None) -> Tensor:
        """Weighted mean over labelled pixels; 0 where there are none.

        Args:
            logits: [B, N, h, w], upsampled to the label's size where it differs.
            label: int64 [B, H, W].
            total: `weight` of all the labels that the mean is taken over, where these are a part of them only; the
                parts' values and gradients then add up to those of the whole.
        """
        logits = logits.float()
        if logits.shape[-2:] != label.shape[-2:]:
            logits = F.interpolate(logits, size=label.shape[-2:], mode="bilinear", align_corners=False)
        loss = F.cross_entropy(logits, label, self.weights, ignore_index=UNLABELED, reduction="sum")
        if total is None:
            total = self.weight(label)
        return loss / torch.where(total > 0, total, 1.0).to(loss.dtype)
