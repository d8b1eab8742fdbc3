"""Where the time of a pair goes, and what each stage costs at the least."""

import copy
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rgbt_seg_ros.images.codec import decode_rgb
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.decision import Decision, decide, most_probable
from rgbt_seg_ros.segmenter.device_images import BatchLayout, DeviceScaling, block_size, fill, views_of
from rgbt_seg_ros.segmenter.graph_capture import finish_all

NETWORK_STAGES = {"trunk": "encoder.trunk", "neck": "encoder.neck", "sacf": "sacf", "hpd": "hpd"}
"""Parts of a SHIFNet by the names of the papers, and where they are in it."""

STAGES = ("decode", "fill", "upload", "scale", *NETWORK_STAGES, "argmax", "download", "detections")
"""In the order in which they follow each other."""

ON_HOST = ("decode", "fill", "detections")
"""Stages that the processor computes."""


@dataclass(frozen=True)
class Cost:
    """What a stage needs: multiply-adds, and the numbers that it must move (weights, inputs and outputs, once)."""

    multiply_adds: int
    numbers: int


@dataclass
class _Clock:
    """Spans of stages, by events of the device or by the clock."""

    device: torch.device
    spans: dict[str, list[tuple[Any, Any]]] = field(default_factory=lambda: defaultdict(list))

    def now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        begin = self.now()
        yield
        self.spans[stage].append((begin, self.now()))

    def milliseconds(self) -> dict[str, float]:
        """Of each stage, summed over its spans; waits for the device."""
        finish_all(self.device)
        if self.device.type == "cuda":
            return {k: sum(a.elapsed_time(b) for a, b in spans) for k, spans in self.spans.items()}
        return {k: 1e3 * sum(b - a for a, b in spans) for k, spans in self.spans.items()}


@torch.inference_mode()
def stage_times(segmenter: Segmenter, pairs: Sequence[ImagePair], repeats: int) -> dict[str, float]:
    """Median milliseconds of each stage of a batch, run eagerly, one stage after the other."""
    device, network = segmenter.device, segmenter._network
    layout = BatchLayout.of(pairs, segmenter.network_size(pairs[0].size))
    host, block = (
        torch.zeros(block_size(layout), dtype=torch.uint8, pin_memory=device.type == "cuda"),
        torch.zeros(block_size(layout), dtype=torch.uint8, device=device),
    )
    scaling, times = DeviceScaling(segmenter.card.scaling, layout, device), defaultdict(list)
    for number in range(repeats + 1):
        clock = _Clock(device)
        hooks = _watch(network, clock)
        try:
            answer = _one_pass(segmenter, pairs, clock, scaling, (host, block), layout)
        finally:
            for hook in hooks:
                hook.remove()
        spans = clock.milliseconds() | answer
        for stage, milliseconds in spans.items():
            if number > 0:
                times[stage].append(milliseconds)
    return {stage: median(times[stage]) for stage in STAGES if stage in times}


def _one_pass(
    segmenter: Segmenter,
    pairs: Sequence[ImagePair],
    clock: _Clock,
    scaling: DeviceScaling,
    blocks: tuple[Tensor, Tensor],
    layout: BatchLayout,
) -> dict[str, float]:
    """One batch, stage by stage; milliseconds of those on the host."""
    (host, block), on_host = blocks, {}
    started = time.perf_counter()
    for pair in pairs:
        assert pair.rgb is not None
        height, width = pair.size
        message = SimpleNamespace(
            height=height, width=width, encoding="rgb8", step=3 * width, is_bigendian=0, data=pair.rgb.data
        )
        decode_rgb(message, height * width)
    on_host["decode"] = 1e3 * (time.perf_counter() - started)
    started = time.perf_counter()
    fill(views_of(layout, host), pairs, [(0.0, 255.0)] * len(pairs))
    on_host["fill"] = 1e3 * (time.perf_counter() - started)
    with clock.span("upload"):
        block.copy_(host, non_blocking=True)
    with clock.span("scale"):
        rgb, thermal = scaling(views_of(layout, block))
    logits = segmenter._run(rgb, thermal, segmenter._classes)
    found: list[tuple[np.ndarray, np.ndarray | Decision]]
    if segmenter.device.type == "cuda":
        with clock.span("argmax"):
            probabilities, answers = most_probable(logits, layout.size)
            small = torch.stack([answers.to(torch.uint8), (probabilities * 255.0).round().to(torch.uint8)])
        with clock.span("download"):
            masks, confidences = small.cpu().numpy()
        found = [(mask, sure / 255.0) for mask, sure in zip(masks, confidences, strict=True)]
    else:
        with clock.span("argmax"):
            decisions = decide(logits, layout.size, segmenter._classes)
        with clock.span("download"):
            found = [(decision.mask, decision) for decision in decisions]
    started = time.perf_counter()
    names, things = segmenter.class_names, segmenter.thing_classes
    for mask, sure in found:
        find_detections(mask, sure, names, things)
    on_host["detections"] = 1e3 * (time.perf_counter() - started)
    return on_host


def _watch(network: nn.Module, clock: _Clock) -> list[Any]:
    """Have a clock take the spans of a network's parts."""
    hooks: list[Any] = []
    for stage, place in NETWORK_STAGES.items():
        part = network.get_submodule(place)
        for module in part if isinstance(part, nn.ModuleList) else (part,):
            begun: list[Any] = []
            hooks.append(module.register_forward_pre_hook(lambda *_, begun=begun: begun.append(clock.now())))
            hooks.append(
                module.register_forward_hook(
                    lambda *_, begun=begun, stage=stage: clock.spans[stage].append((begun.pop(), clock.now()))
                )
            )
    return hooks


def stage_costs(network: nn.Module, size: tuple[int, int]) -> dict[str, Cost]:
    """What the parts of a network cost for one pair of (height, width); by shapes alone, on a copy without values."""
    shadow = copy.deepcopy(network).to("meta").float()
    moved: dict[str, int] = defaultdict(int)
    for stage, place in NETWORK_STAGES.items():
        part = shadow.get_submodule(place)
        moved[stage] += sum(weight.numel() for weight in part.parameters())
        for module in part if isinstance(part, nn.ModuleList) else (part,):
            module.register_forward_hook(
                lambda _, inputs, output, stage=stage: moved.__setitem__(
                    stage, moved[stage] + _numbers(inputs) + _numbers(output)
                )
            )
    image = torch.zeros(1, 3, *size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(image, image)
    by_module = counter.get_flop_counts()
    return {
        stage: Cost(_operations(by_module, f"{type(shadow).__name__}.{place}") // 2, moved[stage])
        for stage, place in NETWORK_STAGES.items()
    }


def _operations(by_module: dict[str, dict[Any, int]], place: str) -> int:
    """Of a module, or of the members of a list, which is no module that is called."""
    if place in by_module:
        return sum(by_module[place].values())
    members = (name for name in by_module if name.rpartition(".")[0] == place)
    return sum(sum(by_module[name].values()) for name in members)


def _numbers(tensors: Any) -> int:
    if isinstance(tensors, Tensor):
        return tensors.numel()
    return sum(_numbers(each) for each in tensors) if isinstance(tensors, tuple | list) else 0
