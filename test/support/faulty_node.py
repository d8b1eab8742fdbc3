"""The node with an inference that fails on demand, to be run as a program: the first RGB pixel says how.

INFERENCE_S is how long a batch takes at least [s].
HANG_S is how long an inference may take before it is taken to hang [s].
REPORT_S is the time from one report to the next [s].
BUSY_S is for how long each report keeps the executor from its work [s].
"""

import ctypes
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rgbt_seg_ros import node
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.ros import configured_node, segmenter_node
from rgbt_seg_ros.segmenter import Segmentation, Segmenter

OUT_OF_MEMORY, NOT_FINITE, END, HANG, LITTLE_MEMORY = 1, 2, 3, 4, 5

LEFT_BYTES = 1 << 20
"""What an inference with little memory may ask for, beside what its process has."""

HANG_S = float(os.environ.get("HANG_S", "3"))
INFERENCE_S = float(os.environ.get("INFERENCE_S", "0"))
BUSY_S = float(os.environ.get("BUSY_S", "0"))
REPORT_S = float(os.environ.get("REPORT_S", segmenter_node.DIAGNOSTICS_PERIOD_S))

real_segment = Segmenter.segment
real_publish_diagnostics = segmenter_node.SegmenterNode._publish_diagnostics


def mark(rgb: np.ndarray, fault: int) -> None:
    """Have the inference fail on this image, uint8 [H, W, 3]."""
    rgb[0, 0] = 11, 22, fault


def is_marked(rgb: np.ndarray) -> bool:
    return tuple(rgb[0, 0, :2]) == (11, 22)


def segment(self: Segmenter, pairs: Sequence[ImagePair]) -> list[Segmentation]:
    begun = time.monotonic()
    run = self._run
    faults = {int(pair.rgb[0, 0, 2]) for pair in pairs if pair.rgb is not None and is_marked(pair.rgb)}
    for fault in faults:
        fail(self, fault)
    try:
        results = real_segment(self, pairs)
    finally:
        self._run = run
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    time.sleep(max(0.0, begun + INFERENCE_S - time.monotonic()))
    return results


def publish_diagnostics(self: segmenter_node.SegmenterNode) -> None:
    real_publish_diagnostics(self)
    time.sleep(BUSY_S)


def fail(segmenter: Segmenter, fault: int) -> None:
    if fault == OUT_OF_MEMORY:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")
    if fault == NOT_FINITE:
        run = segmenter._run
        segmenter._run = lambda *inputs: run(*inputs).each(lambda maps: maps * float("nan"))
    if fault == LITTLE_MEMORY:
        ctypes.CDLL(None).malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(
            resource.RLIMIT_AS, (pages * resource.getpagesize() + LEFT_BYTES, resource.RLIM_INFINITY)
        )
    if fault == END:
        raise SystemExit("the driver is gone")
    if fault == HANG:
        time.sleep(10_000)


if __name__ == "__main__":
    Segmenter.segment = segment  # type: ignore[method-assign]
    segmenter_node.SegmenterNode._publish_diagnostics = publish_diagnostics  # type: ignore[method-assign]
    configured_node.HANG_S = HANG_S
    segmenter_node.DIAGNOSTICS_PERIOD_S = REPORT_S
    sys.exit(node.main())
