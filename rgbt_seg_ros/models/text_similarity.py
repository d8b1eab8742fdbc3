"""Similarity of features to text vectors in the serving form, without making the text-wide features themselves."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TextSimilarity(nn.Module):
    """Dot products of y = W x + b with vectors, and the norm of y, for a linear map that is no longer trained.

    SACF (Eq. 8) and HPD (Eq. 19) widen their features to the text's width D for nothing but these two. Exactly the
    same numbers come cheaper: y.e = x.(W^T e) + b.e, and |y| = |R [x; 1]| with the triangular factor R of [W b] = Q R,
    which has C + 1 rows instead of D.

    Args:
        layer: a linear layer or 1x1 convolution from C to D channels; its weights are copied.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        weight, bias = layer.weight.detach().flatten(1), layer.bias
        assert bias is not None
        stacked = torch.cat([weight, bias.detach()[:, None]], dim=1)  # [D, C + 1]
        factor = torch.linalg.qr(stacked.double(), mode="r").R.to(weight.dtype)
        # Not saved: made of the layer's weights whenever a model begins to serve.
        self.register_buffer("stacked", stacked, persistent=False)
        self.register_buffer("factor", factor, persistent=False)
        self.stacked: Tensor
        self.factor: Tensor

    def forward(self, x: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """x [..., C], vectors [N, D] -> dot products [..., N], norm [..., 1]."""
        directions = vectors @ self.stacked  # [N, C + 1]
        dots = F.linear(x, directions[:, :-1], directions[:, -1])
        norm = F.linear(x, self.factor[:, :-1], self.factor[:, -1]).norm(dim=-1, keepdim=True)
        return dots, norm


def text_similarity(layer: nn.Linear | nn.Conv2d) -> TextSimilarity | None:
    """A `TextSimilarity` where it is cheaper than the layer itself: where C + 1 is less than D."""
    width, channels = layer.weight.shape[:2]
    return TextSimilarity(layer) if channels + 1 < width else None
