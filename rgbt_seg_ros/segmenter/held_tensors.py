"""What a captured run of a network reads, and what must therefore outlive its modules' own references."""

from dataclasses import fields, is_dataclass

from torch import Tensor, nn


def held_tensors(network: nn.Module) -> list[Tensor]:
    """All that the modules of a network refer to: weights, buffers, and what they keep from run to run.

    A module may replace the latter when the size or the classes change, while a graph still reads it.
    """
    return [tensor for module in network.modules() for tensor in _tensors_in(vars(module))]


def _tensors_in(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for each in value.values() for tensor in _tensors_in(each)]
    if isinstance(value, list | tuple):
        return [tensor for each in value for tensor in _tensors_in(each)]
    if is_dataclass(value) and not isinstance(value, type):
        return _tensors_in([getattr(value, each.name) for each in fields(value)])
    return []
