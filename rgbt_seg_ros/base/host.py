"""This machine and process: what a measurement was taken on, the memory that it took, settings of the process."""

import ctypes
import os
import platform
import re
import sys
from pathlib import Path

import torch

import rgbt_seg_ros

# Of malloc.h: the size from which a block is mapped on its own, and how much freed memory a process keeps.
_M_MMAP_THRESHOLD, _LARGEST_KEPT = -3, 32 << 20
_M_TRIM_THRESHOLD, _MOST_KEPT = -1, 1 << 30


def describe_host(device: torch.device | str = "cpu") -> dict[str, str]:
    """Processor, GPU if the device is one, cores that may be used, and versions: text by name."""
    host = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rgbt_seg_ros": rgbt_seg_ros.__version__,
    }
    device = torch.device(device)
    if device.type == "cuda":
        host["gpu"] = torch.cuda.get_device_name(device)
    return host


def peak_memory(device: torch.device) -> int:
    """Bytes that this process has held at the most: on a GPU PyTorch's, on the CPU all of them (Linux' VmHWM)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Not getrusage: its maximum outlives exec, so a child would report its parent's.
    kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if kilobytes is None:
        raise OSError("/proc/self/status tells no VmHWM: memory is measured on Linux only")
    return 1024 * int(kilobytes[1])


def memory_mb(device: torch.device) -> float:
    """Memory of the device that this process holds [MB]: its resident memory where that is the CPU (Linux)."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device) / 1e6
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def prepare_process(deterministic: bool = False) -> None:
    """Settings of the whole process for segmenting, see `keep_freed_memory`.

    They cannot be undone, or others rely on them: only a command, whose process it is, calls this.

    Args:
        deterministic: the same numbers from run to run. Some CUDA convolutions add up in an order that changes unless
            they are told not to.
    """
    keep_freed_memory()
    if deterministic:
        torch.backends.cudnn.deterministic = True


def keep_freed_memory() -> None:
    """Have this process keep memory that it has freed, up to 1 GiB, for what it needs next (glibc; nothing elsewhere).

    It holds for the whole process and cannot be undone. Otherwise each image's features are given back to the system
    and asked for again, page by page: 4000 page faults a pair with the packaged model, a tenth of its time on the CPU.
    """
    if sys.platform != "linux":
        return
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        allocator.mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)


def _processor() -> str:
    """The model name that Linux gives; elsewhere the architecture."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
