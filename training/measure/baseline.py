"""What the speed of a network is compared with: plain PyTorch code of the same network, as its paper draws it."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.images.pair import resize_image
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.models import build_model, load_model
from rgbt_seg_ros.models.shifnet.network import SHIFNet
from rgbt_seg_ros.segmenter import Segmenter

BASELINES = {
    "shifnet": "PyTorch eager, float32, one pair at a time, one encoder pass for each modality",
    "sartm": "PyTorch eager, float32, one pair at a time, LoRA beside the weights that it adapts",
}
"""What the baseline of an architecture is, for people."""


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
