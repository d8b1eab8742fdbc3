"""What turns gradients into weights: parameter groups, learning rate over time, moving average of the weights."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..config.schema import TrainConfig


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters; vectors and scalars (biases, norms, scales) are not decayed."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def learning_rate(train: TrainConfig, done: float, step: int, plateau: float = 1.0) -> float:
    """Learning rate of a step (the first is 0) of a run: linear warm-up, then falling to zero at the end.

    It depends on nothing else, so a resumed run needs no state of it; but for the schedule `plateau`, where it stays
    but for the factor that validations have led to.

    Args:
        train: schedule, warm-up and rate.
        done: share of the run that lies behind, 0 to 1.
        step: this one.
        plateau: `Plateau.scale`.
    """
    risen = min(1.0, (step + 1) / max(1, train.warmup_steps))
    warmup = train.warmup_ratio + (1.0 - train.warmup_ratio) * risen
    if train.schedule == "plateau":
        return train.lr * warmup * plateau
    left = max(0.0, 1.0 - done)
    if train.schedule == "cosine":
        return train.lr * warmup * 0.5 * (1.0 - math.cos(math.pi * left))
    return train.lr * warmup * left**train.poly_power


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The optimizer's own tensors by kind and parameter, for instance `exp_avg.hpd.head.weight`."""
    return {
        f"{kind}.{name}": tensor
        for name, parameter in parameters.items()
        for kind, tensor in optimizer.state[parameter].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> None:
    """Give a new optimizer of the same parameters what `optimizer_tensors` told of another."""
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    places = {id(parameter): place for place, parameter in enumerate(order)}
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind, name = key.split(".", 1)
        state.setdefault(places[id(parameters[name])], {})[kind] = tensor
    # Loading, not assigning, brings each tensor to the device where the optimizer wants it.
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


class MovingAverage:
    """Exponential moving average of tensors; a young average forgets faster.

    Args:
        state: the tensors at the start, by name; see `training.engine.trained_state`.
        decay: share of the average that a step keeps.
    """

    def __init__(self, state: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in state.items()}

    @torch.no_grad()
    def update(self, state: Mapping[str, Tensor]) -> None:
        """Take the tensors of one more step in; integers (counts) are copied."""
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        floats = [name for name, mean in self.tensors.items() if mean.is_floating_point()]
        # At once: on a GPU hundreds of small tensors one by one take longer than a forward pass.
        torch._foreach_lerp_(
            [self.tensors[name] for name in floats], [state[name] for name in floats], 1 - kept
        )
        for name in self.tensors.keys() - set(floats):
            self.tensors[name].copy_(state[name])
        self.updates += 1

    @contextmanager
    def applied(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """Put the average in the place of these tensors for a while."""
        current = {name: tensor.detach().clone() for name, tensor in state.items()}
        copy_tensors(self.tensors, state)
        try:
            yield
        finally:
            copy_tensors(current, state)


@torch.no_grad()
def copy_tensors(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    """Overwrite each tensor with the one of its name."""
    for name, tensor in target.items():
        tensor.copy_(source[name])
