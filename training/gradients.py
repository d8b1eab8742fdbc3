"""The gradient of one step, whatever its batch is cut into: accumulated forward passes, processes, or both."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from .losses import SegmentationLoss
from .trained_state import batch_statistics


def accumulate_gradients(
    accelerator: Accelerator, network: nn.Module, loss: SegmentationLoss, batches: Sequence[dict[str, Tensor]]
) -> float:
    """Add the gradient of the mean loss over the labelled pixels of all batches of all processes.

    The sum of weights that the mean is divided by is taken over everything first, so that batches with few labels do
    not count more than in one big batch. Batch normalisation alone sees the parts: see `synchronize_statistics`.

    Args:
        network: as prepared by the accelerator.
        batches: of this process; `rgb`, `thermal` float32 [B, 3, H, W] and `label` int64 [B, H, W] each.

    Returns:
        The mean loss, the same in every process.
    """
    total = accelerator.reduce(torch.stack([loss.weight(batch["label"]) for batch in batches]).sum())
    parts = []
    for i, batch in enumerate(batches):
        last = i == len(batches) - 1
        with nullcontext() if last else accelerator.no_sync(network):
            with accelerator.autocast():
                logits = network(batch["rgb"], batch["thermal"])
            part = loss(logits, batch["label"], total)
            # Gradients are averaged over processes, but their losses are parts of one sum.
            accelerator.backward(part * accelerator.num_processes)
        parts.append(part.detach())
    return float(accelerator.reduce(torch.stack(parts).sum()))


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
