"""What turns gradients into weights: parameter groups, learning rate over time, moving average of the weights."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .config import TrainConfig


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Average of weights and batch statistics; young averages forget faster, and decay 0 copies the network."""

    def average(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(mean, value, 1 - kept) if mean.is_floating_point() else value

    return AveragedModel(network, avg_fn=average, use_buffers=True)


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained parameters; vectors and scalars (biases, norms, scales) are not decayed."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def lr_schedule(
    optimizer: torch.optim.Optimizer, train: TrainConfig, steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then polynomial decay to zero at the last step."""

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / max(1, train.warmup_steps))
        return warmup * max(0.0, 1.0 - step / steps) ** train.poly_power

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
