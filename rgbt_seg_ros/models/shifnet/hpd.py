"""Heterogeneous prompting decoder (HPD) with its semantic enhancement module (SEM)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.coarse_logits import Enlargement
from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, exact, fold_norm
from rgbt_seg_ros.models.layers.kept import Kept
from rgbt_seg_ros.models.shifnet.detail import DetailHead
from rgbt_seg_ros.models.shifnet.folded_levels import FoldedLevels
from rgbt_seg_ros.models.text_similarity import TextSimilarity, text_similarity


@dataclass(frozen=True)
class HpdConfig:
    """Widths of the decoder; the defaults are the paper's."""

    sem: int = 64
    sem_branch: int = 128
    sem_squeeze: int = 8
    level: int = 128
    fused: int = 256


class ConvBnRelu(nn.Module):
    """Convolution without bias, batch normalisation (eps 1e-3), ReLU; padded to keep the size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.folded: FoldedLayer | None = None

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x))) if self.folded is None else self.folded(x)

    def prepare_for_serving(self, before: nn.Conv2d | None = None) -> None:
        """One convolution for convolution and normalisation, and a 1x1 one before both; training mode ends it."""
        weight, bias = fold_norm(self.conv, self.bn)
        if before is not None:
            first, offset = exact(before)
            bias = bias + weight.flatten(1) @ offset
            weight = (weight.flatten(1) @ first.flatten(1))[..., None, None]
        self.folded = FoldedLayer(weight, bias, self.conv.weight, "relu")

    def train(self, mode: bool = True) -> "ConvBnRelu":
        if mode:
            self.folded = None
        return super().train(mode)


class SEM(nn.Module):
    """Semantic enhancement of one level (Eqs. 11-14): three branches of long one-dimensional convolutions.

    The paper's average pooling (Eq. 12) keeps the resolution in the released weights: it is the identity and absent.
    """

    def __init__(self, channels: int, config: HpdConfig) -> None:
        super().__init__()
        width, branch = config.sem, config.sem_branch
        row, column = (1, 7), (7, 1)
        self.reduce = ConvBnRelu(channels, width)
        self.branch1 = ConvBnRelu(width, width)
        self.branch2 = nn.Sequential(
            ConvBnRelu(width, branch),
            ConvBnRelu(branch, branch, row),
            ConvBnRelu(branch, width, column),
        )
        self.branch3 = nn.Sequential(
            ConvBnRelu(width, branch),
            ConvBnRelu(branch, branch, column),
            ConvBnRelu(branch, branch, row),
            ConvBnRelu(branch, branch, column),
            ConvBnRelu(branch, width, row),
        )
        self.squeeze = ConvBnRelu(width, config.sem_squeeze, (3, 3))
        self.expand = nn.Conv2d(config.sem_squeeze, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        return self.expand(self.squeezed(x))

    def squeezed(self, x: Tensor) -> Tensor:
        """What is expanded at the end: [B, sem_squeeze, h, w]."""
        x = self.reduce(x)
        squeezed: Tensor = self.squeeze(self.branch1(x) + self.branch2(x) + self.branch3(x))
        return squeezed


class HPD(nn.Module):
    """Decoder from four fused levels to class logits (Eqs. 15-19).

    Without `sem` (Table VIII) a level is not enhanced, and the 1x1 convolution that merges both takes the level alone.
    With `detail`, which is ours, it answers at stride 2 (see `DetailHead`). With `centred`, also ours, classes are
    compared by what sets them apart: their embeddings less the mean of those that the network is trained with.
    """

    def __init__(
        self,
        channels: int,
        class_embeddings: Tensor,
        config: HpdConfig,
        sem: bool = True,
        detail: bool = False,
        centred: bool = False,
    ) -> None:
        super().__init__()
        levels = range(4)
        self.sem = nn.ModuleList(SEM(channels, config) for _ in levels) if sem else None
        merged = 2 * channels if sem else channels
        self.merge = nn.ModuleList(nn.Conv2d(merged, channels, 1) for _ in levels)
        self.level_proj = nn.ModuleList(nn.Linear(channels, config.level) for _ in levels)
        self.fuse = nn.Conv2d(4 * config.level, config.fused, 1)
        text_dim = class_embeddings.shape[1]
        # One of both; the first keeps the names of the released weights.
        self.head = None if detail else nn.Conv2d(config.fused, text_dim, 1)
        self.detail = DetailHead(config.fused, text_dim) if detail else None
        # Saved: other classes, which a node can be asked for, are compared around the same centre.
        self.register_buffer("centre", class_embeddings.detach().float().mean(dim=0) if centred else None)
        self.centre: Tensor | None
        self.dropout = nn.Dropout2d(0.1)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.text_similarity: TextSimilarity | None = None
        self.enlargement = Enlargement(2) if detail else Enlargement(4, align_corners=True)
        self.folded: FoldedLevels | None = None
        self._classes: Kept | None = None

    def forward(self, levels: Sequence[Tensor], class_embeddings: Tensor, images: Tensor) -> Tensor:
        """Logits, which `enlargement` brings to the input's resolution.

        Args:
            levels: four maps [B, C, H/s, W/s] with strides 4, 8, 16, 32.
            class_embeddings: [N, D].
            images: [2B, 3, H, W], RGB in the first half of the batch.

        Returns:
            [B, N, H/4, W/4], or with `detail` [B, N, H/2, W/2].
        """
        compared = (class_embeddings,) if self.centre is None else (class_embeddings, self.centre)
        classes = _unit(*compared) if self._classes is None else self._classes(_unit, *compared)
        scale = self.logit_scale.exp()
        if self.detail is None:
            return self._logits(levels, classes, scale)
        if self.folded is None:
            logits: Tensor = self.detail(self.fused(levels), images, classes, scale)
        else:
            logits = self.detail.answer(self._folded(levels), images, classes, scale)
        return logits

    def _logits(self, levels: Sequence[Tensor], classes: Tensor, scale: Tensor) -> Tensor:
        """Four levels, [N, D] -> [B, N, h, w]."""
        if self.text_similarity is not None:
            folded = self._folded(levels).permute(0, 2, 3, 1)
            return self.text_similarity.compare(folded, classes, 1e-12, scale).permute(0, 3, 1, 2)
        fused = self.fused(levels) if self.folded is None else self._folded(levels)
        assert self.head is not None
        pixels = F.normalize(self.dropout(self.head(fused)), dim=1)
        return scale * torch.einsum("bdhw,nd->bnhw", pixels, classes)

    def _folded(self, levels: Sequence[Tensor]) -> Tensor:
        """What `prepare_for_serving` has folded: [B, T, H/4, W/4]."""
        assert self.folded is not None
        sems = [] if self.sem is None else [cast(SEM, sem) for sem in self.sem]
        squeezed = [sem.squeezed(level) for sem, level in zip(sems, levels, strict=False)]
        folded: Tensor = self.folded(levels, squeezed)
        return folded

    def pixel_embeddings(self, levels: Sequence[Tensor]) -> Tensor:
        """Embeddings in text space before normalisation: [B, D, H/4, W/4]."""
        assert self.head is not None
        embeddings: Tensor = self.head(self.fused(levels))
        return embeddings

    def fused(self, levels: Sequence[Tensor]) -> Tensor:
        """All levels in one map: [B, fused, H/4, W/4]."""
        size = levels[0].shape[-2:]
        projected = []
        for i, level in enumerate(levels):
            if self.sem is not None:
                level = torch.cat([level, self.sem[i](level)], dim=1)
            merged = self.merge[i](level)
            projected.append(self.level_proj[i](merged.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        upsampled = [
            F.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in projected
        ]
        return self.fuse(torch.cat(upsampled[::-1], dim=1))  # coarsest first

    def prepare_for_serving(self, before: Sequence[nn.Conv2d] | None = None) -> None:
        """Compare with classes as `TextSimilarity` does, and fold what is linear before; training mode ends it.

        Args:
            before: the fusion's last convolutions, 1x1, one a level; given, levels come without these.
        """
        self._classes = Kept()
        self.text_similarity = None if self.head is None else text_similarity(self.head)
        if self.detail is not None:
            weight, bias = exact(self.detail.reduce)
        elif self.text_similarity is not None:
            weight, bias = self.text_similarity.weight.double(), self.text_similarity.bias.double()
        else:
            weight = torch.eye(self.fuse.out_channels, dtype=torch.float64, device=self.fuse.weight.device)
            bias = torch.zeros_like(weight[0])
        sems = None if self.sem is None else [cast(SEM, sem).expand for sem in self.sem]
        if self.sem is not None and before is not None:
            for sem, convolution in zip(self.sem, before, strict=True):
                cast(SEM, sem).reduce.prepare_for_serving(convolution)
        self.folded = FoldedLevels(
            [cast(nn.Conv2d, layer) for layer in self.merge],
            [cast(nn.Linear, layer) for layer in self.level_proj],
            *(self.fuse, sems, weight.flatten(1), bias, before),
        )

    def train(self, mode: bool = True) -> "HPD":
        if mode:
            self.text_similarity = self.folded = self._classes = None
        return super().train(mode)


def _unit(class_embeddings: Tensor, centre: Tensor | None = None) -> Tensor:
    """Class embeddings [N, D], less a centre [D] if there is one, at length 1."""
    return F.normalize(class_embeddings if centre is None else class_embeddings - centre, dim=-1)
