"""Which device a model runs on, and in which arithmetic."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from rgbt_seg_ros.base.errors import UserError, check_choice
from rgbt_seg_ros.base.precision import AUTO, PRECISIONS, precision_name

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of 16 bits by the names of precisions."""

_BF16_SINCE = (8, 0)
"""Compute capability from which on a GPU computes in bfloat16; PyTorch emulates it on older ones, slowly."""

_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""All but cuDNN's, which first makes a plan for each shape in each thread: in a frame's time, at every new size."""


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
    return "bf16" if torch.cuda.get_device_capability(device) >= _BF16_SINCE else "fp16"


@contextmanager
def arithmetic(device: torch.device, precision: str, cache: bool) -> Iterator[None]:
    """What a network is run in, to compute in a precision.

    Args:
        device: where it runs.
        precision: `fp32`, `bf16` or `fp16`.
        cache: whether mixed precision keeps the weights that it has converted until the end.
    """
    with ExitStack() as stack:
        if precision in HALVES:
            stack.enter_context(torch.autocast(device.type, HALVES[precision], cache_enabled=cache))
        if device.type == "cuda":
            stack.enter_context(sdpa_kernel(_ATTENTION))
            if precision == "fp32":
                # A program that has set this by PyTorch's newer names is refused the older ones, and decides itself.
                with suppress(RuntimeError):
                    stack.enter_context(_exact_convolutions())
        yield


def _exact_convolutions() -> AbstractContextManager:
    """Left to itself PyTorch lets convolutions round their inputs to 10 bits."""
    now = torch.backends.cudnn
    context: AbstractContextManager = now.flags(
        enabled=now.enabled, benchmark=now.benchmark, deterministic=now.deterministic, allow_tf32=False
    )
    return context


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU has no memory left; a Jetson and the driver itself say so without a class for it."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("out of memory", "NVML_SUCCESS")
    )


def release_cached_memory() -> None:
    """Give what PyTorch keeps of a GPU's memory back; nothing without a GPU."""
    if torch.cuda.is_initialized():
        # After a CUDA graph that could not be captured, PyTorch before 2.12 refuses.
        with suppress(RuntimeError):
            torch.cuda.empty_cache()
