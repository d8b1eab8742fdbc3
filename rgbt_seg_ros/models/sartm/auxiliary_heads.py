"""SARTM's second path: the FPN head (Eq. 10) and the heads it is compared with (Table VIII of the paper).

Each takes the three fused maps [B, C/8, H/4, W/4], [B, C/4, H/8, W/8], [B, C, H/16, W/16] to logits [B, N, H/4, W/4]
and is C wide inside (256 in the paper). Up-sampling is bilinear with align_corners False.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import check_choice
from rgbt_seg_ros.models.choices import SARTM as WORDS


class FpnHead(nn.Module):
    """Top-down sum of the three maps, then one 3x3 convolution, without normalisation."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, dim, 1) for width in (dim // 8, dim // 4))
        self.classifier = nn.Conv2d(dim, classes, 3, padding=1)

    def forward(self, fused: Sequence[Tensor]) -> Tensor:
        """Three fused maps -> S1 [B, N, H/4, W/4]."""
        stride4, stride8, stride16 = fused
        stride4, stride8 = self.lateral[0](stride4), self.lateral[1](stride8)
        return self.classifier(_resize(stride8 + _resize(stride16, stride8), stride4) + stride4)


class SegformerHead(nn.Module):
    """Every map to one width and to stride 4, concatenated and merged (SegFormer, arXiv 2105.15203, Eq. 4)."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.level_proj = nn.ModuleList(nn.Conv2d(width, dim, 1) for width in (dim // 8, dim // 4, dim))
        self.fuse = _conv_bn_relu(3 * dim, dim)
        self.classifier = nn.Conv2d(dim, classes, 1)

    def forward(self, fused: Sequence[Tensor]) -> Tensor:
        """Three fused maps -> S1 [B, N, H/4, W/4]."""
        projected = [
            _resize(projection(level), fused[0])
            for projection, level in zip(self.level_proj, fused, strict=True)
        ]
        return self.classifier(self.fuse(torch.cat(projected, dim=1)))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, three dilated 3x3 and the image's average, merged to the same width."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [_conv_bn_relu(dim, dim), *(_conv_bn_relu(dim, dim, 3, rate) for rate in (6, 12, 18))]
        )
        # Without batch normalisation: a batch of one pair has one value per channel here.
        self.pooling = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim, dim, 1), nn.ReLU())
        self.fuse = _conv_bn_relu(5 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        branches = [branch(x) for branch in self.branches]
        return self.fuse(torch.cat([*branches, self.pooling(x).expand_as(x)], dim=1))


class DeeplabHead(nn.Module):
    """DeepLabv3+ (arXiv 1802.02611): ASPP of the coarsest map, with detail of the finest; the middle one is unused."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        detail = 3 * dim // 16  # 48 of 256
        self.aspp = ASPP(dim)
        self.reduce = _conv_bn_relu(dim // 8, detail)
        self.refine = nn.Sequential(_conv_bn_relu(dim + detail, dim, 3), _conv_bn_relu(dim, dim, 3))
        self.classifier = nn.Conv2d(dim, classes, 1)

    def forward(self, fused: Sequence[Tensor]) -> Tensor:
        """Three fused maps -> S1 [B, N, H/4, W/4]."""
        stride4, _, stride16 = fused
        context = _resize(self.aspp(stride16), stride4)
        return self.classifier(self.refine(torch.cat([context, self.reduce(stride4)], dim=1)))


HEADS = {"fpn": FpnHead, "deeplab": DeeplabHead, "segformer": SegformerHead}
"""The heads by name."""


def auxiliary_head(name: str, dim: int, classes: int) -> nn.Module:
    """A new head.

    Args:
        name: a key of `HEADS`.
        dim: channels C of the coarsest map, a multiple of 16.
        classes: N.

    Raises:
        UserError: no such head.
    """
    check_choice("auxiliary head", name, WORDS.choices["auxiliary"])
    return HEADS[name](dim, classes)


def _conv_bn_relu(in_channels: int, out_channels: int, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def _resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of another map."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
