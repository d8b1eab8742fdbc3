"""Linear layers and convolutions in service, with what follows them in one call where there is one."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.layers import onednn
from rgbt_seg_ros.models.layers.onednn import PackedWeight, has_onednn

_LARGEST_HIDDEN = 4 << 20
"""Numbers of a hidden layer that is made as a whole on the CPU: 16 MiB."""

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"": lambda y: y, "relu": F.relu, "gelu": F.gelu}


def _takes_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN computes this: float32 on the CPU, for an answer alone, and not when PyTorch only watches."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and has_onednn()
    )


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: str = "",
    plus: Tensor | None = None,
    packed: PackedWeight | None = None,
) -> Tensor:
    """x [..., C] -> activation(W x + b) + plus, [..., D], as `onednn.linear`, which computes it where it can."""
    if _takes_onednn(x, weight):
        return onednn.linear(x, weight, bias, activation, plus, packed)
    made = _ACTIVATIONS[activation](F.linear(x, weight, bias))
    return made if plus is None else plus + made


class FusedLinear(nn.Linear):
    """A linear layer in service, see `fuse_linear_layers`."""

    packed: PackedWeight

    def forward(self, x: Tensor, activation: str = "", plus: Tensor | None = None) -> Tensor:
        """[..., C] -> [..., D]; the activation and `plus` are those of `linear`."""
        return linear(x, self.weight, self.bias, activation, plus, self.packed)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FusedLinear":
        self.packed.forget()
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> "FusedLinear":
        if mode:
            self.__class__ = nn.Linear  # type: ignore[assignment]
            del self.packed
        nn.Linear.train(self, mode)
        return self


def run(layer: nn.Module, x: Tensor, activation: str = "", plus: Tensor | None = None) -> Tensor:
    """activation(layer(x)) + plus, in one call where the layer is a linear one in service."""
    if isinstance(layer, FusedLinear):
        fused: Tensor = layer(x, activation, plus)
        return fused
    made: Tensor = _ACTIVATIONS[activation](layer(x))
    return made if plus is None else plus + made


def in_parts(make: Callable[..., Tensor], width: int, *rows: Tensor, together: int = 0) -> Tensor:
    """`make(*rows)`, on the CPU for an answer alone some rows at a time where its widest layer would be large.

    What does not fit into a processor's cache is written and read again, and blocks above 32 MiB also cost the system's
    time to give them (see `base.host.keep_freed_memory`): a third more for the largest layers of SHIFNet tiny.

    Args:
        make: of tensors [..., C] alike but for their channels, row by row, one such tensor.
        width: channels of its widest layer.
        together: dimensions before the channels that `make` sees as a whole, 2 for windows [..., h, w, C].
    """
    x = rows[0]
    parts = -(-(x.numel() // x.shape[-1]) * width // _LARGEST_HIDDEN)
    if parts < 2 or x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return make(*rows)
    first = x.shape[: -1 - together]
    chunks = zip(*(each.flatten(0, len(first) - 1).chunk(parts) for each in rows), strict=True)
    return torch.cat([make(*chunk) for chunk in chunks]).unflatten(0, first)


def fuse_linear_layers(network: nn.Module) -> None:
    """Have every linear layer of a network computed by `linear`; training mode ends it."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = FusedLinear
            cast(FusedLinear, module).packed = PackedWeight()


class FoldedLayer(nn.Module):
    """A linear layer or convolution, made of the weights of several layers, with the activation that follows.

    Its weights are not saved: they are made of the layers' own whenever a model begins to serve.

    Args:
        weight: [D, C] of a linear layer over the channels, or [D, C, kh, kw] of a convolution.
        bias: [D].
        like: a weight whose type and device it gets.
        activation: `relu`, `gelu` or none.
        stride: of a convolution; its padding keeps the size.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, like: Tensor, activation: str = "", stride: int = 1
    ) -> None:
        super().__init__()
        self.activation, self.stride = activation, stride
        if weight.ndim == 4 and weight.shape[2:] == (1, 1) and stride == 1:
            weight = weight.flatten(1)
        order = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
        self.register_buffer(
            "weight", weight.detach().to(like).contiguous(memory_format=order), persistent=False
        )
        self.register_buffer("bias", bias.detach().to(like).contiguous(), persistent=False)
        self.weight: Tensor
        self.bias: Tensor
        self._packed = PackedWeight()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FoldedLayer":
        self._packed.forget()
        return super()._apply(fn, recurse)

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """[B, C, h, w] -> [B, D, h', w'], whose channels lie last in memory; added to `plus` if given."""
        if self.weight.ndim == 2:
            plus = None if plus is None else plus.permute(0, 2, 3, 1)
            return self.tokens(x.permute(0, 2, 3, 1), plus).permute(0, 3, 1, 2)
        padding, stride = [size // 2 for size in self.weight.shape[2:]], [self.stride] * 2
        if _takes_onednn(x, self.weight):
            return onednn.convolution(
                x, self.weight, self.bias, padding, stride, self.activation, plus, self._packed
            )
        made = _ACTIVATIONS[self.activation](F.conv2d(x, self.weight, self.bias, stride, padding))
        return made if plus is None else plus + made

    def tokens(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """[..., C] -> [..., D], of a linear layer; added to `plus` if given."""
        return linear(x, self.weight, self.bias, self.activation, plus, self._packed)


def exact(layer: nn.Linear | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer in float64, in which weights are multiplied with each other; zeros for no bias."""
    weight = layer.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
    return weight, bias


def fold_norm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of a convolution with the batch normalisation after it, as it is in evaluation mode."""
    weight, bias = exact(convolution)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    shift = norm.bias.detach().double() - mean.double() * scale
    return weight * scale[:, None, None, None], bias * scale + shift
