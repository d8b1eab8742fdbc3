"""The architectures by name: what each can be built with, and the one way to build it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models.choices import WORDS, Words, check_architecture
from rgbt_seg_ros.models.sartm import network as sartm
from rgbt_seg_ros.models.shifnet import network as shifnet


@dataclass(frozen=True)
class Architecture(Words):
    """One architecture.

    Attributes:
        build: makes a network that can be trained, of `size`, `class_embeddings` and `arguments`.
        build_served: makes one for service with the same state dict, without what only training needs.
    """

    build: Callable[..., nn.Module]
    build_served: Callable[..., nn.Module]


ARCHITECTURES = {
    "shifnet": Architecture(
        **vars(WORDS["shifnet"]),
        build=shifnet.SHIFNet,
        build_served=shifnet.SHIFNet,
    ),
    "sartm": Architecture(
        **vars(WORDS["sartm"]),
        build=sartm.SARTM,
        # Without `peft`, which the machine that a model serves on need not have.
        build_served=partial(sartm.SARTM, merged=True),
    ),
}
"""Every architecture by the name that model files, configurations and commands use."""


def build_model(
    arch: str, config: Mapping[str, Any], class_embeddings: Tensor, served: bool = False
) -> nn.Module:
    """A new model of an architecture.

    Args:
        arch: a key of `ARCHITECTURES`.
        config: its size and its arguments, as in a model card; what is left out has its default.
        class_embeddings: [N, D].
        served: build it for service; else it can be trained.

    Raises:
        UserError: unknown architecture or configuration.
    """
    check_architecture(arch)
    architecture = ARCHITECTURES[arch]
    build = architecture.build_served if served else architecture.build
    try:
        return build(**config, class_embeddings=class_embeddings)
    except TypeError as error:
        raise UserError(f"configuration {dict(config)} does not fit architecture {arch}: {error}") from error


def state_shapes(
    arch: str, config: Mapping[str, Any], embedding_shape: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Shapes by name of what a network for service holds, told without the memory and the time to make its weights.

    Args:
        arch, config: as in `build_model`.
        embedding_shape: of the class embeddings, (N, D).

    Raises:
        UserError: unknown architecture or configuration, or one that no network can be made of.
    """
    with _WithoutContent():
        try:
            network = build_model(arch, config, torch.empty(embedding_shape), served=True)
        except UserError:
            raise
        except Exception as error:  # whatever a network makes of numbers that it was never meant for
            raise UserError(
                f"no network of architecture {arch} can be built with {dict(config)}: {error}"
            ) from error
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


class _WithoutContent(TorchFunctionMode):
    """Within this, new tensors of weights have a shape alone. Others, as of `torch.linspace`, stay: they are read."""

    _MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        extra = {"device": "meta"} if func in self._MAKERS else {}
        return func(*args, **{**(kwargs or {}), **extra})
