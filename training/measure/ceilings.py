"""What a machine can do at the most, measured: copies and products, which every network is made of."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from rgbt_seg_ros.models.layers import onednn
from rgbt_seg_ros.segmenter.graph_capture import finish_all

REPEATS = 7


@dataclass(frozen=True)
class Ceilings:
    """Measured rates of a device.

    Attributes:
        copy_bytes_per_s: memory traffic of a copy within its memory, read and written.
        upload_bytes_per_s, download_bytes_per_s: between pinned memory of the host and its own.
        operations_per_s: of a product of large matrices, by precision; a multiply-add is two operations. On a CPU
            the faster of PyTorch's own and a layer's in service, which differ by a factor of two on some processors.
    """

    copy_bytes_per_s: float
    upload_bytes_per_s: float
    download_bytes_per_s: float
    operations_per_s: dict[str, float]

    def floor_ms(self, multiply_adds: float, moved_bytes: float, precision: str) -> float:
        """The least time of work that computes and moves at once [ms]: the roofline."""
        computing = 2.0 * multiply_adds / self.operations_per_s[precision]
        return 1e3 * max(computing, moved_bytes / self.copy_bytes_per_s)


def measure_ceilings(device: torch.device) -> Ceilings:
    """Measure a device; takes some seconds."""
    is_cuda = device.type == "cuda"
    number = (1 << 30) if is_cuda else (1 << 26)
    source, target = (torch.zeros(number, dtype=torch.uint8, device=device) for _ in range(2))
    copy = 2 * number / _seconds(lambda: target.copy_(source), device)
    upload = download = copy
    if is_cuda:
        host = torch.zeros(number // 4, dtype=torch.uint8, pin_memory=True)
        part = target[: number // 4]
        upload = host.numel() / _seconds(lambda: part.copy_(host, non_blocking=True), device)
        download = host.numel() / _seconds(lambda: host.copy_(part, non_blocking=True), device)
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    side = 8192 if is_cuda else 2048
    return Ceilings(
        copy,
        upload,
        download,
        # A CPU computes in float32 here.
        {name: _product(side, kind, device) for name, kind in kinds.items() if is_cuda or name == "fp32"},
    )


def _product(side: int, kind: torch.dtype, device: torch.device) -> float:
    one, other = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    products = [lambda: one @ other]
    if device.type == "cpu" and onednn.has_onednn():
        products.append(lambda: onednn.linear(one, other, None))
    return 2.0 * side**3 / min(_seconds(product, device) for product in products)


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """The fastest of several runs: what else the machine does is no part of what it can."""
    times = []
    for _ in range(REPEATS + 2):
        started = time.perf_counter()
        action()
        finish_all(device)
        times.append(time.perf_counter() - started)
    return min(times[2:])
