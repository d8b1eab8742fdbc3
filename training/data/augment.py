"""Random changes of training samples: geometry of RGB, thermal and label together, appearance of each alone.

torchvision's v2 transforms treat every image they are given alike. Its ColorJitter on a whole sample would also change
thermal, and fail on its one channel. So only geometry is given the sample; appearance is given one image.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as VF

from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.classes import UNLABELED
from rgbt_seg_ros.models.scaling import InputScaling

from ..config.schema import AugmentConfig
from .sample import Sample

_CLOUDS = (4, 5)
"""Random values of smoke over an image's height and width; it is smooth between them."""

_THICKEST_SMOKE = 6.0
"""Optical depth; through 6 a four-hundredth of the light comes."""

_SMOKE_GREY = (40.0, 210.0)
"""Pixel values of smoke, from night to daylight; its clouds vary by as much as the first."""


class ValidMask(tv_tensors.Mask):
    """Whether thermal is known, bool [H, W]; a type of its own because it is resized unlike a label."""


def crop_relative_factor(image: tuple[int, int], crop: tuple[int, int]) -> float:
    """How much an image is enlarged at scale 1 of the papers' training code, whose random scale is that of the crop.

    Landscape images become as high as the crop; very long ones no longer than four times its width.

    Args:
        image, crop: (height, width).
    """
    height, width = crop
    return min(max(height, 4 * width) / max(image), min(height, 4 * width) / min(image))


class RandomScaledCrop(v2.Transform):
    """A crop of the image scaled at random; smaller than the crop where the scaled image is.

    The window is cut out before it is resized, which costs as much as its result and not as the scaled image; it is of
    whole pixels, so each axis has the scale within half a pixel over the window.

    Args:
        size: height and width of the crop.
        short_side: the image is first shrunk to this short side; None: its own.
        min_scale, max_scale: range of the factor after that.
        scale_of: `image`, or `crop`: the factor is that of `crop_relative_factor`, whatever the short side.
        focus: probability that the crop is laid around a pixel of a class drawn among those in the label other than 0.
    """

    def __init__(
        self,
        size: tuple[int, int],
        short_side: int | None,
        min_scale: float,
        max_scale: float,
        focus: float = 0.0,
        scale_of: str = "image",
    ) -> None:
        super().__init__()
        self.size = size
        self.short_side = short_side
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.focus = focus
        self.scale_of = scale_of

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = VF.get_size(flat_inputs[0])
        scale = self._base(height, width) * float(torch.empty(()).uniform_(self.min_scale, self.max_scale))
        row, column = self._aim(flat_inputs)
        top, rows, out_height = _window(height, self.size[0], scale, row)
        left, columns, out_width = _window(width, self.size[1], scale, column)
        return {"window": (top, left, rows, columns), "size": [out_height, out_width]}

    def _base(self, height: int, width: int) -> float:
        """Factor on an image at scale 1."""
        if self.scale_of == "crop":
            return crop_relative_factor((height, width), self.size)
        return 1.0 if self.short_side is None else min(1.0, self.short_side / min(height, width))

    def _aim(self, flat_inputs: list[Any]) -> tuple[int | None, int | None]:
        """Row and column of a pixel that the crop must contain, or None and None."""
        if self.focus == 0.0 or torch.rand(()) >= self.focus:
            return None, None
        label = next(
            image.as_subclass(Tensor)
            for image in flat_inputs
            if isinstance(image, tv_tensors.Mask) and not isinstance(image, ValidMask)
        )
        counts = torch.bincount(label.flatten(), minlength=UNLABELED + 1)
        classes = counts[1:UNLABELED].nonzero().flatten() + 1
        if len(classes) == 0:
            return None, None
        places = (label == classes[torch.randint(len(classes), ())]).nonzero()
        row, column = places[torch.randint(len(places), ())].tolist()
        return row, column

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        window = VF.crop(inpt, *params["window"])
        size = params["size"]
        if list(window.shape[-2:]) == size:
            return window
        if isinstance(inpt, ValidMask):
            # Known is what is made of known pixels alone.
            share = VF.resize_image(window.as_subclass(Tensor)[None].float(), size, antialias=True)
            return tv_tensors.wrap(share[0] > 0.999, like=inpt)
        if isinstance(inpt, tv_tensors.Mask):
            # v2 resizes masks with `nearest`, whose samples lie up to half a pixel beside the images'.
            exact = v2.InterpolationMode.NEAREST_EXACT
            ids = VF.resize_image(window.as_subclass(Tensor)[None], size, interpolation=exact)
            return tv_tensors.wrap(ids[0], like=inpt)
        return VF.resize(window, size, antialias=True)


