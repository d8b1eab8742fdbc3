"""Which loss an architecture is trained with."""

from typing import cast

from torch import Tensor, nn

from rgbt_seg_ros.models.sartm.network import SIZES

from ..config import Config
from .criterion import Criterion
from .sartm import SartmLoss
from .segmentation import SegmentationLoss


def build_criterion(config: Config, network: nn.Module) -> Criterion:
    """The loss of a configuration's architecture; what it keeps (SARTM's prototypes) is of the run, not of the network.

    Args:
        network: not wrapped for data-parallel training.
    """
    train, model = config.train, config.model
    if model.arch == "sartm":
        text = cast(Tensor, network.class_embeddings)
        ramp_steps = train.warmup_steps if config.loss.ramp else 0
        return SartmLoss(text, SIZES[model.size].dim, config.loss, ramp_steps)
    return SegmentationLoss(train.class_weights, train.lovasz)
