"""What a measurement was taken on."""

import os
import platform

import torch

import rgbt_seg_ros


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


def _processor() -> str:
    """The model name that Linux gives; elsewhere the architecture."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
