"""Random changes of training samples: geometry of RGB, thermal and label together, appearance of each alone.

torchvision's v2 transforms treat every image in a dictionary alike, so its ColorJitter on a whole sample would change
thermal too (and fail on its one channel): only geometry is given the sample, appearance is given one image.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as VF

from rgbt_seg_ros.classes import UNLABELED
from rgbt_seg_ros.scaling import InputScaling
from rgbt_seg_ros.thermal import ThermalNormalization

from .config import AugmentConfig
from .datasets import Sample

# What the network sees as 0 after scaling: ImageNet's mean for RGB.
_RGB_FILL = (124, 116, 104)


class ThermalImage(tv_tensors.Image):
    """Thermal float32 [1, H, W] in [0, 1]; a type of its own so that padding can tell it from RGB."""


class RandomScale(v2.Transform):
    """Resize so that the short side is `short_side` (None: the image's own) times a random factor."""

    def __init__(self, short_side: int | None, min_scale: float, max_scale: float) -> None:
        super().__init__()
        self.short_side = short_side
        self.min_scale = min_scale
        self.max_scale = max_scale

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = VF.get_size(flat_inputs[0])
        base = 1.0 if self.short_side is None else min(1.0, self.short_side / min(height, width))
        scale = base * float(torch.empty(()).uniform_(self.min_scale, self.max_scale))
        return {"size": [max(1, round(height * scale)), max(1, round(width * scale))]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, tv_tensors.Mask):
            # v2 resizes masks with `nearest`, whose samples lie up to half a pixel beside the images'.
            exact = v2.InterpolationMode.NEAREST_EXACT
            resized = VF.resize_image(inpt.as_subclass(Tensor)[None], params["size"], interpolation=exact)
            return tv_tensors.wrap(resized[0], like=inpt)
        return VF.resize(inpt, params["size"], antialias=True)


class Augmentation:
    """From a sample to network inputs, changed at random (torch's random numbers).

    Args:
        config: kinds, rates and strengths.
        short_side: of the images that the network sees in service; None: native.
        scaling: the model's input scaling.
    """

    def __init__(self, config: AugmentConfig, short_side: int | None, scaling: InputScaling) -> None:
        self.config = config
        self.scaling = scaling
        self.normalize = ThermalNormalization()
        self.geometry = joint_geometry(config, short_side)
        strength = config.jitter_strength
        self.colour = v2.Compose(
            [
                v2.RandomApply(
                    [v2.ColorJitter(strength, strength, strength, 0.1 * strength)], p=config.jitter
                ),
                v2.RandomApply([v2.GaussianBlur(5, (0.1, 2.0))], p=config.blur),
            ]
        )

    def __call__(self, sample: Sample) -> dict[str, Tensor]:
        """`rgb` and `thermal` float32 [3, h, w], scaled; `label` int64 [h, w]."""
        rgb = tv_tensors.Image(torch.from_numpy(sample.rgb).permute(2, 0, 1))
        thermal = ThermalImage(torch.from_numpy(self.normalize(sample.thermal)).unsqueeze(0))
        rgb, thermal, label = self.geometry(rgb, thermal, tv_tensors.Mask(torch.from_numpy(sample.label)))
        rgb_input = self.scaling.rgb(self.change_rgb(rgb.as_subclass(Tensor)))
        thermal_input = self.scaling.thermal(self.change_thermal(thermal.as_subclass(Tensor))[0])
        rgb_input, thermal_input = self.drop_modality(rgb_input, thermal_input)
        # expand() shares memory between channels, which batches of worker processes cannot.
        return {
            "rgb": rgb_input,
            "thermal": thermal_input.contiguous(),
            "label": label.as_subclass(Tensor).long(),
        }

    def change_rgb(self, rgb: Tensor) -> Tensor:
        """Colour jitter, blur and gamma on uint8 [3, h, w]."""
        rgb = self.colour(rgb)
        if torch.rand(()) < self.config.gamma:
            exponent = self.config.gamma_range ** float(torch.empty(()).uniform_(-1.0, 1.0))
            rgb = VF.adjust_gamma(rgb, exponent)
        return rgb

    def change_thermal(self, thermal: Tensor) -> Tensor:
        """Gain, offset and noise on float32 [1, h, w] in [0, 1]; stays in that range."""
        gain = 1.0 + self.config.thermal_gain * float(torch.empty(()).uniform_(-1.0, 1.0))
        offset = self.config.thermal_offset * float(torch.empty(()).uniform_(-1.0, 1.0))
        deviation = self.config.thermal_noise * float(torch.rand(()))
        return (gain * thermal + offset + deviation * torch.randn_like(thermal)).clamp(0.0, 1.0)

    def drop_modality(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled inputs, one of them sometimes missing: zeros, as in service."""
        draw = float(torch.rand(()))
        if draw < self.config.drop_rgb:
            return torch.zeros_like(rgb), thermal
        if draw < self.config.drop_rgb + self.config.drop_thermal:
            return rgb, torch.zeros_like(thermal)
        return rgb, thermal


def joint_geometry(config: AugmentConfig, short_side: int | None) -> v2.Transform:
    """Random scale, crop (padded: mean RGB, cold thermal, ignored label) and flip of (RGB, thermal, label)."""
    fill = {tv_tensors.Image: _RGB_FILL, ThermalImage: 0.0, tv_tensors.Mask: UNLABELED}
    size = (config.crop_height, config.crop_width)
    return v2.Compose(
        [
            RandomScale(short_side, config.min_scale, config.max_scale),
            v2.RandomCrop(size, pad_if_needed=True, fill=fill),
            v2.RandomHorizontalFlip(config.flip),
        ]
    )
