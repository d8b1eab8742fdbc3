"""A CUDA graph of what a device has to do, captured beside whatever other threads do."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import torch

_ALONE = threading.RLock()
"""A thread that waits for a whole device spoils the graph that another one captures there."""


def capture(run: Callable[[], object], stream: torch.cuda.Stream, pool: Any) -> torch.cuda.CUDAGraph:
    """What `run` does on a stream, as a graph; in the memory of another graph's `pool()`, or None.

    Raises:
        RuntimeError: it does what a graph cannot hold, or there is too little memory.
    """
    graph = torch.cuda.CUDAGraph()
    collects = gc.isenabled()
    with _ALONE:
        # An old graph that Python finds and frees meanwhile would spoil the new one.
        gc.disable()
        try:
            # Other threads may ask the driver something meanwhile.
            with torch.cuda.graph(graph, pool, stream, capture_error_mode="thread_local"):
                run()
        finally:
            if collects:
                gc.enable()
    return graph


def finish_all(device: torch.device) -> None:
    """Wait for all that a device has to do; on the CPU it is done."""
    if device.type == "cuda":
        with _ALONE:
            torch.cuda.synchronize(device)
