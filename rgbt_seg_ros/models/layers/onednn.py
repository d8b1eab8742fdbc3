"""Layers by oneDNN, which PyTorch has for its compiler: what follows a layer comes in the same call.

PyTorch's own `linear` on the CPU first copies the bias into each row of the result, and an activation reads and writes
all of it again, as does a sum. On processors without AVX-512 some layers are faster that way, see `_activated` and
`_is_pytorchs`.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_LARGEST_KEPT = 1 << 20
"""Bytes of a weight that is kept twice; with larger ones the product takes so long that it makes no difference."""

_NARROW, _SMALL = 256, 1 << 17
"""Channels, and weights, from which on PyTorch's own product is faster without AVX-512."""

_ACTIVATIONS: dict[str, tuple[str, list[float], str]] = {
    "": ("none", [], ""),
    "gelu": ("gelu", [], "none"),
    # oneDNN's own ReLU makes 0 of what is not a number, and a broken network would give an answer. With a slope below 0
    # it does not, and one as small as this is 0 beside whatever is added to it.
    "relu": ("leaky_relu", [1e-30], ""),
}

_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda made: made,
    "gelu": torch.ops.aten.gelu_,
    "relu": torch.relu_,
}


class PackedWeight:
    """A layer's weight in the order in which oneDNN reads it, made at its first use and kept until `forget`.

    oneDNN makes that order anew in each call otherwise, which small layers notice. Of a convolution it depends on the
    size of the images, of which the last one counts. A copy is made anew: no module can copy, save or move such a
    tensor.
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
        """[D, C] as `linear` reads it."""
        if not _is_kept(weight):
            return weight
        if self._made is None:
            self._made = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        return self._made

    def convolution(
        self, weight: Tensor, padding: list[int], stride: list[int], size: tuple[int, ...]
    ) -> Tensor:
        """[D, C, kh, kw] as oneDNN reads it for images of a size [B, C, h, w]."""
        if not _is_kept(weight):
            return weight
        if self._made is None or self._for != size:
            reorder = torch.ops.mkldnn._reorder_convolution_weight
            self._made, self._for = reorder(weight, padding, stride, [1, 1], 1, list(size)), size
        return self._made


def _is_kept(weight: Tensor) -> bool:
    return weight.numel() * weight.element_size() <= _LARGEST_KEPT


@cache
def _has_avx512() -> bool:
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _is_pytorchs(weight: Tensor) -> bool:
    """Whether a layer with these weights [D, C] is one that oneDNN computes more slowly than PyTorch's own product.

    Without AVX-512 it takes up to a third longer where there are many channels before and after (AMD Zen 3).
    """
    large = min(weight.shape) >= _NARROW and weight.numel() >= _SMALL
    return large and not _has_avx512() and torch.backends.mkl.is_available()


def _activated(made: Callable[..., Tensor], activation: str) -> Tensor:
    """What a call makes with an activation.

    oneDNN's GELU is short with AVX-512 alone; without it, it takes three to four times as long as PyTorch's own.
    """
    if activation == "gelu" and not _has_avx512():
        return _IN_PLACE[activation](made(*_ACTIVATIONS[""]))
    return made(*_ACTIVATIONS[activation])


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str = "",
    plus: Tensor | None = None,
    packed: PackedWeight | None = None,
) -> Tensor:
    """x [..., C] -> activation(W x + b) + plus [..., D]; float32. A sum is part of the call if no activation is.

    Args:
        x, weight, bias: [..., C], [D, C] and [D].
        activation: `relu`, `gelu` or none.
        plus: [..., D].
        packed: of this weight, if it stays as it is.
    """
    if _is_pytorchs(weight):
        made = _IN_PLACE[activation](F.linear(x, weight, bias))
    else:
        weight = weight if packed is None else packed.linear(weight)
        if plus is not None and not activation and plus.dtype == x.dtype:
            summed: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, plus, weight, bias, "add")
            return summed
        made = _activated(partial(torch.ops.mkldnn._linear_pointwise, x, weight, bias), activation)
    if plus is None:
        return made
    return made.add_(plus) if plus.dtype == made.dtype else plus + made


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: list[int],
    stride: list[int],
    activation: str,
    plus: Tensor | None,
    packed: PackedWeight,
) -> Tensor:
    """x [B, C, h, w] -> activation(W * x + b) + plus [B, D, h', w'], as `linear`."""
    weight = packed.convolution(weight, padding, stride, tuple(x.shape))
    convolve, how = torch.ops.mkldnn._convolution_pointwise, (padding, stride, [1, 1], 1)
    if plus is None or activation or plus.dtype != x.dtype:
        made = _activated(partial(convolve, x, weight, bias, *how), activation)
        return made if plus is None else plus + made
    then: tuple[Any, ...] = ("add", 1.0, None, [], None)
    made = convolve.binary(x, plus, weight, bias, *how, *then)
    return made


@cache
def has_onednn() -> bool:
    """Whether all this works in this PyTorch, which is tried once: builds for other processors have other parts."""
    if not torch.backends.mkldnn.is_available():
        return False
    draw, right = torch.Generator().manual_seed(0), []
    shapes = ((1, 16, 6, 6), (1, 16, 6, 6), (16, 16, 3, 3), (16,))
    try:
        with torch.inference_mode():
            x, plus, weight, bias = (torch.randn(shape, generator=draw) for shape in shapes)
            x[0, :, 5, 5] = float("nan")
            rows, summand, matrix = x.permute(0, 2, 3, 1), plus.permute(0, 2, 3, 1), weight[:, :, 1, 1]
            packed, kernel = PackedWeight(), PackedWeight()
            product, convolved = F.linear(rows, matrix, bias), F.conv2d(x, weight, bias, padding=1)
            for name, activate in (("", lambda y: y), ("gelu", F.gelu), ("relu", F.relu)):
                right.append((linear(rows, matrix, bias, name, packed=packed), activate(product)))
                made = convolution(x, weight, bias, [1, 1], [1, 1], name, None, kernel)
                right.append((made, activate(convolved)))
            right.append((linear(rows, matrix, bias, "", summand, packed), product + summand))
            summed = convolution(x, weight, bias, [1, 1], [1, 1], "", plus, kernel)
            right.append((summed, convolved + plus))
            return all(
                torch.allclose(made, expected, atol=1e-4, rtol=1e-4, equal_nan=True)
                for made, expected in right
            )
    except (AttributeError, RuntimeError, TypeError):
        return False
