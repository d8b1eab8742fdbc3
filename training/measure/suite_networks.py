"""A network of the suite in its forms, all of the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.models import ModelCard, build_model, load_model, read_card
from rgbt_seg_ros.models.serving_form import serving_form
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings
from rgbt_seg_ros.segmenter.devices import arithmetic

from .baseline import plain_form
from .network_comparison import EMBEDDINGS


@dataclass(frozen=True)
class PlainForm:
    """What one writes without this package's `Segmenter`: float32, images scaled on the host, a wait each time."""

    network: nn.Module
    card: ModelCard
    device: torch.device

    @torch.inference_mode()
    def __call__(self, pairs: Sequence[ImagePair]) -> np.ndarray:
        """Pairs of one size, which enters the network -> class ids [B, H, W]."""
        colours = torch.stack([torch.from_numpy(pair.rgb).permute(2, 0, 1) for pair in pairs])
        units = torch.stack([torch.from_numpy(pair.thermal / np.float32(255.0)) for pair in pairs])
        rgb, thermal = self.card.scaling.rgb(colours), self.card.scaling.thermal(units)
        with arithmetic(self.device, "fp32", cache=False):
            logits = self.network(rgb.to(self.device), thermal.to(self.device))
        return logits.argmax(dim=1).to(torch.uint8).cpu().numpy()


@dataclass
class SuiteNetwork:
    """One network.

    Attributes:
        name: its size.
        weights: where they come from.
        plain: see `PlainForm`.
        served: the serving form, on the host, in float32.
    """

    name: str
    weights: str
    plain: PlainForm
    served: nn.Module
    card: ModelCard
    device: torch.device
    _segmenters: dict[tuple[str, str], Segmenter] = field(default_factory=dict)

    def segmenter(self, precision: str, form: str) -> Segmenter:
        """The node's way: `eager`, `graph` or `compiled`; each is made once."""
        key = (precision, form)
        if key not in self._segmenters:
            # On a GPU the weights are halved in place, so that each has its own.
            network = serving_form(_copy(self).to(self.device))
            segmenter = Segmenter(
                network, self.card, "", self.device, precision, ThermalNormalization(mode="fixed")
            )
            if self.device.type == "cuda":
                segmenter.use_device_path(graphs=form == "graph")
            if form == "compiled":
                network.forward = torch.compile(network.forward)
            self._segmenters[key] = segmenter
        return self._segmenters[key]


def build_network(name: str, device: torch.device) -> SuiteNetwork:
    """A SHIFNet of a size: nano with the packaged weights, the others with random ones, which cost as much."""
    torch.manual_seed(0)
    embeddings = load_class_embeddings(share_path(EMBEDDINGS)).vectors
    config: dict[str, Any] = {"size": name}
    if name == "nano":
        packaged, config = load_model("default"), dict(read_card("default").config)
        embeddings = packaged.get_buffer("class_embeddings")
    network = build_model("shifnet", config, embeddings)
    if name == "nano":
        network.load_state_dict(packaged.state_dict())
    names = MFNET.names if len(embeddings) == len(MFNET.names) else tuple(map(str, range(len(embeddings))))
    card = ModelCard("shifnet", config, names, (), embeddings={"encoder": "", "templates": []})
    served = build_model("shifnet", config, embeddings, served=True)
    served.load_state_dict(network.state_dict())
    plain = PlainForm(plain_form(network).to(device), card, device)
    weights = "packaged" if name == "nano" else "random"
    return SuiteNetwork(name, weights, plain, serving_form(served), card, device)


def _copy(network: SuiteNetwork) -> nn.Module:
    """The network for service again, of the same weights."""
    state = network.served.state_dict()
    built = build_model("shifnet", network.card.config, state["class_embeddings"], served=True)
    built.load_state_dict(state)
    return built
