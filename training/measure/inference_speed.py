"""How fast a model answers, beside plain PyTorch code of the same model in the same run."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from rgbt_seg_ros.base.host import describe_host, peak_memory
from rgbt_seg_ros.segmenter import Segmenter

from .baseline import BASELINES, PlainSegmenter
from .multiply_adds import forward_multiply_adds


def measure_inference(
    model: str | Path, size: tuple[int, int], pairs: int, device: str = "auto", precision: str = "auto"
) -> dict[str, Any]:
    """Segment random pairs of a size (height, width), each by the `Segmenter` and by the baseline in turn.

    Returns:
        What `--json` writes: times in milliseconds, memory in bytes, `speedup` = baseline's p50 / ours.

    Raises:
        UserError: see `Segmenter.load`.
    """
    segmenter = Segmenter.load(model, device, precision)
    segmenter.warm_up(*size)
    memory = peak_memory(segmenter.device)  # before the baseline also takes some
    plain = PlainSegmenter(segmenter, model)
    draw = np.random.default_rng(0)
    stages, ours, theirs, equal = [], [], [], []
    for number in track(range(pairs + 1), description="pairs"):
        rgb = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
        thermal = draw.integers(0, 256, size, dtype=np.uint8)
        started = time.perf_counter()
        result = segmenter(rgb, thermal)
        between = time.perf_counter()
        mask = plain(rgb, thermal)
        finished = time.perf_counter()
        if number == 0:
            continue  # the baseline's first call is its warm-up
        stages.append(result.stage_ms)
        ours.append(1e3 * (between - started))
        theirs.append(1e3 * (finished - between))
        equal.append(float((result.mask == mask).mean()))
    cost = forward_multiply_adds(plain.network, segmenter.network_size(size))
    return {
        "model": Path(model).name,
        "model_hash": segmenter.model_hash,
        "size": list(size),
        "network_size": list(segmenter.network_size(size)),
        "device": str(segmenter.device),
        "precision": segmenter.precision,
        "pairs": pairs,
        "latency_ms": percentiles(ours),
        "stages_ms": {stage: percentiles([times[stage] for times in stages]) for stage in stages[0]},
        "pairs_per_second": 1e3 * len(ours) / sum(ours),
        "peak_memory": memory,
        "multiply_adds": {"total": cost.total, "without_attention": cost.total - cost.attention},
        "baseline": {"what": BASELINES[segmenter.card.arch], "latency_ms": percentiles(theirs)},
        "speedup": float(np.median(theirs) / np.median(ours)),
        "equal_pixels": float(np.mean(equal)),
        "host": describe_host(segmenter.device),
    }


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """The 50th, 95th and 99th, by name."""
    return {f"p{percent}": float(np.percentile(milliseconds, percent)) for percent in (50, 95, 99)}
