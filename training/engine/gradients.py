"""The gradient of one step, whatever its batch is cut into: accumulated forward passes, processes, or both."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..losses.criterion import Criterion
from .trained_state import batch_statistics


class StepLoss(NamedTuple):
    """What a step minimised, the same in every process.

    Attributes:
        terms: weighted, by name; they add up to the loss.
        gradient_norms: of each term by all trained parameters; empty where not measured, or of one term alone.
    """

    terms: dict[str, float]
    gradient_norms: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.terms.values())


def accumulate_gradients(
    accelerator: Accelerator,
    network: nn.Module,
    loss: Criterion,
    batches: Sequence[dict[str, Tensor]],
    measure: bool = False,
) -> StepLoss:
    """Add the gradient of the mean loss over all batches of all processes.

    What the mean is divided by (for SHIFNet, the weights of all labelled pixels) is summed over everything first, so
    that batches with few labels do not count more than in one big batch. Batch normalisation alone sees the parts
    (see `synchronize_statistics`), and what a loss itself says of them.

    Args:
        network: as prepared by the accelerator.
        batches: of this process; `rgb`, `thermal` float32 [B, 3, H, W] and `label` int64 [B, H, W] each.
        measure: tell the gradient norms of the terms, which takes a backward pass for each of them.
    """
    total = accelerator.reduce(torch.stack([loss.weight(batch["label"]) for batch in batches]).sum())
    values: list[Tensor] = []
    gradients: list[Tensor] = []
    for i, batch in enumerate(batches):
        last = i == len(batches) - 1
        with nullcontext() if last else accelerator.no_sync(network):
            with accelerator.autocast():
                output = network(batch["rgb"], batch["thermal"])
            named = loss.terms(output, batch["label"], total)
            terms = torch.stack(list(named.values()))
            values.append(terms.detach())
            # Gradients are averaged over processes, but their losses are parts of one sum.
            terms = terms * accelerator.num_processes
            if measure and len(named) > 1:
                gradients.append(_gradients(accelerator, network, terms))
            accelerator.backward(terms.sum())
    reduced = accelerator.reduce(torch.stack(values).sum(0)).tolist()
    losses = dict(zip(named, reduced, strict=True))
    if not gradients:
        return StepLoss(losses, {})
    norms = accelerator.reduce(torch.stack(gradients).sum(0), "mean").norm(dim=1).tolist()
    return StepLoss(losses, dict(zip(named, norms, strict=True)))


def _gradients(accelerator: Accelerator, network: nn.Module, terms: Tensor) -> Tensor:
    """Gradients of terms [T] by all trained parameters, in this process alone, [T, P]; the graph is kept."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    # In float16 small gradients vanish without the scale.
    scale = 1.0 if accelerator.scaler is None else accelerator.scaler.get_scale()
    rows = []
    for term in terms:
        parts = torch.autograd.grad(
            term * scale, trained, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([part.flatten() for part in parts]) / scale)
    return torch.stack(rows)


def convert_batch_norm(accelerator: Accelerator, network: nn.Module) -> nn.Module:
    """Let batch normalisation see the batches of all processes, where PyTorch can: on GPUs."""
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return network


def synchronize_statistics(accelerator: Accelerator, network: nn.Module) -> None:
    """Make the running statistics of batch normalisation the same in all processes: their mean.

    On CPUs each process normalises its own batches, and its statistics drift from the others'. Validation and
    checkpoints need one network.
    """
    statistics = [value for value in batch_statistics(network).values() if value.is_floating_point()]
    if accelerator.num_processes > 1 and accelerator.device.type == "cpu" and statistics:
        mean = accelerator.reduce(torch.cat([value.flatten() for value in statistics]), "mean")
        for value, part in zip(statistics, mean.split([value.numel() for value in statistics]), strict=True):
            value.copy_(part.view_as(value))
