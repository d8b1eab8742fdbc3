"""How fast a model answers, beside plain PyTorch code of the same model in the same run."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.base.host import describe_host, peak_memory
from rgbt_seg_ros.images.pair import resize_image
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.models import build_model, load_model
from rgbt_seg_ros.models.shifnet.network import SHIFNet
from rgbt_seg_ros.segmenter import Segmenter

from .multiply_adds import forward_multiply_adds

BASELINES = {
    "shifnet": "PyTorch eager, float32, one pair at a time, one encoder pass for each modality",
    "sartm": "PyTorch eager, float32, one pair at a time, LoRA beside the weights that it adapts",
}


class OnePassEach(nn.Module):
    """An encoder that is run for RGB and for thermal, as the paper draws it, not once for both."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> list[Tensor]:
        """[2B, 3, H, W], RGB in the first half -> maps [2B, C, h, w]."""
        rgb, thermal = images.chunk(2)
        return [torch.cat(levels) for levels in zip(self.encoder(rgb), self.encoder(thermal), strict=True)]


def plain_form(network: nn.Module) -> nn.Module:
    """A network as it is trained, in evaluation mode, with the passes that its paper draws."""
    if isinstance(network, SHIFNet):
        network.add_module("encoder", OnePassEach(network.encoder))
    return network.eval()


class PlainSegmenter:
    """The baseline: what one writes to get a mask from a model without this package's `Segmenter`."""

    def __init__(self, segmenter: Segmenter, model: str | Path) -> None:
        self._network_size = segmenter.network_size
        self._scaling = segmenter.card.scaling
        self._device = segmenter.device
        weights = load_model(model).state_dict()
        network = build_model(segmenter.card.arch, segmenter.card.config, weights["class_embeddings"])
        network.load_state_dict(weights)
        self.network = plain_form(network).to(self._device)

    @torch.no_grad()
    def __call__(self, rgb: np.ndarray, thermal: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3], uint8 [H, W] -> class ids uint8 [H, W]."""
        size = self._network_size(thermal.shape)
        pixels = torch.from_numpy(resize_image(rgb, size)).to(self._device).permute(2, 0, 1)
        unit = torch.from_numpy(resize_image(ThermalNormalization()(thermal), size)).to(self._device)
        logits = self.network(self._scaling.rgb(pixels)[None], self._scaling.thermal(unit)[None])
        logits = F.interpolate(logits, size=thermal.shape, mode="bilinear", align_corners=False)
        return logits[0].argmax(dim=0).to(torch.uint8).cpu().numpy()


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
    memory = peak_memory(segmenter.device)  # before the baseline is there, too
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
