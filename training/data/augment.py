"""Random changes of a batch's appearance, on the device that trains: each of RGB or thermal alone.

Geometry, which both share with the label, comes before it (`training.data.crop`).
"""

from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.models.scaling import InputScaling

from ..config.schema import AugmentConfig
from .crop import INSIDE, THERMAL_KNOWN, THERMAL_SPAN, CroppedSample

_CLOUDS = (4, 5)
"""Random values of smoke over an image's height and width; it is smooth between them."""

_THICKEST_SMOKE = 6.0
"""Optical depth; through 6 a four-hundredth of the light comes."""

_SMOKE_GREY = (40.0, 210.0)
"""Pixel values of smoke, from night to daylight; its clouds vary by as much as the first."""

_GREY = (0.2989, 0.587, 0.114)
"""What red, green and blue add to brightness."""

_AGC_STEP = 3
"""Every third pixel in both directions tells the range of an image well enough."""


class _Draw(IntEnum):
    """Places of a sample's random numbers, one for each use, so that no change moves another's."""

    SMOKE = 0
    SMOKE_DEPTH = auto()
    SMOKE_GREY = auto()
    JITTER = auto()
    BRIGHTNESS = auto()
    CONTRAST = auto()
    SATURATION = auto()
    BLUR = auto()
    BLUR_SIGMA = auto()
    GAMMA = auto()
    GAMMA_EXPONENT = auto()
    NEGATIVE = auto()
    AGC = auto()
    AGC_DARK = auto()
    AGC_BRIGHT = auto()
    GAIN = auto()
    OFFSET = auto()
    NOISE = auto()
    STRIPES = auto()
    DROP = auto()
    CLOUDS = auto()


DRAWS = _Draw.CLOUDS + 2 * _CLOUDS[0] * _CLOUDS[1]
"""Random numbers in [0, 1) that a sample is given."""


@dataclass(frozen=True)
class RawBatch:
    """Crops as worker processes made them.

    Attributes:
        crops: of B samples.
        draws: float64 [B, `DRAWS`] in [0, 1).
        seeds: int64 [B], of the noise of each sample.
    """

    crops: CroppedSample
    draws: np.ndarray
    seeds: np.ndarray


