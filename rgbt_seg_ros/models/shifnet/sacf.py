"""Semantic-aware cross-modal fusion (SACF): the class embeddings decide which modality to trust at each position."""

from typing import cast

import torch
from torch import Tensor, nn

from rgbt_seg_ros.models.text_similarity import TextSimilarity, text_similarity


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, channel LayerNorm, inverted bottleneck with GELU, layer scale, residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        y = self.dwconv(x).permute(0, 2, 3, 1)  # [B, h, w, C]
        y = self.pwconv2(nn.functional.gelu(self.pwconv1(self.norm(y))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


class SACF(nn.Module):
    """Fusion of one level (Eqs. 5-10)."""

    def __init__(self, channels: int, text_dim: int, hidden: int) -> None:
        super().__init__()
        self.rgb_proj = self._projection(channels, hidden, text_dim)
        self.thermal_proj = self._projection(channels, hidden, text_dim)
        self.blocks = nn.Sequential(ConvNeXtBlock(channels), ConvNeXtBlock(channels))
        self.out_proj = nn.Conv2d(channels, channels, 1)
        self.rgb_similarity: TextSimilarity | None = None
        self.thermal_similarity: TextSimilarity | None = None

    @staticmethod
    def _projection(channels: int, hidden: int, text_dim: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, text_dim))

    def forward(self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor) -> Tensor:
        """Fuse two feature maps.

        Args:
            rgb, thermal: [B, C, h, w].
            class_embeddings: [N, D]; their mean is taken as it is, not normalised.

        Returns:
            [B, C, h, w].
        """
        mean_embedding = class_embeddings.mean(dim=0)
        rgb_relevance = _relevance(self.rgb_proj, self.rgb_similarity, rgb, mean_embedding)
        thermal_relevance = _relevance(self.thermal_proj, self.thermal_similarity, thermal, mean_embedding)
        # A softmax over two entries is the sigmoid of their difference (Eq. 9).
        weight = torch.sigmoid(rgb_relevance - thermal_relevance)
        fused = weight * rgb + (1 - weight) * thermal  # of the unprojected inputs (Eq. 10)
        return self.out_proj(self.blocks(fused))

    def prepare_for_serving(self) -> None:
        """Compute relevances as `TextSimilarity` does; training mode ends it."""
        self.rgb_similarity = text_similarity(cast(nn.Linear, self.rgb_proj[2]))
        self.thermal_similarity = text_similarity(cast(nn.Linear, self.thermal_proj[2]))

    def train(self, mode: bool = True) -> "SACF":
        if mode:
            self.rgb_similarity = self.thermal_similarity = None
        return super().train(mode)


class UniformFusion(nn.Module):
    """SACF without the text: both modalities weigh the same everywhere (Table VI of the paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ConvNeXtBlock(channels), ConvNeXtBlock(channels))
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def forward(self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor) -> Tensor:
        """rgb, thermal [B, C, h, w] -> [B, C, h, w]."""
        return self.out_proj(self.blocks(0.5 * (rgb + thermal)))


def _relevance(
    projection: nn.Sequential, similarity: TextSimilarity | None, features: Tensor, embedding: Tensor
) -> Tensor:
    """Eq. 8: projection of f onto the embedding, f.e / |f|, at each position: [B, C, h, w] -> [B, 1, h, w]."""
    first, activation, last = projection
    hidden = activation(first(features.permute(0, 2, 3, 1)))  # [B, h, w, hidden]
    if similarity is not None:
        dots, norm = similarity(hidden, embedding[None])
        return (dots / norm.clamp_min(1e-6)).permute(0, 3, 1, 2)
    projected = last(hidden)  # [B, h, w, D]
    norm = projected.norm(dim=-1).clamp_min(1e-6)
    return ((projected @ embedding) / norm).unsqueeze(1)
