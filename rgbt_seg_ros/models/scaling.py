"""From pixel values to network inputs: one rule for training and service, kept in the model file."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models.choices import SCALINGS

_RGB_MEAN = (0.485, 0.456, 0.406)
_RGB_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputScaling:
    """How a model wants its inputs.

    `standard`: RGB in [0, 1], then ImageNet's mean and standard deviation; thermal in [0, 1], three equal channels,
    then `thermal_mean` and `thermal_std` if given. The other two are what released SHIFNet weights were trained
    with: `shifnet-fmb` equals `standard` without thermal statistics, `shifnet-pst900` does not divide either image
    by 255.

    Raises:
        UserError: an unknown rule, or only one of the thermal statistics.
    """

    rule: str = "standard"
    thermal_mean: Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)] | None = None
    thermal_std: Annotated[float, msgspec.Meta(gt=0.0, le=1e6)] | None = None

    def __post_init__(self) -> None:
        if self.rule not in SCALINGS:
            raise UserError(f"there is no input scaling {self.rule!r}: choose one of {', '.join(SCALINGS)}")
        if (self.thermal_mean is None) != (self.thermal_std is None):
            raise UserError("input scaling needs both thermal_mean and thermal_std, or neither")

    def rgb(self, image: Tensor) -> Tensor:
        """uint8 [..., 3, H, W] -> float32 of the same shape."""
        mean = torch.tensor(_RGB_MEAN, device=image.device).view(3, 1, 1)
        std = torch.tensor(_RGB_STD, device=image.device).view(3, 1, 1)
        unit = image.float() if self.rule == "shifnet-pst900" else image.float() / 255.0
        return (unit - mean) / std

    def thermal(self, image: Tensor) -> Tensor:
        """Normalised thermal, float [..., H, W] in [0, 1] -> float32 [..., 3, H, W], three equal channels."""
        scaled = image.float()
        if self.rule == "shifnet-pst900":
            scaled = scaled * 255.0
        elif self.thermal_mean is not None and self.thermal_std is not None:
            scaled = (scaled - self.thermal_mean) / self.thermal_std
        return scaled.unsqueeze(-3).expand(*scaled.shape[:-2], 3, *scaled.shape[-2:])
