"""Weights in the order in which oneDNN reads them.

It brings a weight into an order of its own before each product, which small layers notice: of the packaged model's time
on a CPU that is a twentieth.
"""

import torch
from torch import Tensor

_LARGEST = 1 << 20
"""Bytes of a weight that is kept twice; with larger ones the product takes so long that it makes no difference."""


class PackedWeight:
    """What oneDNN makes of a layer's weight, made at its first use and kept until `forget`.

    Of a convolution it depends on the size of the images, of which the last one counts. A copy is made anew: no other
    module can copy, save or move such a tensor.
    """

    def __init__(self) -> None:
        self._made: Tensor | None = None
        self._for: tuple[int, ...] = ()

    def __reduce__(self) -> tuple[type["PackedWeight"], tuple[()]]:
        return PackedWeight, ()

    def forget(self) -> None:
        """The weight is another one now."""
        self._made = None

    def linear(self, weight: Tensor) -> Tensor:
        """[D, C] as oneDNN reads it."""
        if weight.numel() * weight.element_size() > _LARGEST:
            return weight
        if self._made is None:
            self._made = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        return self._made

    def convolution(
        self, weight: Tensor, padding: list[int], stride: list[int], size: tuple[int, ...]
    ) -> Tensor:
        """[D, C, kh, kw] as oneDNN reads it for images of a size [B, C, h, w]."""
        if weight.numel() * weight.element_size() > _LARGEST:
            return weight
        if self._made is None or self._for != size:
            reorder = torch.ops.mkldnn._reorder_convolution_weight
            self._made, self._for = reorder(weight, padding, stride, [1, 1], 1, list(size)), size
        return self._made