class Augmentation:
    """From crops to network inputs, each sample changed as its own random numbers say.

    Args:
        config: kinds, rates and strengths.
        scaling: the model's input scaling.
        device: where everything is computed.
    """

    def __init__(self, config: AugmentConfig, scaling: InputScaling, device: torch.device) -> None:
        self.config = config
        self.scaling = scaling
        self.device = device
        self._generator = torch.Generator(device)

    def __call__(self, batch: RawBatch) -> dict[str, Tensor]:
        """`rgb` and `thermal` float32 [B, 3, H, W], scaled, zero where missing; `label` int64 [B, H, W]."""
        rgb, thermal, label, known = (
            torch.from_numpy(image).to(self.device)
            for image in (batch.crops.rgb, batch.crops.thermal, batch.crops.label, batch.crops.known)
        )
        draws = torch.from_numpy(batch.draws)  # stays here: it decides what is computed
        inside = (known & INSIDE > 0)[:, None]
        thermal_known = (known & THERMAL_KNOWN > 0)[:, None]
        seen = rgb.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        seen = self.scaling.rgb(self._change_rgb(seen, draws))
        warm = thermal[:, None].to(torch.float32).div_(THERMAL_SPAN)
        warm = self._change_thermal(warm, thermal_known, draws, batch.seeds.tolist())
        keep_rgb, keep_thermal = self._kept(draws)
        # Zero is missing to the network.
        return {
            "rgb": seen.mul_(inside & keep_rgb),
            "thermal": self.scaling.thermal(warm[:, 0]) * (thermal_known & keep_thermal),
            "label": label.long(),
        }

    def _change_rgb(self, rgb: Tensor, draws: Tensor) -> Tensor:
        """Smoke, colour jitter, blur and gamma on float32 [B, 3, H, W] from 0 to 255, in place."""
        changes = (
            (self.config.smoke, _Draw.SMOKE, self._see_through_smoke),
            (self.config.jitter, _Draw.JITTER, self._jitter),
            (self.config.blur, _Draw.BLUR, self._blur),
            (self.config.gamma, _Draw.GAMMA, self._bend),
        )
        for rate, draw, change in changes:
            changed = (draws[:, draw] < rate).nonzero().flatten()
            if len(changed):
                there = changed.to(self.device)
                rgb[there] = change(rgb[there], draws[changed].float().to(self.device))
        return rgb

    def _see_through_smoke(self, rgb: Tensor, draws: Tensor) -> Tensor:
        """Grey in front of float32 [n, 3, H, W], in clouds: from a haze to nothing to be seen.

        What is seen is J t + A (1 - t) with the transmission t = exp(-optical depth): Koschmieder's law, Eq. 1 of He,
        Sun and Tang, "Single Image Haze Removal Using Dark Channel Prior".
        """
        clouds = draws[:, _Draw.CLOUDS :].reshape(-1, 2, *_CLOUDS)
        clouds = F.interpolate(clouds, rgb.shape[-2:], mode="bilinear", align_corners=False)
        density, shade = clouds.split(1, dim=1)
        # Squared, as thin smoke is the more common; some is everywhere.
        depth = _THICKEST_SMOKE * _each(draws, _Draw.SMOKE_DEPTH) ** 2 * (0.25 + density)
        darkest, brightest = _SMOKE_GREY
        grey = darkest + (brightest - darkest) * _each(draws, _Draw.SMOKE_GREY) + darkest * shade
        return torch.lerp(grey.expand_as(rgb), rgb, torch.exp(-depth))

    def _jitter(self, rgb: Tensor, draws: Tensor) -> Tensor:
        """Brightness, contrast and saturation of float32 [n, 3, H, W], each by its own factor."""
        names = (_Draw.BRIGHTNESS, _Draw.CONTRAST, _Draw.SATURATION)
        brightness, contrast, saturation = (
            1.0 + self.config.jitter_strength * (2.0 * _each(draws, name) - 1.0) for name in names
        )
        rgb = rgb.mul_(brightness).clamp_(0.0, 255.0)
        mean = _brightness(rgb).mean((-2, -1), keepdim=True)
        rgb = torch.lerp(mean.expand_as(rgb), rgb, contrast).clamp_(0.0, 255.0)
        return torch.lerp(_brightness(rgb).expand_as(rgb), rgb, saturation).clamp_(0.0, 255.0)

    def _blur(self, rgb: Tensor, draws: Tensor) -> Tensor:
        """Gaussian blur of float32 [n, 3, H, W], each with its own standard deviation."""
        fixed, half = self.config.blur_sigma, self.config.blur_size // 2
        drawn = 0.1 + 1.9 * draws[:, _Draw.BLUR_SIGMA, None]
        sigma = drawn if fixed is None else torch.full_like(drawn, fixed)
        line = torch.exp(-0.5 * (torch.arange(-half, half + 1, device=self.device) / sigma) ** 2)
        line = (line / line.sum(1, keepdim=True))[:, :, None, None, None]
        mode = "reflect" if min(rgb.shape[-2:]) > half else "replicate"
        for axis in (-1, -2):
            margins = (half, half, 0, 0) if axis == -1 else (0, 0, half, half)
            padded, length = F.pad(rgb, margins, mode), rgb.shape[axis]
            # Sums of shifted images: a convolution of each sample with a kernel of its own is slow on CPUs.
            rgb = torch.zeros_like(rgb)
            for i in range(2 * half + 1):
                rgb.addcmul_(line[:, i], padded.narrow(axis, i, length))
        return rgb

    def _bend(self, rgb: Tensor, draws: Tensor) -> Tensor:
        """Another gamma of float32 [n, 3, H, W]."""
        exponent = self.config.gamma_range ** (2.0 * _each(draws, _Draw.GAMMA_EXPONENT) - 1.0)
        return rgb.div_(255.0).pow_(exponent).mul_(255.0)

    def _change_thermal(self, thermal: Tensor, known: Tensor, draws: Tensor, seeds: list[int]) -> Tensor:
        """Polarity, gain, offset, noise and column stripes on float32 [B, 1, H, W] in [0, 1], in place.

        Stripes are the noise of the readout of an uncooled sensor: its columns have an amplifier each.
        """
        config, width = self.config, thermal.shape[-1]
        negative = (draws[:, _Draw.NEGATIVE] < config.thermal_negative).nonzero().flatten().to(self.device)
        thermal[negative] = 1.0 - thermal[negative]
        stretched = (draws[:, _Draw.AGC] < config.thermal_agc).nonzero().flatten()
        draws = draws.float().to(self.device)
        if len(stretched):
            there = stretched.to(self.device)
            thermal[there] = self._control_gain(thermal[there], known[there], draws[there])
        thermal.mul_(1.0 + config.thermal_gain * (2.0 * _each(draws, _Draw.GAIN) - 1.0))
        thermal.add_(config.thermal_offset * (2.0 * _each(draws, _Draw.OFFSET) - 1.0))
        if config.thermal_noise > 0.0:
            noise = torch.stack([self._normal(seed, *thermal.shape[1:]) for seed in seeds])
            thermal.add_(noise.mul_(config.thermal_noise * _each(draws, _Draw.NOISE)))
        if config.thermal_stripes > 0.0:
            stripes = torch.stack([self._normal(seed + 1, 1, 1, width) for seed in seeds])
            thermal.add_(stripes.mul_(config.thermal_stripes * _each(draws, _Draw.STRIPES)))
        return thermal.clamp_(0.0, 1.0)

    def _normal(self, seed: int, *shape: int) -> Tensor:
        """Normal random numbers that depend on the seed alone, not on what else is in the batch."""
        return torch.randn(shape, generator=self._generator.manual_seed(seed), device=self.device)

    def _control_gain(self, thermal: Tensor, known: Tensor, draws: Tensor) -> Tensor:
        """Thermal [n, 1, H, W] as of a camera that gives every scene its whole range of grey levels."""
        every = np.s_[..., ::_AGC_STEP, ::_AGC_STEP]
        values = thermal[every].masked_fill(~known[every], torch.nan).flatten(1)
        limits = values.nanquantile(torch.tensor([0.01, 0.99], device=self.device), dim=1)
        # Nothing is known of a sample: nothing is to be stretched.
        low, high = limits.nan_to_num()[:, :, None, None, None]
        dark = 0.4 * _each(draws, _Draw.AGC_DARK)
        bright = 0.6 + 0.4 * _each(draws, _Draw.AGC_BRIGHT)
        return dark + (bright - dark) * (thermal - low) / (high - low).clamp_min(1.0 / 255.0)

    def _kept(self, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Whether RGB and thermal are there, bool [B, 1, 1, 1] each; never neither."""
        draw = draws[:, _Draw.DROP].reshape(-1, 1, 1, 1)
        no_rgb = draw < self.config.drop_rgb
        no_thermal = (draw < self.config.drop_rgb + self.config.drop_thermal) & ~no_rgb
        return (~no_rgb).to(self.device), (~no_thermal).to(self.device)


def _each(draws: Tensor, name: _Draw) -> Tensor:
    """One random number of each sample, [n, 1, 1, 1]."""
    return draws[:, name].reshape(-1, 1, 1, 1)


def _brightness(rgb: Tensor) -> Tensor:
    """[n, 3, H, W] -> [n, 1, H, W]."""
    red, green, blue = (weight * plane for weight, plane in zip(_GREY, rgb.split(1, dim=1), strict=True))
    return red.add_(green).add_(blue)
