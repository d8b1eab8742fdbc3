"""What training asks of a loss, whatever the architecture."""

from typing import Any

from torch import Tensor, nn


class Criterion(nn.Module):
    """A loss that is a sum of weighted terms; every architecture has its own."""

    watched: str
    """The term whose rise means that a run diverges."""

    def at_step(self, step: int) -> None:
        """Told before each step (the first is 0), for what depends on it."""

    def class_similarity(self) -> dict[str, Tensor] | None:
        """What is to be logged of how alike classes are: `visual` and `text` [N, N], `seen` [N]; None: nothing."""
        return None

    def weight(self, label: Tensor) -> Tensor:
        """What one forward pass counts in the mean over a step, a float64 scalar.

        Args:
            label: int64 [B, H, W].
        """
        raise NotImplementedError

    def terms(self, output: Any, label: Tensor, total: Tensor) -> dict[str, Tensor]:
        """Weighted terms of one forward pass, scalars that add up to its part of the loss.

        Args:
            output: of the network in training mode.
            label: int64 [B, H, W].
            total: sum of the weights of all forward passes of the step.
        """
        raise NotImplementedError
