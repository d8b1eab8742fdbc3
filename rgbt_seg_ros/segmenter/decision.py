"""From a network's logits to the class of each pixel and its probability.

On the CPU the work hardly grows with the number of classes: a pixel is an average of a few places of the coarse logits,
and where these have one likeliest class, it is the pixel's. Only other pixels are interpolated, and probabilities only
where they are asked for.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.models.coarse_logits import CoarseLogits, joined
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.segmenter.enlarging import Grid

_BLOCK = 1 << 18
"""Logits of single pixels that are interpolated at a time: 1 MB, which stays in the cache."""

_STRIP = 1 << 20
"""Logits of all pixels that are interpolated at a time: 4 MB, which keep threads busy and stay in the cache."""

_CLASSES_AT_ONCE = 32
"""Classes whose logits a device has at full size at a time."""


_Told = Callable[[Tensor], Tensor]
"""From the logits of some pixels, [P, N], to [P]."""


class Decision:
    """The classes of one image's pixels, and their probabilities on demand.

    Attributes:
        mask: [H, W], class ids of the selection's type.
        shape: height and width.
    """

    def __init__(self, maps: Sequence[Tensor], grid: Grid, classes: ClassSelection) -> None:
        """Of maps [N, h, w] on the CPU."""
        self._maps, self._grid = maps, grid
        self._unlabeled = None if classes.ids is None else classes.unlabeled
        self.shape = grid.size
        likeliest = [_likeliest(each) for each in maps]
        kind = classes.mask_type
        ids = np.arange(maps[0].shape[0], dtype=kind) if classes.ids is None else classes.ids
        self.mask = grid.spread(ids[likeliest[0]])
        agreed = grid.agreed(likeliest[0])
        for other in likeliest[1:]:
            agreed &= grid.agreed(other) & (grid.spread(other) == grid.spread(likeliest[0]))
        rows, columns = np.nonzero(~agreed)
        if len(rows):
            answers = self._of_pixels(rows, columns, _largest_place)
            self.mask[rows, columns] = ids[answers]

    def probability(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Of the classes of some pixels, whose rows and columns are int64 [P]: float32 [P]; 0 where unlabeled."""
        found = self._of_pixels(rows, columns, _largest_probability)
        return found if self._unlabeled is None else found * (self.mask[rows, columns] != self._unlabeled)

    def probabilities(self) -> np.ndarray:
        """Of the classes of all pixels: float32 [H, W]."""
        height, width = self.shape
        number = max(1, _STRIP // len(self._maps[0]) // width)
        parts = []
        with torch.inference_mode():
            wide = [self._grid.wide(each.contiguous()) for each in self._maps]
            for first in range(0, height, number):
                rows = slice(first, first + number)
                logits = joined([self._grid.rows_of(each, rows)[None] for each in wide])
                parts.append(_largest_probability(logits)[0])
        found = torch.cat(parts).numpy()
        return found if self._unlabeled is None else found * (self.mask != self._unlabeled)

    @torch.inference_mode()
    def _of_pixels(self, rows: np.ndarray, columns: np.ndarray, what: _Told) -> np.ndarray:
        """What is told of the logits of some pixels: [P]."""
        flat = [each.permute(1, 2, 0).flatten(0, 1).contiguous() for each in self._maps]  # [h * w, N]
        told = []
        block = max(1, _BLOCK // self._maps[0].shape[0])
        for begin in range(0, max(1, len(rows)), block):
            part = slice(begin, begin + block)
            places, weights = self._grid.of_pixels(rows[part], columns[part])
            logits = [F.embedding_bag(places, each, mode="sum", per_sample_weights=weights) for each in flat]
            told.append(what(joined(logits)).numpy())
        return np.concatenate(told)


def decide(coarse: CoarseLogits, size: tuple[int, int], classes: ClassSelection) -> list[Decision]:
    """One decision for each image of a batch, at a size of (height, width).

    Raises:
        ValueError: logits are not finite.
    """
    coarse = coarse.each(Tensor.cpu)
    if not all(_is_finite(each) for each in coarse.maps):
        raise ValueError("the network's output is not finite for this pair")
    if len(coarse.maps) > 1 and coarse.size != size:
        # The mean of two paths is no straight line between places: what is resized is the mean.
        coarse = CoarseLogits.of_full(coarse.full())
    grid = Grid(coarse, size)
    images = zip(*(each.unbind() for each in coarse.maps), strict=True)
    return [Decision(maps, grid, classes) for maps in images]


def most_probable(coarse: CoarseLogits, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Probability of the likeliest class and its place among the N, float and int64 [B, H, W]; for a device.

    Of many classes some are enlarged at a time: the logits of all are never there at full size.
    """
    if len(coarse.maps) > 1:
        probabilities, answers = _enlarged(coarse, size).softmax(dim=1).max(dim=1)
        return probabilities, answers
    parts = coarse.maps[0].split(_CLASSES_AT_ONCE, dim=1)
    best, answers, total = _of_part(coarse.each(lambda _: parts[0]), size)
    for number, part in enumerate(parts[1:], 1):
        other_best, other_answers, other_total = _of_part(coarse.each(lambda _, part=part: part), size)  # type: ignore[misc]
        answers = torch.where(other_best > best, other_answers + number * _CLASSES_AT_ONCE, answers)
        best = torch.maximum(best, other_best)
        total = torch.logaddexp(total, other_total)
    return (best - total).exp(), answers


def _of_part(coarse: CoarseLogits, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Largest logit, its place, and the logarithm of the sum of exponentials: [B, H, W] each."""
    logits = _enlarged(coarse, size)
    best, answers = logits.max(dim=1)
    return best, answers, logits.logsumexp(dim=1)


def _enlarged(coarse: CoarseLogits, size: tuple[int, int]) -> Tensor:
    logits = coarse.full()
    if coarse.size == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def _is_finite(logits: Tensor) -> bool:
    """Of [B, N, h, w]."""
    # In the order of memory this takes a tenth of the time.
    last = logits.permute(0, 2, 3, 1)
    ends = (last if last.is_contiguous() else logits).aminmax()
    return bool(torch.isfinite(torch.stack(ends)).all())


def _likeliest(logits: Tensor) -> np.ndarray:
    """[N, h, w] -> int64 [h, w]."""
    last = logits.permute(1, 2, 0)
    if last.is_contiguous():
        return last.numpy().argmax(axis=-1)
    return logits.max(dim=0).indices.numpy()


def _largest_place(logits: Tensor) -> Tensor:
    """[P, N] -> int64 [P]."""
    return torch.from_numpy(logits.numpy().argmax(axis=1))  # several times as fast as PyTorch's


def _largest_probability(logits: Tensor) -> Tensor:
    """[B, N, ...] -> [B, ...]; the logits are lost."""
    exponentials = logits.sub_(logits.amax(dim=1, keepdim=True)).exp_()
    return exponentials.sum(dim=1).reciprocal_()
