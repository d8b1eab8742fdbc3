"""What a network makes of a pair on its way to the answer: fused maps, features of pixels, and where a class looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.classes import UNLABELED
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.segmenter import choose_device

from ..data.sample import Sample


class FeatureProbe:
    """A model file whose network is looked into.

    Args:
        model: path, or `default`.
        device: as `Segmenter.load`.

    Attributes:
        segmenter: the same network, for masks.
        levels: number of its fused maps, the finest first.

    Raises:
        UserError: missing or damaged file, or no such device.
    """

    def __init__(self, model: str | Path, device: str = "auto") -> None:
        chosen = choose_device(device)
        self._network = load_model(model, chosen).eval()
        self.segmenter = Segmenter(
            self._network, read_card(model), "", chosen, "fp32", ThermalNormalization()
        )
        self._fusion = self._fusion_modules()
        self.levels = len(self._fusion)

    def heat_map(self, sample: Sample, class_id: int, level: int) -> np.ndarray:
        """Where a fused map speaks for a class: Grad-CAM, float32 [H, W] in 0..1 at the label's size.

        The class's score is the sum of its logits over the pixels that are called it, or over all if none is. Channels
        of the map are weighted by the mean of its gradient; what speaks against the class is 0.

        Args:
            sample: the pair.
            class_id: the class.
            level: which fused map, 0 is the finest; negative ones count from the coarsest.

        Raises:
            UserError: no such level.
        """
        if not -self.levels <= level < self.levels:
            raise UserError(
                f"there is no level {level}: the model has {self.levels} fused maps, 0 is the finest"
            )
        with self._captured() as maps, torch.enable_grad():
            logits = self._logits(sample)
            called = logits.argmax(dim=1)[0] == class_id
            scores = logits[0, class_id]
            score = scores[called].sum() if called.any() else scores.sum()
            (gradient,) = torch.autograd.grad(score, maps[level])
        fused = maps[level].detach()
        cam = (gradient.mean(dim=(2, 3), keepdim=True) * fused).sum(dim=1, keepdim=True).relu()
        return self._at_label(cam / cam.max().clamp(min=1e-12), logits, sample)

    def pixel_features(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Features of positions and the classes there: float32 [P, C], int64 [P]; 255: not labelled.

        They are what SHIFNet compares with text, [D, H/4, W/4], and SARTM's coarsest fused map, whose class means its
        language losses shape; of SHIFNet's other decoders the finest fused map, and of its detail head what it is told.
        """
        with self._captured() as maps, torch.inference_mode():
            logits = self._logits(sample)
            decoder = getattr(self._network, "hpd", None)
            if decoder is not None:
                features = decoder.fused(maps) if decoder.head is None else decoder.pixel_embeddings(maps)
            else:
                features = maps[-1 if self.segmenter.card.arch == "sartm" else 0]
        height, width = features.shape[-2:]
        # The part of the map that is of the image, not of what it is filled up with to multiples of 32.
        rows, columns = (
            max(1, round(cells * own / (-(-own // 32) * 32)))
            for cells, own in zip((height, width), logits.shape[-2:], strict=True)
        )
        label = cv2.resize(sample.label, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
        flat = features[0, :, :rows, :columns].flatten(1).T.float().cpu().numpy()
        return np.ascontiguousarray(flat), label.ravel().astype(np.int64)

    def _fusion_modules(self) -> Sequence[nn.Module]:
        name = getattr(self._network, "fusion", None)
        modules = self._network.get_submodule(name) if isinstance(name, str) else cast(nn.Module, name)
        return list(modules.children())

    @contextmanager
    def _captured(self) -> Iterator[list[Tensor]]:
        """The fused maps of the next forward pass, of which gradients can be taken."""
        maps: list[Tensor] = []

        def capture(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            maps.append(output.detach().requires_grad_(torch.is_grad_enabled()))
            return maps[-1]

        hooks = [module.register_forward_hook(capture) for module in self._fusion]
        try:
            yield maps
        finally:
            for hook in hooks:
                hook.remove()

    def _logits(self, sample: Sample) -> Tensor:
        height, width = sample.label.shape
        size = self.segmenter.network_size((height, width))
        pair = ImagePair(sample.rgb, sample.thermal, sample.thermal_valid)
        logits: Tensor = self._network(*self.segmenter.prepare([pair], size))
        return logits

    @staticmethod
    def _at_label(cam: Tensor, logits: Tensor, sample: Sample) -> np.ndarray:
        """[1, 1, h, w] of the padded image at the label's size."""
        height, width = logits.shape[-2:]
        padded = (-(-height // 32) * 32, -(-width // 32) * 32)
        full = F.interpolate(cam, size=padded, mode="bilinear", align_corners=False)[..., :height, :width]
        rows, columns = sample.label.shape
        own = F.interpolate(full, size=(rows, columns), mode="bilinear", align_corners=False)
        return own[0, 0].cpu().numpy()


def sample_pixels(
    probe: FeatureProbe, samples: Sequence[Sample], per_class: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features and classes of at most so many labelled positions of each class, drawn over all samples.

    Raises:
        UserError: no pixel of the samples is labelled.
    """
    features, labels = zip(*(probe.pixel_features(sample) for sample in samples), strict=True)
    all_features, all_labels = np.concatenate(features), np.concatenate(labels)
    random = np.random.default_rng(seed)
    chosen: list[np.ndarray] = []
    for class_id in np.unique(all_labels[all_labels != UNLABELED]):
        places = np.flatnonzero(all_labels == class_id)
        chosen.append(random.permutation(places)[:per_class])
    if not chosen:
        raise UserError("no pixel of these images is labelled: choose others")
    places = np.concatenate(chosen)
    return all_features[places], all_labels[places]
