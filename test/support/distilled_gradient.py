"""`distilled_gradient.py OUT`: distillation losses of a batch, its gradient and the prototypes, as safetensors.

Several processes share the pairs of the batch, as they do in training.
"""

import sys

import torch
from accelerate import PartialState
from safetensors.torch import save_file
from torch import Tensor

from training.losses.distillation import PrototypeLoss, class_means, similarities, similarity_loss

CLASSES, DIM = 4, 6


def distilled_gradient(process: int = 0, processes: int = 1) -> dict[str, Tensor]:
    """Of the pairs of one process: `loss`, `gradient` by their features, and `prototypes` after it."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4, DIM, 2, 4, generator=generator)
    # Classes of the first process alone, of both, of the second alone, of none; other numbers of labelled pixels.
    label = torch.full((4, 32, 64), 255)
    label[0, :, :20], label[0, :, 20:] = 0, 1
    label[2:, :16, 16:], label[3, 16:] = 1, 2
    own = slice(process * 4 // processes, (process + 1) * 4 // processes)
    part = features[own].requires_grad_()
    loss = PrototypeLoss(CLASSES, DIM)
    loss.prototypes.copy_(torch.randn(CLASSES, DIM, generator=generator))
    loss.seen[:2] = True
    teacher = similarities(torch.randn(CLASSES, 5, generator=generator))
    means, counts = class_means(part, label[own], CLASSES)
    value = loss(means, counts) + similarity_loss(means, counts, teacher)
    (gradient,) = torch.autograd.grad(value, part)
    return {"loss": value.detach(), "gradient": gradient.contiguous(), "prototypes": loss.prototypes}


if __name__ == "__main__":
    state = PartialState(cpu=True)
    tensors = distilled_gradient(state.process_index, state.num_processes)
    save_file(tensors, f"{sys.argv[1]}.{state.process_index}")
