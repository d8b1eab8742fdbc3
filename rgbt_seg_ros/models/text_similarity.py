"""Similarity of features to text vectors in the serving form, without making the text-wide features themselves."""

import torch
from torch import Tensor, nn

from rgbt_seg_ros.models.layers.fused_layers import exact, linear
from rgbt_seg_ros.models.layers.kept import Kept


class TextSimilarity(nn.Module):
    """Dot products of y = W x + b with vectors, over the norm of y, for a linear map that is no longer trained.

    SACF (Eq. 8) and HPD (Eq. 19) widen their features to the text's width D for nothing but these. Exactly the same
    numbers come cheaper by [W b] = Q R, where Q has orthonormal columns and R has C + 1 rows instead of D: of
    z = R [x; 1], the dot product with Q^T e is that of y with e, and |z| = |y|.

    Args:
        layer: a linear layer or 1x1 convolution from C to D channels; its weights are copied.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        weight, bias = exact(layer)
        basis, factor = torch.linalg.qr(torch.cat([weight.flatten(1), bias[:, None]], dim=1))
        # Not saved: made of the layer's weights whenever a model begins to serve.
        for name, made in (("basis", basis), ("weight", factor[:, :-1]), ("bias", factor[:, -1])):
            self.register_buffer(name, made.to(layer.weight).contiguous(), persistent=False)
        self.basis: Tensor
        self.weight: Tensor
        self.bias: Tensor
        self._directions, self._rows, self._offsets = Kept(), Kept(), Kept()

    def forward(self, x: Tensor, vectors: Tensor, least: float, scale: Tensor | float = 1.0) -> Tensor:
        """scale * <y, e> / |y| of every vector e: x [..., C], vectors [N, D] -> [..., N]; `least` is the least |y|."""
        if self._are_many(vectors):
            return self.compare(linear(x, self.weight, self.bias), vectors, least, scale)
        directions = self._directions(torch.matmul, vectors, self.basis)
        # Dot products are linear, too, and so made in the same call: z comes first, then these.
        both = linear(
            x, self._rows(_stacked, self.weight, directions), self._offsets(_stacked, self.bias, directions)
        )
        width = len(self.weight)
        return both[..., width:] * (scale / _norm(both[..., :width], least))

    def compare(self, z: Tensor, vectors: Tensor, least: float, scale: Tensor | float = 1.0) -> Tensor:
        """The same of z = R [x; 1], [..., C + 1]."""
        directions = self._directions(torch.matmul, vectors, self.basis)
        factor = scale / _norm(z, least)
        if self._are_many(vectors):
            return linear(z * factor, directions, None)
        return linear(z, directions, None) * factor

    def _are_many(self, vectors: Tensor) -> bool:
        """Whether z is narrower than its dot products, so that it is what is divided; exported, the number is open."""
        return not torch.compiler.is_compiling() and len(vectors) > len(self.weight)


def _norm(z: Tensor, least: float) -> Tensor:
    """[..., C] -> [..., 1]."""
    norm = z.norm(dim=-1, keepdim=True)
    # Half precision knows no 1 / 1e-6.
    return norm.to(torch.promote_types(norm.dtype, torch.float32)).clamp_min(least)


def _stacked(made: Tensor, directions: Tensor) -> Tensor:
    """Rows of R or its last column, [C + 1, ...], and below them what the directions [N, C + 1] make of them."""
    return torch.cat([made, directions @ made])


def text_similarity(layer: nn.Linear | nn.Conv2d) -> TextSimilarity | None:
    """A `TextSimilarity` where it is cheaper than the layer itself: where C + 1 is less than D."""
    width, channels = layer.weight.shape[:2]
    return TextSimilarity(layer) if channels + 1 < width else None
