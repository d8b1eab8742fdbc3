"""What must hold on a GPU, as functions of a device: the suite runs them, and `pytest -m cuda` does."""

import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.device_path import MOST_PLANS
from rgbt_seg_ros.segmenter.devices import release_cached_memory

from .suite_networks import build_network

SIZE = (96, 128)
ENOUGH = {"fp32": 0.999, "bf16": 0.99, "fp16": 0.99}
"""Least share of pixels with the class of float32 on the CPU, on a small picture full of edges, by precision."""

_RUNS = 20


def every_size_in_every_precision(device: torch.device) -> None:
    """Each network answers, with finite numbers and in its graph; float32 as eager float32 does."""
    pair = _picture(0)
    for name in ("nano", "tiny", "small", "base_plus", "large"):
        network = build_network(name, device)
        for precision in ("fp32", "bf16", "fp16"):
            eager, graph = (network.segmenter(precision, form) for form in ("eager", "graph"))
            expected = eager.segment([pair])[0]
            for _ in range(4):
                answer = graph.segment([pair])[0]
            _require(graph.graph_fault == "", graph.graph_fault)
            _require_same(answer.mask, expected.mask, 0.999, f"{name} in {precision}, graph and eager")


def the_packaged_model_gives_the_masks_of_the_cpu(device: torch.device) -> None:
    """In every precision, of real weights."""
    pairs = [_picture(number) for number in range(4)]
    expected = [Segmenter.load("default", "cpu").segment([pair])[0].mask for pair in pairs]
    for precision, least in ENOUGH.items():
        segmenter = _on(device, precision)
        masks = [segmenter.segment([pair])[0].mask for pair in pairs]
        for mask, other in zip(masks, expected, strict=True):
            _require_same(mask, other, least, precision)


def a_missing_image_is_no_image_of_before(device: torch.device) -> None:
    """RGB, thermal, both in turn."""
    reference, segmenter = Segmenter.load("default", "cpu"), _on(device)
    whole = _picture(1)
    for pair in (whole, replace(whole, rgb=None), replace(whole, thermal=None)) * 4:
        expected = reference.segment([pair])[0].mask
        _require_same(segmenter.segment([pair])[0].mask, expected, 0.999, "missing")


def a_change_of_classes_or_size_gives_their_masks(device: torch.device) -> None:
    """More of them than plans are kept."""
    reference, segmenter = Segmenter.load("default", "cpu"), _on(device)
    names = reference.class_names
    for number in range(4 * MOST_PLANS):
        for each in (reference, segmenter):
            each.use(each.select_classes((names, names[:3], names[::-1])[number % 3]))
        height = 96 + 32 * (number % 5)
        pair = _picture(number, (height, 128))
        for _ in range(4 if number % 2 else 1):
            answer = segmenter.segment([pair])[0]
            expected = reference.segment([pair])[0]
            _require(answer.classes.names == expected.classes.names, "classes of before")
            _require_same(answer.mask, expected.mask, 0.999, f"size {height}, list {number % 3}")


def two_camera_pairs_in_one_batch(device: torch.device) -> None:
    """Each gets its own mask; also one after the other, with two under way."""
    segmenter = _on(device)
    pairs = [_picture(2), _picture(3)]
    alone = [segmenter.segment([pair])[0].mask for pair in pairs]
    for _ in range(4):
        together = segmenter.segment(pairs)
        pending = [segmenter.begin([pair]) for pair in pairs]
        in_flight = [segmenter.collect(each)[0] for each in pending]
        for mask, one, other in zip(alone, together, in_flight, strict=True):
            _require_same(one.mask, mask, 0.999, "in a batch")
            _require_same(other.mask, mask, 0.999, "under way together")


def nothing_is_allocated_after_warming_up(device: torch.device) -> None:
    """The allocator is not asked at all."""
    segmenter = _on(device, "auto")
    segmenter.warm_up(*SIZE)
    pair = _picture(4)
    for _ in range(4):
        segmenter.segment([pair])
    before = torch.cuda.memory_stats(device)["allocation.all.allocated"]
    for _ in range(_RUNS):
        segmenter.segment([pair])
    asked = torch.cuda.memory_stats(device)["allocation.all.allocated"] - before
    _require(asked == 0, f"{asked} allocations in {_RUNS} frames")


def out_of_memory_is_survived(device: torch.device) -> None:
    """The frame is lost with PyTorch's own error, and the next one is answered."""
    segmenter = _on(device)
    pair = _picture(5)
    expected = segmenter.segment([pair])[0].mask
    large = _picture(5, (1440, 1920))
    failed = False
    gc.collect()
    release_cached_memory()
    # It takes no device without a number.
    index = torch.cuda.current_device() if device.index is None else device.index
    whole = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(
        (torch.cuda.memory_reserved(device) + (8 << 20)) / whole, index
    )
    try:
        segmenter.segment([large] * 4)
    except torch.cuda.OutOfMemoryError:
        failed = True
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, index)
    release_cached_memory()
    _require(failed, "the memory did suffice: nothing was tried")
    _require_same(segmenter.segment([pair])[0].mask, expected, 0.999, "after it")


CHECKS: dict[str, Callable[[torch.device], None]] = {
    check.__name__: check
    for check in (
        the_packaged_model_gives_the_masks_of_the_cpu,
        a_missing_image_is_no_image_of_before,
        a_change_of_classes_or_size_gives_their_masks,
        two_camera_pairs_in_one_batch,
        nothing_is_allocated_after_warming_up,
        out_of_memory_is_survived,
        every_size_in_every_precision,
    )
}
"""By name; each raises `AssertionError` with a sentence."""


NEED_CUDA = (nothing_is_allocated_after_warming_up, out_of_memory_is_survived)
"""Those that ask about a GPU's memory; the others also run on the CPU, over the same code."""


def _on(device: torch.device, precision: str = "fp32") -> Segmenter:
    """The packaged model on the way over a device, which a CPU takes only where it is told to."""
    segmenter = Segmenter.load("default", str(device), precision)
    if segmenter.device_path is None:
        segmenter.use_device_path()
    return segmenter


def _picture(seed: int, size: tuple[int, int] = SIZE) -> ImagePair:
    """A rendered street, so that a trained model finds several classes."""
    still = render_still(seed, size)
    thermal = still.thermal
    limits = (float(thermal.min()), float(thermal.max()) + 1.0)
    return ImagePair(still.rgb, thermal, thermal_limits=limits)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)


def _require_same(mask: np.ndarray, other: np.ndarray, least: float, what: str) -> None:
    share = float(np.mean(mask == other))
    _require(share >= least, f"{what}: the same class in {100 * share:.3f} % of pixels")
