"""The processes, device and precision of training, as accelerate has them."""

from datetime import timedelta

import torch
from accelerate import Accelerator, InitProcessGroupKwargs


def make_accelerator(precision: str, cpu: bool = False, log_with: str | None = None) -> Accelerator:
    """An accelerator; all of a process share the process group of the first one.

    Args:
        precision: `fp32`, `bf16` or `fp16`.
        cpu: although there may be a GPU.
        log_with: a tracker of accelerate's, for instance `wandb`.
    """
    return Accelerator(
        mixed_precision="no" if precision == "fp32" else precision,
        # Without this torchrun's processes on a CPU would each train on their own.
        cpu=cpu or not torch.cuda.is_available(),
        log_with=log_with,
        # One process draws pictures and writes files while the others wait for it.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=1))],
    )
