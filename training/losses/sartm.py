"""SARTM's loss: cross-entropy of hard pixels on both paths, and what the text of the classes teaches (Eq. 15)."""

import torch
from torch import Tensor

from rgbt_seg_ros.models.full_precision import full_precision
from rgbt_seg_ros.models.sartm.network import SartmOutput

from ..config.schema import LossConfig
from .criterion import Criterion
from .distillation import PrototypeLoss, class_means, similarities, similarity_loss
from .ohem import ohem_cross_entropy


class SartmLoss(Criterion):
    """Weighted terms `mask`, `auxiliary`, `prototype` and `similarity` of one forward pass of all processes.

    Which pixels are hard is decided in each forward pass of each process, and prototypes move with each forward pass,
    so that accumulated passes are not exactly one with all their pairs; their losses are averaged.

    Args:
        class_embeddings: [N, D], text embeddings of the classes, the teacher.
        dim: channels of the fused features.
        config: weights of the terms; a language term (prototype, similarity) of weight 0 is left out.
        ramp_steps: steps over which the weights of the language terms rise linearly; 0: they are full at once.
    """

    watched = "mask"

    def __init__(self, class_embeddings: Tensor, dim: int, config: LossConfig, ramp_steps: int = 0) -> None:
        super().__init__()
        self._config = config
        self._ramp_steps = ramp_steps
        self._risen = 1.0
        self.prototypes = PrototypeLoss(len(class_embeddings), dim, config.prototype_means)
        self.register_buffer("teacher", similarities(class_embeddings.float()), persistent=False)
        self.teacher: Tensor

    def at_step(self, step: int) -> None:
        if self._ramp_steps > 0:
            self._risen = min(1.0, (step + 1) / self._ramp_steps)

    def class_similarity(self) -> dict[str, Tensor] | None:
        """Cosines of the prototypes and of the text; a class not seen yet has zeros."""
        if not self.prototypes.seen.any():
            return None
        visual = similarities(self.prototypes.prototypes)
        return {"visual": visual, "text": self.teacher, "seen": self.prototypes.seen}

    def weight(self, label: Tensor) -> Tensor:
        """Every forward pass counts the same, however many of its pixels are hard."""
        return torch.ones((), dtype=torch.float64, device=label.device)

    def terms(self, output: SartmOutput, label: Tensor, total: Tensor) -> dict[str, Tensor]:
        config = self._config
        terms = {"mask": config.mask * ohem_cross_entropy(output.mask, label, config.ohem)}
        if output.auxiliary is not None:
            terms["auxiliary"] = config.auxiliary * ohem_cross_entropy(output.auxiliary, label, config.ohem)
        # Half precision would blur means of many pixels and cosines that are all alike.
        with full_precision(output.fused):
            means, counts = class_means(output.fused, label, len(self.teacher))
            if config.prototype > 0:
                terms["prototype"] = self._risen * config.prototype * self.prototypes(means, counts)
            if config.similarity > 0:
                distance = similarity_loss(means, counts, self.teacher)
                terms["similarity"] = self._risen * config.similarity * distance
        return {name: term / total.to(term.dtype) for name, term in terms.items()}
