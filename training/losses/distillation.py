"""What the text of the classes teaches SARTM's features in training (its sections III-E and III-F); float32.

Both losses are on the class means of the fused features, which are those of the pairs of all processes.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from rgbt_seg_ros.masks.classes import UNLABELED

_STRIDE = 16
"""Pixels of the label to one of the fused features."""

_KEPT = 0.9
"""Share of a prototype that an update keeps."""


class _SumOfProcesses(torch.autograd.Function):
    """An all-reduce through which gradients pass: every process' loss depends on the features of all.

    That of `torch.distributed` alone has no gradient, that of `torch.distributed.nn` is deprecated, and that of
    functional collectives has one in the latest versions of PyTorch only.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _SumOfProcesses.forward(ctx, gradient)


def class_means(features: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mean feature of each class over the batches of all processes (masked average pooling).

    Args:
        features: [B, C, ceil(H/32)*2, ceil(W/32)*2], of images padded to multiples of 32.
        label: int64 [B, H, W]; 255 does not count.

    Returns:
        Means [N, C], zeros for absent classes, and the number of features of each class, int64 [N]; the same in every
        process.
    """
    height, width = (_STRIDE * size for size in features.shape[-2:])
    label = F.pad(label, (0, width - label.shape[-1], 0, height - label.shape[-2]), value=UNLABELED)
    # The nearest pixel to each feature's centre; a feature's labels may be of several classes.
    label = label[:, _STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE]
    of_class = label.flatten()[:, None] == torch.arange(classes, device=label.device)  # [B*h*w, N]
    sums = of_class.T.float() @ features.float().permute(0, 2, 3, 1).flatten(0, 2)  # [N, C]
    counts = of_class.sum(0)
    if distributed.is_initialized():
        sums = _SumOfProcesses.apply(sums)
        distributed.all_reduce(counts)
    return sums / counts.clamp(min=1)[:, None], counts


class PrototypeLoss(nn.Module):
    """Distance of the class means to their running averages, the prototypes (Eq. 13).

    Args:
        classes, dim: number and width of the prototypes.
        kind: `printed` takes the means, as Eq. 13 says. `released` divides them by the class's number of features once
            more, as the authors' code does: all of it is then near zero, and w2 = 1e4 belongs to that tiny loss.
    """

    def __init__(self, classes: int, dim: int, kind: str = "released") -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("prototypes", torch.zeros(classes, dim))
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.bool))
        self.prototypes: Tensor
        self.seen: Tensor

    def forward(self, means: Tensor, counts: Tensor) -> Tensor:
        """The loss with the prototypes of before; then these take the means in.

        Args:
            means, counts: see `class_means`; classes without a feature do not count.

        Returns:
            Divergence of softmax(mean) from softmax(prototype), the mean over present classes and channels. A class
            at first sight, whose mean becomes its prototype, takes part in it with 0; without any class it is 0.
        """
        present = counts > 0
        if self.kind == "released":
            means = means / counts.clamp(min=1)[:, None]
        divergence = F.kl_div(means.log_softmax(1), self.prototypes.softmax(1), reduction="none")  # [N, C]
        counted = divergence.masked_fill(~self.seen[:, None], 0.0)[present]
        self._update(means.detach(), present)
        return counted.mean() if len(counted) else means.sum() * 0

    def _update(self, means: Tensor, present: Tensor) -> None:
        moved = _KEPT * self.prototypes + (1 - _KEPT) * means
        updated = torch.where(self.seen[:, None], moved, means)
        self.prototypes.copy_(torch.where(present[:, None], updated, self.prototypes))
        self.seen.logical_or_(present)


def similarities(vectors: Tensor) -> Tensor:
    """Cosines between all rows of [N, D] -> [N, N]."""
    unit = F.normalize(vectors)
    return unit @ unit.T


def similarity_loss(means: Tensor, counts: Tensor, teacher: Tensor) -> Tensor:
    """How the classes' similarities to each other differ from those of the teacher (self-similarity, Eq. 14).

    Args:
        means, counts: see `class_means`; classes without a feature do not count.
        teacher: `similarities` of the classes' text embeddings, [N, N].

    Returns:
        Divergence of softmaxed rows of cosines, averaged over all pairs; 0 for fewer than two classes.
    """
    present = counts > 0
    seen = means[present]
    if len(seen) < 2:
        return means.sum() * 0
    text = teacher[present][:, present].softmax(1)
    # Not reduction="mean": PyTorch announces that it will mean another division.
    return F.kl_div(similarities(seen).log_softmax(1), text, reduction="none").mean()
