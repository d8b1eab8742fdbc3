"""Which device a model runs on, and in which arithmetic."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from rgbt_seg_ros.base.errors import UserError, check_choice
from rgbt_seg_ros.base.precision import AUTO, PRECISIONS, precision_name

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of 16 bits by the names of precisions."""


def choose_device(device: str) -> torch.device:
    """The device of a name: `auto` (CUDA where there is a GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"there is no device {device!r}: choose auto, cpu, cuda or cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise UserError(f"device {device!r} is not supported: choose auto, cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {device!r} was asked for but this machine has {torch.cuda.device_count()} CUDA GPUs: "
            "use device auto or cpu"
        )
    return chosen


def device_of_process(device: str) -> str:
    """Of torchrun's processes on a machine each takes a GPU of its own, as far as there are; else the device itself."""
    local_rank = os.environ.get("LOCAL_RANK")
    if local_rank is not None and device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{int(local_rank) % torch.cuda.device_count()}"
    return device


def choose_precision(precision: str, device: torch.device) -> str:
    """The precision of a name on a device: `auto` or one of `PRECISIONS`; raises `UserError` for any other."""
    precision = precision_name(precision)
    check_choice("precision", precision, (AUTO, *PRECISIONS))
    if precision != AUTO:
        return precision
    if device.type == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def arithmetic(device: torch.device, precision: str, cache: bool) -> AbstractContextManager:
    """What a network is run in, to compute in a precision.

    Args:
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`.
        cache: whether mixed precision keeps the weights that it has converted until the end.
    """
    if precision != "fp32":
        return torch.autocast(device.type, dtype=HALVES[precision], cache_enabled=cache)
    if device.type != "cuda":
        return nullcontext()
    # Left to itself PyTorch lets convolutions round their inputs to 10 bits.
    now = torch.backends.cudnn
    context: AbstractContextManager = now.flags(
        enabled=now.enabled, benchmark=now.benchmark, deterministic=now.deterministic, allow_tf32=False
    )
    return context
