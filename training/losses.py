"""Losses of semantic segmentation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.classes import UNLABELED


class SegmentationLoss(nn.Module):
    """Cross-entropy at label resolution; pixels labelled 255 do not count.

    Args:
        class_weights: one factor a class, in the order of the ids; None: all 1.
    """

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("weights", weights)
        self.weights: Tensor | None

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Weighted mean over labelled pixels; 0 where a batch has none.

        Args:
            logits: [B, N, h, w], upsampled to the label's size where it differs.
            label: int64 [B, H, W].
        """
        logits = logits.float()
        if logits.shape[-2:] != label.shape[-2:]:
            logits = F.interpolate(logits, size=label.shape[-2:], mode="bilinear", align_corners=False)
        total = F.cross_entropy(logits, label, self.weights, ignore_index=UNLABELED, reduction="sum")
        labelled = label[label != UNLABELED]
        count = labelled.numel() if self.weights is None else self.weights[labelled].sum()
        return total / (count if labelled.numel() else 1)
