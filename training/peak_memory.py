"""The most memory that this process has held."""

import re
from pathlib import Path

import torch


def peak_memory(device: torch.device) -> int:
    """Bytes: those that PyTorch has allocated on a GPU, or all of the process (Linux' VmHWM) where it is the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Not getrusage: its maximum outlives exec, so a child would report its parent's.
    kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if kilobytes is None:
        raise OSError("/proc/self/status tells no VmHWM: memory is measured on Linux only")
    return 1024 * int(kilobytes[1])
