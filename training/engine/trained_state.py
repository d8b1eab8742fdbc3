"""Which tensors of a network training changes. All others are its frozen base, which checkpoints leave out."""

import hashlib

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def trained_parameters(network: nn.Module) -> dict[str, Tensor]:
    """Parameters that the optimizer changes, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def batch_statistics(network: nn.Module) -> dict[str, Tensor]:
    """Running statistics of batch normalisation, by name; every forward pass in training mode changes them."""
    return {
        f"{name}.{key}": buffer
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for key, buffer in module.named_buffers(recurse=False)
    }


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """All tensors that training changes, by name: the network's own, not copies."""
    return {**trained_parameters(network), **batch_statistics(network)}


def frozen_hash(network: nn.Module) -> str:
    """SHA-256 over names and values of all tensors that training leaves alone."""
    trained = trained_state(network)
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name not in trained:
            digest.update(name.encode() + b"\0")
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
