"""Random scale, crop, flip and padding of samples: arrays of one size, as worker processes hand them over."""

from dataclasses import dataclass

import cv2
import numpy as np

from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.classes import UNLABELED

from ..config.schema import AugmentConfig
from .sample import Sample

INSIDE, THERMAL_KNOWN = 1, 2
"""Bits of `CroppedSample.known`."""

THERMAL_SPAN = 65535
"""The count that stands for a normalised thermal value of 1."""

_ALL_KNOWN = 0.9999
"""Share of known pixels from which on a resized pixel is made of nothing else; sums of weights are rounded."""


@dataclass(frozen=True)
class CroppedSample:
    """Arrays of one crop, or of several with a first axis [B].

    Attributes:
        rgb: uint8 [H, W, 3].
        thermal: uint16 [H, W], normalised as in service; `THERMAL_SPAN` is 1.
        label: uint8 [H, W]; `UNLABELED` in the padding.
        known: uint8 [H, W], bits: `INSIDE` the image, `THERMAL_KNOWN`.
    """

    rgb: np.ndarray
    thermal: np.ndarray
    label: np.ndarray
    known: np.ndarray

    def __getitem__(self, place: int | slice) -> "CroppedSample":
        """One or some of several."""
        return CroppedSample(self.rgb[place], self.thermal[place], self.label[place], self.known[place])


@dataclass(frozen=True)
class Window:
    """What is cut out along one axis: `count` pixels from `first` on, which become `scaled` pixels."""

    first: int
    count: int
    scaled: int


def crop_relative_factor(image: tuple[int, int], crop: tuple[int, int]) -> float:
    """How much an image is enlarged at scale 1 of the papers' training code, whose random scale is that of the crop.

    Landscape images become as high as the crop; very long ones no longer than four times its width.

    Args:
        image, crop: (height, width).
    """
    height, width = crop
    return min(max(height, 4 * width) / max(image), min(height, 4 * width) / min(image))


class RandomCrop:
    """A crop of the sample scaled at random, mirrored or not; where the scaled image is smaller, it is padded around.

    The window is cut out before it is resized, which costs as much as its result and not as the scaled image; it is of
    whole pixels, so each axis has the scale within half a pixel over the window.

    Args:
        config: size of the crop, `min_scale`, `max_scale`, `scale_of`, `focus` and `flip`.
        short_side: the image is first shrunk to this short side; None: its own.
    """

    def __init__(self, config: AugmentConfig, short_side: int | None) -> None:
        self.config = config
        self.size = (config.crop_height, config.crop_width)
        self.short_side = short_side
        self.normalize = ThermalNormalization()

    def __call__(self, sample: Sample, random: np.random.Generator, out: CroppedSample) -> None:
        """Fill `out`; what `random` gives decides."""
        rows, columns = self.windows(sample.label, random)
        top, left = (
            int(random.integers(side - window.scaled + 1))
            for side, window in zip(self.size, (rows, columns), strict=True)
        )
        mirrored = random.random() < self.config.flip
        cut = np.s_[rows.first : rows.first + rows.count, columns.first : columns.first + columns.count]
        size = (columns.scaled, rows.scaled)
        valid = None if sample.thermal_valid is None else sample.thermal_valid[cut]
        known = np.full((rows.scaled, columns.scaled), INSIDE | THERMAL_KNOWN, np.uint8)
        if valid is not None and not valid.all():
            known[_resized(valid.astype(np.float32), size) <= _ALL_KNOWN] = INSIDE
        parts = (
            (out.rgb, _resized(sample.rgb[cut], size), 0),
            (out.thermal, _resized(self._thermal(sample, cut), size), 0),
            (out.label, _resized_label(sample.label[cut], size), UNLABELED),
            (out.known, known, 0),
        )
        place = np.s_[top : top + rows.scaled, left : left + columns.scaled]
        for whole, part, padding in parts:
            if part.shape != whole.shape:
                whole.fill(padding)
            whole[place] = part[:, ::-1] if mirrored else part

    def windows(self, label: np.ndarray, random: np.random.Generator) -> tuple[Window, Window]:
        """Rows and columns that are cut out of a sample with this label [H, W]."""
        height, width = label.shape
        scale = self._base(height, width) * random.uniform(self.config.min_scale, self.config.max_scale)
        row, column = self._aim(label, random)
        return (
            _window(height, self.size[0], scale, row, random),
            _window(width, self.size[1], scale, column, random),
        )

    def _base(self, height: int, width: int) -> float:
        """Factor on an image at scale 1."""
        if self.config.scale_of == "crop":
            return crop_relative_factor((height, width), self.size)
        return 1.0 if self.short_side is None else min(1.0, self.short_side / min(height, width))

    def _aim(self, label: np.ndarray, random: np.random.Generator) -> tuple[int | None, int | None]:
        """Row and column of a pixel that the crop must contain, or None and None."""
        if self.config.focus == 0.0 or random.random() >= self.config.focus:
            return None, None
        counts = np.bincount(label.reshape(-1), minlength=UNLABELED + 1)
        classes = np.flatnonzero(counts[1:UNLABELED]) + 1
        if len(classes) == 0:
            return None, None
        places = np.flatnonzero(label == classes[random.integers(len(classes))])
        row, column = divmod(int(places[random.integers(len(places))]), label.shape[1])
        return row, column

    def _thermal(self, sample: Sample, cut: tuple[slice, ...]) -> np.ndarray:
        """Normalised thermal within a window, uint16."""
        if sample.thermal.dtype == np.uint8:
            # What 8 bits mean does not depend on the rest of the image.
            return sample.thermal[cut].astype(np.uint16) * np.uint16(THERMAL_SPAN // 255)
        unit = self.normalize(sample.thermal, sample.thermal_valid)[cut]
        counts: np.ndarray = np.rint(unit * THERMAL_SPAN).astype(np.uint16)
        return counts


def _window(length: int, crop: int, scale: float, aim: int | None, random: np.random.Generator) -> Window:
    """Along one axis of `length` pixels, at `scale`; it contains the pixel `aim`, if there is one."""
    cut = min(length, max(1, round(crop / scale)))
    scaled = crop if cut < length else min(crop, max(1, round(length * scale)))
    if aim is None:
        return Window(int(random.integers(length - cut + 1)), cut, scaled)
    first = aim - int(random.integers(cut))
    return Window(min(max(first, 0), length - cut), cut, scaled)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image at (width, height), without aliasing; pixel centres lie at halves."""
    if image.shape[1::-1] == size:
        return image
    if size[0] <= image.shape[1] and size[1] <= image.shape[0]:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # On 8-bit images INTER_LINEAR is a tenth of a grey level too dark; on others it is exact, and faster.
    linear = cv2.INTER_LINEAR_EXACT if image.dtype == np.uint8 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=linear)


def _resized_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if label.shape[1::-1] == size:
        return label
    # INTER_NEAREST samples up to half a pixel beside the images' places.
    return cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT)
