"""Semantic-aware cross-modal fusion (SACF): the class embeddings decide which modality to trust at each position."""

from typing import cast

import torch
from torch import Tensor, nn

from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, exact, in_parts, run
from rgbt_seg_ros.models.layers.kept import Kept
from rgbt_seg_ros.models.text_similarity import text_similarity

_LEAST_NORM = 1e-6


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, channel LayerNorm, inverted bottleneck with GELU, layer scale, residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))
        self.folded: FoldedLayer | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        y = self.dwconv(x).permute(0, 2, 3, 1)  # [B, h, w, C]
        if self.folded is not None:
            width = self.pwconv1.out_features
            return in_parts(self._served, width, y, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.pwconv2(nn.functional.gelu(self.pwconv1(self.norm(y))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)

    def _served(self, y: Tensor, x: Tensor) -> Tensor:
        """What follows the first convolution's y, with the residual: both [..., C]."""
        assert self.folded is not None
        return self.folded.tokens(run(self.pwconv1, self.norm(y), "gelu"), x)

    def prepare_for_serving(self) -> None:
        """Take the layer scale into the second product; training mode ends it."""
        weight, bias = exact(self.pwconv2)
        gamma = self.gamma.detach().double()
        self.folded = FoldedLayer(gamma[:, None] * weight, gamma * bias, self.gamma)

    def train(self, mode: bool = True) -> "ConvNeXtBlock":
        if mode:
            self.folded = None
        return super().train(mode)


class SACF(nn.Module):
    """Fusion of one level (Eqs. 5-10)."""

    def __init__(self, channels: int, text_dim: int, hidden: int) -> None:
        super().__init__()
        self.rgb_proj = self._projection(channels, hidden, text_dim)
        self.thermal_proj = self._projection(channels, hidden, text_dim)
        self.blocks = nn.Sequential(ConvNeXtBlock(channels), ConvNeXtBlock(channels))
        self.out_proj = nn.Conv2d(channels, channels, 1)
        self.rgb_relevance: Relevance | None = None
        self.thermal_relevance: Relevance | None = None
        self.lateral: FoldedLayer | None = None
        """In service, the neck's convolution of this level, if it is left to this module."""
        self.passes_on = False
        """Whether, in service, the last convolution is left to the decoder."""
        self._embedding = Kept()

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
        if self.rgb_relevance is not None and self.thermal_relevance is not None:
            embedding = self._embedding(_mean, class_embeddings)
            rgb, thermal = (image.permute(0, 2, 3, 1) for image in (rgb, thermal))
            weight = self.rgb_relevance(rgb, embedding) - self.thermal_relevance(thermal, embedding)
            fused = (thermal + torch.sigmoid(weight) * (rgb - thermal)).permute(0, 3, 1, 2)
            made: Tensor = self.blocks(fused if self.lateral is None else self.lateral(fused))
            return made if self.passes_on else self.out_proj(made)
        (embedding,) = _mean(class_embeddings)
        rgb_relevance = _relevance(self.rgb_proj, rgb, embedding)
        thermal_relevance = _relevance(self.thermal_proj, thermal, embedding)
        # A softmax over two entries is the sigmoid of their difference (Eq. 9).
        weight = torch.sigmoid(rgb_relevance - thermal_relevance)
        fused = weight * rgb + (1 - weight) * thermal  # of the unprojected inputs (Eq. 10)
        return self.out_proj(self.blocks(fused))

    def prepare_for_serving(self, lateral: nn.Conv2d | None = None, passes_on: bool = False) -> None:
        """Compute relevances as `Relevance` does; training mode ends it.

        Args:
            lateral: the neck's 1x1 convolution of this level, which makes its maps; given, both maps come without it.
                It is linear and the modalities' weights sum to 1, so that it may follow their sum, once for both.
            passes_on: leave the last convolution to the decoder.
        """
        self.passes_on = passes_on
        self._embedding = Kept()
        self.rgb_relevance = Relevance(self.rgb_proj, lateral)
        self.thermal_relevance = Relevance(self.thermal_proj, lateral)
        self.lateral = None if lateral is None else FoldedLayer(*exact(lateral), lateral.weight)

    def train(self, mode: bool = True) -> "SACF":
        if mode:
            self.rgb_relevance = self.thermal_relevance = self.lateral = None
            self.passes_on = False
        return super().train(mode)


class Relevance(nn.Module):
    """Eq. 8 in service, see `_relevance`.

    Args:
        projection: of SACF.
        lateral: a 1x1 convolution before it, which becomes part of its first layer.
    """

    def __init__(self, projection: nn.Sequential, lateral: nn.Conv2d | None) -> None:
        super().__init__()
        first, last = cast(nn.Linear, projection[0]), cast(nn.Linear, projection[2])
        weight, bias = exact(first)
        if lateral is not None:
            before, before_bias = exact(lateral)
            weight, bias = weight @ before.flatten(1), weight @ before_bias + bias
        self.first = FoldedLayer(weight, bias, first.weight, "relu")
        self.similarity = text_similarity(last)
        self.last = FoldedLayer(*exact(last), last.weight) if self.similarity is None else None

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        """[B, h, w, C], [1, D] -> [B, h, w, 1]."""
        return in_parts(lambda x: self._relevance(x, embedding), len(self.first.bias), features)

    def _relevance(self, features: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.first.tokens(features)
        if self.similarity is not None:
            relevance: Tensor = self.similarity(hidden, embedding, _LEAST_NORM)
            return relevance
        assert self.last is not None
        projected = self.last.tokens(hidden)
        return projected @ embedding.T / projected.norm(dim=-1, keepdim=True).clamp_min(_LEAST_NORM)


class UniformFusion(nn.Module):
    """SACF without the text: both modalities weigh the same everywhere (Table VI of the paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ConvNeXtBlock(channels), ConvNeXtBlock(channels))
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def forward(self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor) -> Tensor:
        """rgb, thermal [B, C, h, w] -> [B, C, h, w]."""
        return self.out_proj(self.blocks(0.5 * (rgb + thermal)))


def _mean(class_embeddings: Tensor) -> Tensor:
    """[N, D] -> [1, D]."""
    return class_embeddings.mean(dim=0, keepdim=True)


def _relevance(projection: nn.Sequential, features: Tensor, embedding: Tensor) -> Tensor:
    """Eq. 8: projection of f onto the embedding, f.e / |f|, at each position: [B, C, h, w] -> [B, 1, h, w]."""
    projected = projection(features.permute(0, 2, 3, 1))  # [B, h, w, D]
    norm = projected.norm(dim=-1).clamp_min(_LEAST_NORM)
    return ((projected @ embedding) / norm).unsqueeze(1)
