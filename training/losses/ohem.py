"""Cross-entropy of the hard pixels (online hard example mining), as SARTM's training uses it."""

import math

from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.masks.classes import UNLABELED

_LEAST_SHARE = 16
"""At least every 16th labelled pixel counts, the hardest ones."""


def ohem_cross_entropy(logits: Tensor, label: Tensor, probability: float) -> Tensor:
    """Mean cross-entropy of the pixels whose own class has less than a probability, in float32.

    Where these are fewer than a sixteenth of the labelled pixels, so many of the hardest count in their place.

    Args:
        logits: [B, N, H, W].
        label: int64 [B, H, W]; pixels of 255 do not count.
        probability: in (0, 1].

    Returns:
        A scalar; 0 with a gradient of zeros where nothing is labelled, so that every process has a graph.
    """
    logits = logits.float()
    losses = F.cross_entropy(logits, label, ignore_index=UNLABELED, reduction="none")[label != UNLABELED]
    if len(losses) == 0:
        return logits.sum() * 0
    hard = losses[losses > -math.log(probability)]
    least = max(1, len(losses) // _LEAST_SHARE)
    return (hard if len(hard) >= least else losses.topk(least).values).mean()
