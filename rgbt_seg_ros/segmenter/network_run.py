"""One run of a network, in its precision and for a list of classes."""

import inspect

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rgbt_seg_ros.models.coarse_logits import CoarseLogits
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.segmenter.devices import arithmetic


class NetworkRun:
    """Runs a network, and refers to nothing else: whoever drops it gives a GPU's memory back at once.

    Args:
        network: module of rgb, thermal [B, 3, h, w] -> logits, with the buffer `class_embeddings`.
        device, precision: where and in what it computes.
        cache: as in `arithmetic`.
    """

    def __init__(self, network: nn.Module, device: torch.device, precision: str, cache: bool = True) -> None:
        self._network, self._device, self._precision, self._cache = network, device, precision, cache
        self._coarse = {"coarse": True} if "coarse" in inspect.signature(network.forward).parameters else {}

    def __call__(self, rgb: Tensor, thermal: Tensor, classes: ClassSelection) -> CoarseLogits:
        """rgb, thermal float32 [B, 3, h, w] -> logits in float32."""
        replaced = {} if classes.vectors is None else {"class_embeddings": classes.vectors}
        with arithmetic(self._device, self._precision, self._cache):
            logits: Tensor | CoarseLogits = functional_call(
                self._network, replaced, (rgb, thermal), self._coarse, tie_weights=False
            )
        coarse = logits if isinstance(logits, CoarseLogits) else CoarseLogits.of_full(logits)
        return coarse.each(Tensor.float)
