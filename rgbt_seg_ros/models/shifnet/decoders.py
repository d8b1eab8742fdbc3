"""Decoders to compare HPD with (Table VII of the SHIFNet paper): classifiers that ignore the class embeddings."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.coarse_logits import Enlargement
from rgbt_seg_ros.models.shifnet.hpd import ConvBnRelu


class SegformerDecoder(nn.Module):
    """SegFormer's all-MLP decoder (arXiv 2105.15203, Eq. 4): every level to one width, concatenation, 1x1 fusion."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.level_proj = nn.ModuleList(nn.Linear(channels, channels) for _ in range(4))
        self.fuse = ConvBnRelu(4 * channels, channels)
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.enlargement = Enlargement(4)

    def forward(self, levels: Sequence[Tensor], class_embeddings: Tensor, images: Tensor) -> Tensor:
        """Four maps [B, C, H/s, W/s], strides 4, 8, 16, 32 -> logits [B, N, H/4, W/4]."""
        projected = []
        for projection, level in zip(self.level_proj, levels, strict=True):
            tokens = projection(level.permute(0, 2, 3, 1))  # [B, h, w, C]
            projected.append(_resize(tokens.permute(0, 3, 1, 2), levels[0]))
        logits: Tensor = self.classifier(self.dropout(self.fuse(torch.cat(projected[::-1], dim=1))))
        return logits


class PyramidPooling(nn.Module):
    """Pyramid pooling (PSPNet, arXiv 1612.01105): a map with averages over 1x1, 2x2, 3x3 and 6x6 parts of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Without batch normalisation: a batch of one pair has one value per channel in the coarsest part.
        self.parts = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), nn.Conv2d(channels, channels // 4, 1), nn.ReLU())
            for bins in (1, 2, 3, 6)
        )
        self.bottleneck = ConvBnRelu(2 * channels, channels, (3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        return self.bottleneck(torch.cat([x, *(_resize(part(x), x) for part in self.parts)], dim=1))


class PpmDecoder(nn.Module):
    """Pyramid pooling of the coarsest level and UPerNet's top-down path (arXiv 1807.10221) through the others.

    The paper names the module only; finer levels are added, not left out, so that all fused levels are used.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.ppm = PyramidPooling(channels)
        self.lateral = nn.ModuleList(ConvBnRelu(channels, channels) for _ in range(3))
        self.fuse = ConvBnRelu(channels, channels, (3, 3))
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.enlargement = Enlargement(4)

    def forward(self, levels: Sequence[Tensor], class_embeddings: Tensor, images: Tensor) -> Tensor:
        """Four maps [B, C, H/s, W/s], strides 4, 8, 16, 32 -> logits [B, N, H/4, W/4]."""
        *finer, coarsest = levels
        x = self.ppm(coarsest)
        for lateral, level in zip(reversed(self.lateral), reversed(finer), strict=True):
            x = lateral(level) + _resize(x, level)
        logits: Tensor = self.classifier(self.dropout(self.fuse(x)))
        return logits


def _resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of another map."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
