"""The processes, device and precision of training, as accelerate has them."""

import os
from datetime import timedelta
from importlib.util import find_spec

import torch
from accelerate import Accelerator, InitProcessGroupKwargs

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.precision import AUTO

from ..config import Config


def make_accelerator(precision: str, cpu: bool = False, log_with: str | None = None) -> Accelerator:
    """An accelerator; all of a process share the process group of the first one.

    Args:
        precision: `fp32`, `bf16`, `fp16`, or `auto`: `bf16` on a GPU, `fp32` on a CPU.
        cpu: although there may be a GPU.
        log_with: a tracker of accelerate's, for instance `wandb`.

    Raises:
        UserError: more processes than GPUs.
    """
    cpu = cpu or not torch.cuda.is_available()
    if not cpu:
        check_processes(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count())
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


def check_processes(processes: int, gpus: int) -> None:
    """Refuse to train in more processes than a machine has GPUs: each has one for itself."""
    if processes > gpus:
        raise UserError(
            f"torchrun started {processes} processes on a machine with {gpus} CUDA GPU{'s' * (gpus > 1)}: "
            f"give --nproc-per-node {gpus}, or train on the CPU with CUDA_VISIBLE_DEVICES=''"
        )


def accelerator_of(config: Config) -> Accelerator:
    """The accelerator of a run.

    Raises:
        UserError: it is to be tracked by a package that is not there, in float16 without a GPU, or by more processes
            than there are GPUs.
    """
    precision = config.train.precision
    if config.run.wandb is not None and find_spec("wandb") is None:
        raise UserError("run.wandb needs the package wandb: run `pip install wandb`, or leave it out")
    if precision == "fp16" and not torch.cuda.is_available():
        raise UserError("train.precision is fp16, which needs a GPU: choose bf16 or fp32")
    return make_accelerator(precision, log_with=None if config.run.wandb is None else "wandb")
