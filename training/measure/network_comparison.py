"""Architectures and sizes side by side: weights, multiply-adds, and their speed in one run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from rgbt_seg_ros.base.host import describe_host, peak_memory
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.models import build_model
from rgbt_seg_ros.models.serving_form import serving_form
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings

from .baseline import BASELINES, plain_form
from .multiply_adds import forward_multiply_adds

EMBEDDINGS = "config/embeddings/mfnet_minilm.safetensors"
"""Whose classes the networks tell apart."""


@dataclass
class Candidate:
    """One architecture and size, of random weights.

    Attributes:
        arch, size: its names.
        plain, served: its two forms (see `plain_form`, `serving_form`), of the same weights, in evaluation mode.
        parameters, trained: numbers of its weights, and of those of them that training changes.
        plain_seconds, served_seconds: for one pair each.
    """

    arch: str
    size: str
    plain: nn.Module
    served: nn.Module
    parameters: int
    trained: int
    plain_seconds: list[float]
    served_seconds: list[float]


def compare_networks(
    names: Sequence[tuple[str, str]], size: tuple[int, int], pairs: int, device: torch.device
) -> dict[str, Any]:
    """Run networks in turn on random pairs of a size (height, width), float32; random weights cost what others do.

    Args:
        names: architecture and size of each; times are compared with those of the first one.

    Returns:
        What `--json` writes: `networks`, a list with `parameters`, `trained`, `multiply_adds` of the plain form,
        `multiply_adds_served`, `latency_ms` (the median of the served form), `speedup` (how many times as long the
        plain form takes) and `times_first` (how many times as long it takes as the first network, both served).

    Raises:
        UserError: there is no such architecture or size.
    """
    torch.manual_seed(0)
    embeddings = load_class_embeddings(share_path(EMBEDDINGS)).vectors
    candidates = [_candidate(arch, name, embeddings, device) for arch, name in names]
    for number in track(range(pairs + 1), description="pairs"):
        rgb, thermal = torch.randn(2, 1, 3, *size).to(device)
        thermal = thermal[:, :1].expand_as(rgb)  # three equal channels, which the serving form counts on
        for candidate in candidates:
            served = _seconds(candidate.served, rgb, thermal)
            plain = _seconds(candidate.plain, rgb, thermal)
            if number > 0:  # the first one warms up
                candidate.served_seconds.append(served)
                candidate.plain_seconds.append(plain)
    memory = peak_memory(device)
    first = float(np.median(candidates[0].served_seconds))
    return {
        "size": list(size),
        "device": str(device),
        "pairs": pairs,
        "networks": [_facts(candidate, size, first) for candidate in candidates],
        "peak_memory": memory,
        "host": describe_host(device),
    }


def _candidate(arch: str, size: str, embeddings: Tensor, device: torch.device) -> Candidate:
    plain = build_model(arch, {"size": size}, embeddings)
    served = build_model(arch, {"size": size}, embeddings, served=True)
    served.load_state_dict(plain.state_dict())
    weights = list(plain.parameters())
    return Candidate(
        arch=arch,
        size=size,
        plain=plain_form(plain).to(device),
        served=serving_form(served).to(device),
        parameters=sum(weight.numel() for weight in weights),
        trained=sum(weight.numel() for weight in weights if weight.requires_grad),
        plain_seconds=[],
        served_seconds=[],
    )


@torch.inference_mode()
def _seconds(network: nn.Module, rgb: Tensor, thermal: Tensor) -> float:
    """From a pair to its mask, on the CPU."""
    started = time.perf_counter()
    network(rgb, thermal).argmax(dim=1).cpu()
    return time.perf_counter() - started


def _facts(candidate: Candidate, size: tuple[int, int], first: float) -> dict[str, Any]:
    served, plain = (
        float(np.median(seconds)) for seconds in (candidate.served_seconds, candidate.plain_seconds)
    )
    return {
        "arch": candidate.arch,
        "size": candidate.size,
        "parameters": candidate.parameters,
        "trained": candidate.trained,
        # Counted last, since counting takes the weights away.
        "multiply_adds": forward_multiply_adds(candidate.plain, size).total,
        "multiply_adds_served": forward_multiply_adds(candidate.served, size).total,
        "latency_ms": 1e3 * served,
        "speedup": plain / served,
        "times_first": served / first,
        "baseline": BASELINES[candidate.arch],
    }
