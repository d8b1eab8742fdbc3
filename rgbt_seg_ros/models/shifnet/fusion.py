"""Fusions of one level to compare SACF with (Table VI of the SHIFNet paper): they ignore the class embeddings."""

import torch
from torch import Tensor, nn


class AddFusion(nn.Module):
    """The sum of both modalities."""

    def forward(self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor) -> Tensor:
        """rgb, thermal [B, C, h, w] -> [B, C, h, w]."""
        return rgb + thermal


class ConcatFusion(nn.Module):
    """A 1x1 convolution of both modalities' channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor) -> Tensor:
        """rgb, thermal [B, C, h, w] -> [B, C, h, w]."""
        return self.conv(torch.cat([rgb, thermal], dim=1))
