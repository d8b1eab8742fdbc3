"""Images of a batch as one block of bytes, and what a device makes of it: scaled network inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from rgbt_seg_ros.images.pair import WHOLE, ImagePair
from rgbt_seg_ros.models.scaling import InputScaling

_ALIGNED = 256
"""Every image begins at a multiple of this [bytes], as kernels like it."""


@dataclass(frozen=True)
class PairLayout:
    """What there is of one pair.

    Attributes:
        rgb: whether there is an RGB image; it has the batch's size.
        thermal: height and width of the thermal image; None without one.
        is_16_bit: whether its counts are uint16, else uint8.
        has_valid: whether its valid pixels are told.
    """

    rgb: bool
    thermal: tuple[int, int] | None
    is_16_bit: bool
    has_valid: bool


@dataclass(frozen=True)
class BatchLayout:
    """What a batch of pairs of one size holds: batches of equal layouts take the same way, to the byte.

    Attributes:
        size: (height, width) of the answers.
        network_size: that in which the images enter the network.
        pairs: in order.
    """

    size: tuple[int, int]
    network_size: tuple[int, int]
    pairs: tuple[PairLayout, ...]

    @classmethod
    def of(cls, pairs: Sequence[ImagePair], network_size: tuple[int, int]) -> "BatchLayout":
        """That of some pairs, which have one size."""
        return cls(pairs[0].size, network_size, tuple(_layout(pair) for pair in pairs))


@dataclass(frozen=True)
class PairViews:
    """The parts of a block that belong to one pair; tensors share its memory.

    Attributes:
        limits: float32 [2], thermal counts that become 0 and 1.
        rgb: uint8 [H, W, 3], or None.
        thermal: uint8, or int16 with the bits of uint16, [h, w]; None without one.
        valid: uint8 [h, w], 1 where a pixel is known; None if all are.
    """

    limits: Tensor
    rgb: Tensor | None
    thermal: Tensor | None
    valid: Tensor | None


def block_size(layout: BatchLayout) -> int:
    """Bytes of a batch."""
    return _cut(layout, None)[1]


def views_of(layout: BatchLayout, block: Tensor) -> list[PairViews]:
    """The parts of a block uint8 [`block_size`], on the host or on a device."""
    return _cut(layout, block)[0]


def fill(
    views: Sequence[PairViews], pairs: Sequence[ImagePair], limits: Sequence[tuple[float, float]]
) -> None:
    """Write the images of a batch into a block on the host; the only copy that the processor makes of them."""
    for view, pair, (low, high) in zip(views, pairs, limits, strict=True):
        view.limits[0], view.limits[1] = low, high
        if view.rgb is not None and pair.rgb is not None:
            np.copyto(view.rgb.numpy(), pair.rgb)
        if view.thermal is not None and pair.thermal is not None:
            np.copyto(view.thermal.numpy().view(pair.thermal.dtype), pair.thermal)
        if view.valid is not None and pair.thermal_valid is not None:
            np.copyto(view.valid.numpy().view(bool), pair.thermal_valid)


class DeviceScaling:
    """From bytes to network inputs, on a device; the numbers are those of `Segmenter.prepare` up to rounding.

    Everything that is not an image is on the device before the first call: calls copy nothing there, so that they can
    be captured in a CUDA graph.

    Args:
        scaling: the model's.
        layout: of the batches.
        device: where the blocks lie.
    """

    def __init__(self, scaling: InputScaling, layout: BatchLayout, device: torch.device) -> None:
        self._layout = layout
        # Both rules are straight lines: two points of each tell them.
        black = scaling.rgb(torch.zeros(3, 1, 1, dtype=torch.uint8))
        white = scaling.rgb(torch.full((3, 1, 1), 255, dtype=torch.uint8))
        cold, hot = (scaling.thermal(torch.full((1, 1), value)) for value in (0.0, 1.0))
        lines = (black, (white - black) / 255.0, cold, hot - cold)
        self._black, self._rgb_slope, self._cold, self._thermal_slope = (each.to(device) for each in lines)
        thermal_sizes = {pair.thermal for pair in layout.pairs if pair.thermal is not None}
        self._weights = {
            size: tuple(each.to(device) for each in resize_weights(size, layout.network_size))
            for size in {layout.size, *thermal_sizes}
            if size != layout.network_size
        }

    def __call__(self, views: Sequence[PairViews]) -> tuple[Tensor, Tensor]:
        """Network inputs, both float32 [B, 3, h, w]; zeros for what is missing."""
        rgb = [self._rgb(view.rgb) for view in views]
        thermal = [self._thermal(view) for view in views]
        return torch.stack(rgb), torch.stack(thermal)

    def _rgb(self, image: Tensor | None) -> Tensor:
        if image is None:
            return self._black.new_zeros(3, *self._layout.network_size)
        planes = image.permute(2, 0, 1).float()
        if self._layout.size in self._weights:
            # Pixels of a resized image are bytes as well.
            planes = self._resized(planes, self._layout.size).round().clamp(0.0, 255.0)
        return self._black + planes * self._rgb_slope

    def _thermal(self, view: PairViews) -> Tensor:
        if view.thermal is None:
            return self._black.new_zeros(3, *self._layout.network_size)
        size = (view.thermal.shape[0], view.thermal.shape[1])
        counts = view.thermal.int() & 0xFFFF if view.thermal.dtype == torch.int16 else view.thermal
        low, high = view.limits[0], view.limits[1]
        unit = ((counts.float() - low) / (high - low)).clamp(0.0, 1.0)
        scaled = self._cold + self._resized(unit, size) * self._thermal_slope  # [3, h, w]
        if view.valid is not None:
            scaled = scaled * (self._resized(view.valid.float(), size) > WHOLE)
        return scaled

    def _resized(self, planes: Tensor, size: tuple[int, int]) -> Tensor:
        """Planes float32 [..., h, w] at the network's size."""
        if size not in self._weights:
            return planes
        rows, columns = self._weights[size]
        return rows @ planes @ columns.T


