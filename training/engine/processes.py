"""The processes, device and precision of training, as accelerate has them."""

from datetime import timedelta

import torch
from accelerate import Accelerator, InitProcessGroupKwargs

from rgbt_seg_ros.base.precision import AUTO


def make_accelerator(precision: str, cpu: bool = False, log_with: str | None = None) -> Accelerator:
    """An accelerator; all of a process share the process group of the first one.

    Args:
        precision: `fp32`, `bf16`, `fp16`, or `auto`: `bf16` on a GPU, `fp32` on a CPU.
        cpu: although there may be a GPU.
        log_with: a tracker of accelerate's, for instance `wandb`.
    """
    cpu = cpu or not torch.cuda.is_available()
    if precision == AUTO:
        precision = "fp32" if cpu else "bf16"
    return Accelerator(
        mixed_precision="no" if precision == "fp32" else precision,
        # Without this torchrun's processes on a CPU would each train on their own.
        cpu=cpu,
        log_with=log_with,
        # One process draws pictures and writes files while the others wait for it.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=1))],
    )
