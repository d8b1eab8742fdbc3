"""Multiply-adds of a network, from shapes alone: nothing is computed, so a large training step needs no memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class MultiplyAdds:
    """Counts of one pass.

    Attributes:
        total: all of them; convolutions and matrix products count, sums and activations do not.
        attention: those of them in the products QK^T and AV of the trunk's attention, which some counts leave out.
    """

    total: int
    attention: int


def forward_multiply_adds(network: nn.Module, size: tuple[int, int]) -> MultiplyAdds:
    """What one pair of (height, width) costs.

    Args:
        network: is left without values (on PyTorch's meta device).
    """
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        _outputs(network, size)
    return _counted(counter)


def training_multiply_adds(network: nn.Module, size: tuple[int, int]) -> MultiplyAdds:
    """What forward and backward pass of one pair of (height, width) cost, with what checkpointing computes twice.

    Args:
        network: in training mode, frozen as it is to be trained; is left without values (on PyTorch's meta device).
    """
    counter = FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten.convolution_backward: _convolution_backward}
    )
    with counter:
        torch.stack([output.mean() for output in _outputs(network, size)]).sum().backward()
    return _counted(counter)


def _outputs(network: nn.Module, size: tuple[int, int]) -> list[torch.Tensor]:
    """What a network answers: one tensor, or in training those that its losses need."""
    image = torch.zeros(1, 3, *size, device="meta")
    answer = network.to("meta")(image, image)
    return [answer] if isinstance(answer, torch.Tensor) else [part for part in answer if part is not None]


def _convolution_backward(
    output: Sequence[int], _image: Sequence[int], weight: Sequence[int], *rest: Any, **_: Any
) -> int:
    """Operations of the gradients that are asked for; each costs what the convolution did.

    The counter's own formula (PyTorch 2.14) takes grouped convolutions for full ones.
    """
    image_asked, weight_asked, _bias_asked = rest[-1]
    return 2 * math.prod(output) * math.prod(weight[1:]) * (image_asked + weight_asked)


def _counted(counter: FlopCounterMode) -> MultiplyAdds:
    # A multiply-add is two operations. In a trunk only attention's QK^T and AV are products of two batches (`bmm`).
    attention = sum(
        operations
        for module, counts in counter.get_flop_counts().items()
        for operator, operations in counts.items()
        if module.endswith(".trunk") and operator == torch.ops.aten.bmm
    )
    return MultiplyAdds(counter.get_total_flops() // 2, attention // 2)