def _window(length: int, crop: int, scale: float, aim: int | None) -> tuple[int, int, int]:
    """Along one axis of `length` pixels: first pixel and number of pixels cut out, and their number once scaled.

    The window contains the pixel `aim`, if there is one.
    """
    cut = min(length, max(1, round(crop / scale)))
    scaled = crop if cut < length else min(crop, max(1, round(length * scale)))
    if aim is None:
        return int(torch.randint(length - cut + 1, ())), cut, scaled
    first = aim - int(torch.randint(cut, ()))
    return min(max(first, 0), length - cut), cut, scaled


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
        size = (config.crop_height, config.crop_width)
        self.geometry = v2.Compose(
            [
                RandomScaledCrop(
                    size, short_side, config.min_scale, config.max_scale, config.focus, config.scale_of
                ),
                v2.RandomHorizontalFlip(config.flip),
            ]
        )
        # Zero is missing to the network; padding comes last, so that no change of appearance touches it.
        self.pad = v2.RandomCrop(
            size, pad_if_needed=True, fill={tv_tensors.Image: 0.0, tv_tensors.Mask: UNLABELED}
        )
        strength = config.jitter_strength
        sigma = (0.1, 2.0) if config.blur_sigma is None else config.blur_sigma
        self.colour = v2.Compose(
            [
                v2.RandomApply(
                    [v2.ColorJitter(brightness=strength, contrast=strength, saturation=strength)],
                    p=config.jitter,
                ),
                v2.RandomApply([v2.GaussianBlur(config.blur_size, sigma)], p=config.blur),
            ]
        )

    def __call__(self, sample: Sample) -> dict[str, Tensor]:
        """`rgb` and `thermal` float32 [3, h, w], scaled; `label` int64 [h, w]."""
        images = {
            "rgb": tv_tensors.Image(torch.from_numpy(sample.rgb).permute(2, 0, 1)),
            "thermal": tv_tensors.Image(
                torch.from_numpy(self.normalize(sample.thermal, sample.thermal_valid))
            ),
            "label": tv_tensors.Mask(torch.from_numpy(sample.label)),
        }
        if sample.thermal_valid is not None:
            images["valid"] = ValidMask(torch.from_numpy(sample.thermal_valid))
        images = self.geometry(images)
        # One plane a channel: the colour operations take half as long again on interleaved pixels.
        rgb = self.scaling.rgb(self.change_rgb(images["rgb"].as_subclass(Tensor).contiguous()))
        thermal = self.scaling.thermal(self.change_thermal(images["thermal"].as_subclass(Tensor))[0])
        if "valid" in images:
            thermal = thermal * images["valid"].as_subclass(Tensor)
        rgb, thermal = self.drop_modality(rgb, thermal)
        padded = self.pad(tv_tensors.Image(rgb), tv_tensors.Image(thermal), images["label"])
        rgb, thermal, label = (image.as_subclass(Tensor) for image in padded)
        # Views (the scaling's expand, a crop) share memory, which batches of worker processes cannot.
        return {"rgb": rgb.contiguous(), "thermal": thermal.contiguous(), "label": label.long()}

    def change_rgb(self, rgb: Tensor) -> Tensor:
        """Smoke, colour jitter, blur and gamma on uint8 [3, h, w]."""
        if self.config.smoke > 0.0 and torch.rand(()) < self.config.smoke:
            rgb = self.see_through_smoke(rgb)
        rgb = self.colour(rgb)
        if torch.rand(()) < self.config.gamma:
            exponent = self.config.gamma_range ** float(torch.empty(()).uniform_(-1.0, 1.0))
            rgb = VF.adjust_gamma(rgb, exponent)
        return rgb

    def see_through_smoke(self, rgb: Tensor) -> Tensor:
        """Grey in front of uint8 [3, h, w], in clouds: from a haze to nothing to be seen, of the same shape.

        What is seen is J t + A (1 - t) with the transmission t = exp(-optical depth): Koschmieder's law, Eq. 1 of He,
        Sun and Tang, "Single Image Haze Removal Using Dark Channel Prior".
        """
        clouds = torch.rand(2, 1, *_CLOUDS)
        density, shade = VF.resize(clouds, list(rgb.shape[-2:]), antialias=False)
        # Squared, as thin smoke is the more common; some is everywhere.
        depth = _THICKEST_SMOKE * float(torch.rand(())) ** 2 * (0.25 + density)
        transmission = torch.exp(-depth)
        darkest, brightest = _SMOKE_GREY
        grey = darkest + (brightest - darkest) * float(torch.rand(())) + darkest * shade
        return (rgb * transmission + grey * (1.0 - transmission)).to(torch.uint8)

    def change_thermal(self, thermal: Tensor) -> Tensor:
        """Gain, offset, noise and column stripes on float32 [1, h, w] in [0, 1]; stays in that range.

        Stripes are the noise of the readout of an uncooled sensor: its columns have an amplifier each.
        """
        if self.config.thermal_agc > 0.0 and torch.rand(()) < self.config.thermal_agc:
            thermal = self.control_gain(thermal)
        gain = 1.0 + self.config.thermal_gain * float(torch.empty(()).uniform_(-1.0, 1.0))
        offset = self.config.thermal_offset * float(torch.empty(()).uniform_(-1.0, 1.0))
        noise = self.config.thermal_noise * float(torch.rand(())) * torch.randn_like(thermal)
        columns = torch.randn(thermal.shape[-1])
        stripes = self.config.thermal_stripes * float(torch.rand(())) * columns
        return (gain * thermal + offset + noise + stripes).clamp(0.0, 1.0)

    def control_gain(self, thermal: Tensor) -> Tensor:
        """Thermal as a camera shows it that gives every scene its whole range of grey levels."""
        low, high = thermal.quantile(torch.tensor([0.01, 0.99])).tolist()
        dark, bright = torch.rand(2).tolist()
        dark, bright = 0.4 * dark, 0.6 + 0.4 * bright
        return dark + (bright - dark) * (thermal - low) / max(high - low, 1.0 / 255.0)

    def drop_modality(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled inputs, one of them sometimes missing: zeros, as in service."""
        draw = float(torch.rand(()))
        if draw < self.config.drop_rgb:
            return torch.zeros_like(rgb), thermal
        if draw < self.config.drop_rgb + self.config.drop_thermal:
            return rgb, torch.zeros_like(thermal)
        return rgb, thermal