def resize_weights(size: tuple[int, int], target: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How `resize_image` makes rows and columns of a size of others: float32 [h', h] and [w', w]."""
    shrinks = size[0] >= target[0] and size[1] >= target[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR

    def weights(before: int, after: int) -> Tensor:
        # What becomes of each unit vector.
        unit = np.eye(before, dtype=np.float32)
        resized = unit if before == after else cv2.resize(unit, (before, after), interpolation=how)
        return torch.from_numpy(np.ascontiguousarray(resized))

    return weights(size[0], target[0]), weights(size[1], target[1])


def _layout(pair: ImagePair) -> PairLayout:
    thermal = pair.thermal
    return PairLayout(
        rgb=pair.rgb is not None,
        thermal=None if thermal is None else (thermal.shape[0], thermal.shape[1]),
        is_16_bit=thermal is not None and thermal.dtype == np.uint16,
        has_valid=thermal is not None and pair.thermal_valid is not None,
    )


def _cut(layout: BatchLayout, block: Tensor | None) -> tuple[list[PairViews], int]:
    """The parts of a block, if there is one, and its size."""
    begin = 0

    def take(shape: tuple[int, ...], kind: torch.dtype) -> Tensor | None:
        nonlocal begin
        first, size = begin, int(np.prod(shape)) * kind.itemsize
        begin = -(-(first + size) // _ALIGNED) * _ALIGNED
        return None if block is None else block[first : first + size].view(kind).view(shape)

    views = []
    for pair in layout.pairs:
        limits = take((2,), torch.float32)
        rgb = take((*layout.size, 3), torch.uint8) if pair.rgb else None
        thermal = valid = None
        if pair.thermal is not None:
            thermal = take(pair.thermal, torch.int16 if pair.is_16_bit else torch.uint8)
            valid = take(pair.thermal, torch.uint8) if pair.has_valid else None
        if limits is not None:
            views.append(PairViews(limits, rgb, thermal, valid))
    return views, begin
