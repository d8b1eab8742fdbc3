"""Fusion of two modalities from CMX (arXiv 2203.04838), as SARTM uses it (III-E): FRM rectifies, FFM merges.

Modules are numbered as in CMX: 1 is RGB, 2 is thermal.
"""

import torch
from torch import Tensor, nn

from rgbt_seg_ros.models.full_precision import full_precision


class ChannelWeights(nn.Module):
    """How much of the other modality each channel receives, from both modalities' averages and maxima."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(4 * dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, 2 * dim), nn.Sigmoid()
        )

    def forward(self, both: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 2C, h, w] -> weights of RGB and of thermal, each [B, C, 1, 1]."""
        pooled = torch.cat([both.mean(dim=(2, 3)), both.amax(dim=(2, 3))], dim=1)  # [B, 4C]
        rgb, thermal = self.mlp(pooled)[..., None, None].chunk(2, dim=1)
        return rgb, thermal


class SpatialWeights(nn.Module):
    """How much of the other modality each position receives."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(2 * dim, dim, 1), nn.ReLU(), nn.Conv2d(dim, 2, 1), nn.Sigmoid())

    def forward(self, both: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 2C, h, w] -> weights of RGB and of thermal, each [B, 1, h, w]."""
        rgb, thermal = self.mlp(both).chunk(2, dim=1)
        return rgb, thermal


class FRM(nn.Module):
    """Feature rectification: each modality receives the other one, weighted by channel and by position."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.channel_weights = ChannelWeights(dim)
        self.spatial_weights = SpatialWeights(dim)

    def forward(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """rgb, thermal [B, C, h, w] -> both rectified, [B, C, h, w] each."""
        both = torch.cat([rgb, thermal], dim=1)
        channel_rgb, channel_thermal = self.channel_weights(both)
        spatial_rgb, spatial_thermal = self.spatial_weights(both)
        return (
            rgb + 0.5 * channel_thermal * thermal + 0.5 * spatial_thermal * thermal,
            thermal + 0.5 * channel_rgb * rgb + 0.5 * spatial_rgb * rgb,
        )


class CrossAttention(nn.Module):
    """Linear attention of each modality to a context of the other one: cost grows with the pixels, not their square."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.kv1 = nn.Linear(dim, 2 * dim, bias=False)
        self.kv2 = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B, L, C] of each -> tokens [B, L, C] of each."""
        rgb_context, thermal_context = self._context(self.kv1(rgb)), self._context(self.kv2(thermal))
        return self._attend(rgb, thermal_context), self._attend(thermal, rgb_context)

    def _context(self, keys_values: Tensor) -> Tensor:
        """Keys and values [B, L, 2C] -> [B, heads, C / heads, C / heads], float32."""
        keys, values = keys_values.chunk(2, dim=-1)
        keys, values = self._split(keys), self._split(values)
        # A sum over all positions of the image: half precision would overflow.
        with full_precision(keys):
            context = keys.float().transpose(-2, -1) @ values.float() * keys.shape[-1] ** -0.5
        return context.softmax(dim=-2)

    def _attend(self, queries: Tensor, context: Tensor) -> Tensor:
        """Queries [B, L, C] -> [B, L, C]."""
        return (self._split(queries) @ context).transpose(1, 2).flatten(2)

    def _split(self, tokens: Tensor) -> Tensor:
        """[B, L, C] -> [B, heads, L, C / heads]."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class CrossPath(nn.Module):
    """Exchange of information between the modalities' tokens, with residual and LayerNorm."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.channel_proj1 = nn.Linear(dim, 2 * dim)
        self.channel_proj2 = nn.Linear(dim, 2 * dim)
        self.cross_attn = CrossAttention(dim, heads)
        self.end_proj1 = nn.Linear(2 * dim, dim)
        self.end_proj2 = nn.Linear(2 * dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B, L, C] of each -> tokens [B, L, C] of each."""
        y1, u1 = self.channel_proj1(rgb).relu().chunk(2, dim=-1)
        y2, u2 = self.channel_proj2(thermal).relu().chunk(2, dim=-1)
        z1, z2 = self.cross_attn(u1, u2)
        return (
            self.norm1(rgb + self.end_proj1(torch.cat([y1, z1], dim=-1))),
            self.norm2(thermal + self.end_proj2(torch.cat([y2, z2], dim=-1))),
        )


class ChannelEmbed(nn.Module):
    """From both modalities' channels to those of one, with a depthwise 3x3 convolution beside a 1x1 residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.residual = nn.Conv2d(2 * dim, dim, 1, bias=False)
        self.channel_embed = nn.Sequential(
            nn.Conv2d(2 * dim, dim, 1),
            nn.Conv2d(dim, dim, 3, padding=1, groups=dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 1),
            nn.BatchNorm2d(dim),
        )
        self.norm = nn.BatchNorm2d(dim)

    def forward(self, both: Tensor) -> Tensor:
        """[B, 2C, h, w] -> [B, C, h, w]."""
        return self.norm(self.residual(both) + self.channel_embed(both))


class FFM(nn.Module):
    """Feature fusion: the modalities exchange information by cross attention and become one map."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.cross = CrossPath(dim, heads)
        self.channel_emb = ChannelEmbed(dim)

    def forward(self, rgb: Tensor, thermal: Tensor) -> Tensor:
        """rgb, thermal [B, C, h, w] -> [B, C, h, w]."""
        tokens = self.cross(
            rgb.flatten(2).transpose(1, 2), thermal.flatten(2).transpose(1, 2)
        )  # [B, hw, C] each
        both = torch.cat(tokens, dim=-1).transpose(1, 2)  # [B, 2C, hw]
        return self.channel_emb(both.unflatten(2, rgb.shape[-2:]))


class CmxFusion(nn.Module):
    """Fusion of one level: FRM, then FFM.

    Args:
        dim: channels C of the level.
        heads: of the cross attention; divides C.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.rectify = FRM(dim)
        self.fuse = FFM(dim, heads)

    def forward(self, rgb: Tensor, thermal: Tensor) -> Tensor:
        """rgb, thermal [B, C, h, w] -> fused [B, C, h, w]."""
        return self.fuse(*self.rectify(rgb, thermal))
