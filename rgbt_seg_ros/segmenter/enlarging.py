"""Bilinear enlargement of a coarse map as what it is: every pixel is an average of a few neighbouring places."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.models.coarse_logits import CoarseLogits, Enlargement

_TOGETHER = 512
"""Columns that one product makes: of many more, most of what is multiplied would be zeros."""


@dataclass(frozen=True, eq=False)
class _Line:
    """One direction: of which places each pixel is made.

    Attributes:
        first: int64 [n], the first place of each pixel's window; windows of all pixels are equally long.
        weights: [n, K], of the places in it; they are not negative and sum up to 1.
    """

    first: np.ndarray
    weights: np.ndarray

    @property
    def window(self) -> int:
        return self.weights.shape[1]

    def places(self) -> np.ndarray:
        """int64 [n, K]."""
        return self.first[:, None] + np.arange(self.window)

    def matrix(self, pixels: slice) -> tuple[slice, np.ndarray]:
        """The places that some pixels are made of, and the weights [pixels, places] of each of them."""
        places, weights = self.places()[pixels], self.weights[pixels]
        lowest, highest = int(places.min()), int(places.max()) + 1
        whole = np.zeros((len(places), highest - lowest), weights.dtype)
        np.put_along_axis(whole, places - lowest, weights, axis=1)
        return slice(lowest, highest), whole


Averages = tuple[Tensor, Tensor]
"""Places that some pixels are made of, row * w + column, int64 [P, K], and their weights, float [P, K]."""


class Grid:
    """A coarse map's places and the pixels of the enlarged one.

    Args:
        coarse: whose maps, enlargement and size of images are meant.
        size: (height, width) of the answer, to which the enlarged map is resized where it has another size.
    """

    def __init__(self, coarse: CoarseLogits, size: tuple[int, int]) -> None:
        first = coarse.maps[0]
        self.size = size
        self._rows, self._columns = (
            _line(first.shape[2 + axis], coarse.enlargement, coarse.size[axis], size[axis], first.dtype)
            for axis in (0, 1)
        )
        # Of each pixel's window, row after row: both directions' parts, whose sum or product is the window's.
        by_row, by_column = self._columns.window, self._rows.window
        self._row_places = _repeated(self._rows.places() * first.shape[3], by_row)
        self._row_weights = _repeated(self._rows.weights, by_row)
        self._column_places = torch.from_numpy(np.tile(self._columns.places(), by_column))
        self._column_weights = torch.from_numpy(np.tile(self._columns.weights, by_column))

    def agreed(self, answers: np.ndarray) -> np.ndarray:
        """Where all places that a pixel is made of have one answer: answers [h, w] -> bool [H, W].

        If a class is the likeliest one at each of these places, it is so in every average of them.
        """
        height, width = self._rows.window, self._columns.window
        last_row, last_column = answers.shape[0] - height + 1, answers.shape[1] - width + 1
        same = np.ones((last_row, last_column), bool)
        for y in range(height):
            for x in range(width):
                same &= answers[y : y + last_row, x : x + last_column] == answers[:last_row, :last_column]
        return self.spread(same)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """To every pixel the value of the first place that it is made of: [h, w] -> [H, W]."""
        return values.take(self._rows.first, axis=0).take(self._columns.first, axis=1)

    def of_pixels(self, rows: np.ndarray, columns: np.ndarray) -> Averages:
        """What single pixels are made of; rows and columns are int64 [P]."""
        row, column = torch.from_numpy(rows), torch.from_numpy(columns)
        places = self._row_places.index_select(0, row).add_(self._column_places.index_select(0, column))
        weights = self._row_weights.index_select(0, row).mul_(self._column_weights.index_select(0, column))
        return places, weights

    def wide(self, maps: Tensor) -> Tensor:
        """Maps [N, h, w] at the answer's width: [N, h, W], for `rows_of`.

        As products of matrices: most of what is multiplied are zeros, and yet it takes a fraction of the time of adding
        up what is none.
        """
        flat = maps.flatten(0, 1)
        wide = flat.new_empty((len(flat), self.size[1]))
        for begin in range(0, self.size[1], _TOGETHER):
            pixels = slice(begin, begin + _TOGETHER)
            places, weights = self._columns.matrix(pixels)
            torch.mm(flat[:, places], torch.from_numpy(weights.T), out=wide[:, pixels])
        return wide.unflatten(0, maps.shape[:2])

    def rows_of(self, wide: Tensor, rows: slice) -> Tensor:
        """Some rows of the answer, of maps that are as wide as it is: [N, h, W] -> [N, rows, W]."""
        places, weights = self._rows.matrix(rows)
        return torch.from_numpy(weights) @ wide[:, places]


def _repeated(values: np.ndarray, times: int) -> Tensor:
    return torch.from_numpy(values.repeat(times, axis=1))


@lru_cache(maxsize=32)
def _line(places: int, enlargement: Enlargement, kept: int, pixels: int, kind: torch.dtype) -> _Line:
    """What PyTorch's interpolation makes of each unit vector, in the type in which it computes the weights."""
    lines = enlargement(torch.eye(places, dtype=kind)[None, :, None].expand(1, -1, 2, -1))
    lines = lines[..., :1, :kept]
    if kept != pixels:
        lines = F.interpolate(lines, size=(1, pixels), mode="bilinear", align_corners=False)
    weights = lines[0, :, 0].T.numpy()  # [pixels, places]
    used = weights != 0
    first, last = used.argmax(axis=1), places - 1 - used[:, ::-1].argmax(axis=1)
    window = int((last - first).max()) + 1
    first = np.minimum(first, places - window)
    return _Line(first, np.take_along_axis(weights, first[:, None] + np.arange(window), axis=1))
