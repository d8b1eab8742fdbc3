"""A last step at half the image's resolution, for small networks: at a quarter, as HPD answers, small things vanish."""

from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, fold_norm
from rgbt_seg_ros.models.text_similarity import TextSimilarity, text_similarity

_STEM, _MIXED, _COARSE, _FINE = 16, 24, 40, 32

_LEAST_NORM = 1e-4


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3),
        nn.ReLU(),
    )


class DetailHead(nn.Module):
    """Joins a decoder's map with what stems see of both images, and compares with the classes at stride 2.

    Not of the paper. The stems are a single convolution each: they add edges, and what it is the decoder tells.

    Args:
        channels: of the decoder's map.
        text_dim: of the class embeddings.
    """

    def __init__(self, channels: int, text_dim: int) -> None:
        super().__init__()
        self.rgb_stem = _conv(3, _STEM, stride=2)
        self.thermal_stem = _conv(1, _STEM, stride=2)
        self.mix = _conv(2 * _STEM, _MIXED)
        self.reduce = nn.Conv2d(channels, _COARSE, 1)
        self.dropout = nn.Dropout2d(0.1)
        self.join = _conv(_MIXED + _COARSE, _FINE)
        self.head = nn.Conv2d(_FINE, text_dim, 1)
        self.text_similarity: TextSimilarity | None = None
        # In service, with batch normalisation in them; both stems are one convolution then.
        self.folded_stem: FoldedLayer | None = None
        self.folded_mix: FoldedLayer | None = None
        self.folded_join: FoldedLayer | None = None

    def forward(self, fused: Tensor, images: Tensor, classes: Tensor, scale: Tensor) -> Tensor:
        """Cosines of pixels and classes, scaled.

        Args:
            fused: [B, C, H/4, W/4].
            images: [2B, 3, H, W], RGB in the first half of the batch, thermal in the second.
            classes: [N, D], of length 1.
            scale: of the answer, a single number.

        Returns:
            [B, N, H/2, W/2].
        """
        return self.answer(self.reduce(fused), images, classes, scale)

    def answer(self, coarse: Tensor, images: Tensor, classes: Tensor, scale: Tensor) -> Tensor:
        """The same of what `reduce` makes of the decoder's map."""
        fine = self._fine(images)
        coarse = F.interpolate(self.dropout(coarse), scale_factor=2, mode="bilinear", align_corners=False)
        joined = torch.cat([fine, coarse], dim=1)
        joined = self.join(joined) if self.folded_join is None else self.folded_join(joined)
        pixels = joined.permute(0, 2, 3, 1)
        if self.text_similarity is not None:
            logits: Tensor = self.text_similarity(pixels, classes, _LEAST_NORM, scale)
        else:
            dots, norm = self._similarity(pixels, classes)
            logits = dots * (scale / norm)
        return logits.permute(0, 3, 1, 2)

    def _fine(self, images: Tensor) -> Tensor:
        """What the stems see, mixed: [B, c, H/2, W/2]."""
        if self.folded_stem is None or self.folded_mix is None:
            rgb, thermal = images.chunk(2)
            thermal = thermal[:, :1]  # of three equal channels
            fine: Tensor = self.mix(torch.cat([self.rgb_stem(rgb), self.thermal_stem(thermal)], dim=1))
            return fine
        # Channels of a pair one after the other; of thermal's three equal ones the first. For one pair this is a view.
        channels = images.unflatten(0, (2, -1)).transpose(0, 1).flatten(1, 2)[:, :4]
        fine = self.folded_mix(self.folded_stem(channels))
        return fine

    def _similarity(self, pixels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """What `TextSimilarity` divides, for weights that are trained: pixels [..., C] -> dots [..., N], norm [..., 1].

        |W x + b|^2 = [x; 1]^T G [x; 1] with G = [W b]^T [W b]: at this resolution embeddings themselves would take most
        of a training step's memory.
        """
        # (Shapes alone, on the device `meta`, know no autocast.)
        exact = nullcontext() if pixels.is_meta else torch.autocast(pixels.device.type, enabled=False)
        with exact:
            x = pixels.to(self.head.weight.dtype)
            stacked = torch.cat([self.head.weight.flatten(1), self._bias()[:, None]], dim=1)  # [D, C + 1]
            directions = classes.to(stacked.dtype) @ stacked  # [N, C + 1]
            gram = stacked.T @ stacked
            dots = F.linear(x, directions[:, :-1], directions[:, -1])
            rest = F.linear(x, gram[:-1, :-1], 2.0 * gram[:-1, -1])
            square = (x * rest).sum(dim=-1, keepdim=True) + gram[-1, -1]
            return dots, square.clamp_min(_LEAST_NORM**2).sqrt()

    def _bias(self) -> Tensor:
        assert self.head.bias is not None
        return self.head.bias

    def prepare_for_serving(self) -> None:
        """Compare with classes as `TextSimilarity` does, and fold batch normalisation; training mode ends it."""
        self.text_similarity = text_similarity(self.head)
        like = self.head.weight
        rgb, rgb_bias = _folded(self.rgb_stem)
        thermal, thermal_bias = _folded(self.thermal_stem)
        # Each stem sees its own image's channels: those of the other are zeros.
        stem = torch.cat([F.pad(rgb, (0, 0, 0, 0, 0, 1)), F.pad(thermal, (0, 0, 0, 0, 3, 0))])
        self.folded_stem = FoldedLayer(stem, torch.cat([rgb_bias, thermal_bias]), like, "relu", stride=2)
        self.folded_mix = FoldedLayer(*_folded(self.mix), like, "relu")
        self.folded_join = FoldedLayer(*_folded(self.join), like, "relu")

    def train(self, mode: bool = True) -> "DetailHead":
        if mode:
            self.text_similarity = None
            self.folded_stem = self.folded_mix = self.folded_join = None
        return super().train(mode)


def _folded(layers: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of what `_conv` has made."""
    convolution, norm, _ = layers
    return fold_norm(cast(nn.Conv2d, convolution), cast(nn.BatchNorm2d, norm))
