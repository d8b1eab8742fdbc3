"""Lovász-softmax: a loss that is the intersection over union (Berman et al., arXiv 1705.08790)."""

import numpy as np
import torch
from torch import Tensor

from rgbt_seg_ros.masks.classes import UNLABELED


def lovasz_softmax(logits: Tensor, label: Tensor) -> Tensor:
    """Mean over the classes in the label of the Lovász extension of 1 - IoU (Eqs. 9 and 11); 0 without labels.

    Pixels of the whole batch are taken together; those labelled 255 do not count.

    Args:
        logits: float [B, N, H, W].
        label: int64 [B, H, W].
    """
    labelled = label != UNLABELED
    probabilities = logits.softmax(dim=1).permute(0, 2, 3, 1)[labelled]  # [P, N]
    ids = label[labelled]  # [P]
    losses = []
    for k in ids.unique().tolist():
        target = (ids == k).to(probabilities.dtype)
        errors = (target - probabilities[:, k]).abs()
        order = _largest_first(errors.detach())
        losses.append(torch.dot(errors[order], jaccard_gradient(target[order])))
    return torch.stack(losses).mean() if losses else logits.sum() * 0.0


def _largest_first(errors: Tensor) -> Tensor:
    """Places of [P] errors in falling order."""
    if errors.device.type == "cpu":
        # With vector instructions, six to eight times as fast as PyTorch's, which was a quarter of nano's step.
        return torch.from_numpy(np.argsort(-errors.numpy()))
    return errors.argsort(descending=True)


def jaccard_gradient(target: Tensor) -> Tensor:
    """How much 1 - IoU grows with each further error (Algorithm 1).

    Args:
        target: 1 for pixels of the class, 0 for others, [P], the largest error first.
    """
    intersection = target.sum() - target.cumsum(0)
    union = target.sum() + (1.0 - target).cumsum(0)
    jaccard = 1.0 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
