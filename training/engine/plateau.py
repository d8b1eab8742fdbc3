"""The learning rate of runs that fall when nothing gets better: `train.schedule=plateau`."""

import math
from collections.abc import Mapping
from typing import Any

_THRESHOLD = 1e-4
"""Share of the best score by which a better one must be higher."""


class Plateau:
    """What is left of the learning rate after validations, as `torch.optim.lr_scheduler.ReduceLROnPlateau` has it.

    PyTorch's sets the rates of an optimizer; here a rate is a function of step and state, which is saved as numbers.

    Args:
        factor: what the rate is multiplied with.
        patience: validations without a better score that are waited for.

    Attributes:
        scale: product of all factors so far.
    """

    def __init__(self, factor: float, patience: int) -> None:
        self._factor = factor
        self._patience = patience
        self.scale = 1.0
        self._best = -math.inf
        self._waited = 0

    def add(self, score: float) -> None:
        """Take in one more validation; higher is better."""
        if score > self._best + _THRESHOLD * abs(self._best) or math.isinf(self._best):
            self._best, self._waited = score, 0
        else:
            self._waited += 1
        if self._waited > self._patience:
            self.scale *= self._factor
            self._waited = 0

    def numbers(self) -> dict[str, Any]:
        """All of it in JSON's types; None: nothing was validated yet."""
        best = None if math.isinf(self._best) else self._best
        return {"scale": self.scale, "best": best, "waited": self._waited}

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Take over what `numbers` told."""
        self.scale, self._waited = numbers["scale"], numbers["waited"]
        self._best = -math.inf if numbers["best"] is None else numbers["best"]
