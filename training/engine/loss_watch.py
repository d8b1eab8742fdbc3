"""Tells a run whose loss goes astray from a noisy one, and one whose terms are out of balance."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

_WINDOW = 10
_FACTOR = 5.0
_FLOOR = 0.1
"""Losses below are good enough for their ratio not to matter."""
_PATIENCE = 50
_LARGEST_RATIO = 100.0


@dataclass
class LossWatch:
    """A loss is astray while the median of the last 10 is above 5 times the lowest such median (counted as >= 0.1).

    Attributes:
        recent: the last losses, newest at the end.
        lowest: the lowest median so far.
        astray_steps: how long the loss has been astray without a break; the state of such a run is not worth keeping.
    """

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    lowest: float = float("inf")
    astray_steps: int = 0

    def add(self, loss: float) -> None:
        """Take in the loss of one more step."""
        self.recent.append(loss)
        if len(self.recent) == _WINDOW:
            middle = median(self.recent)
            self.lowest = min(self.lowest, middle)
            self.astray_steps = self.astray_steps + 1 if middle > self.limit else 0

    @property
    def limit(self) -> float:
        """What the median must not stay above."""
        return _FACTOR * max(self.lowest, _FLOOR)

    @property
    def diverged(self) -> bool:
        """Whether the loss has been astray for 50 steps."""
        return self.astray_steps >= _PATIENCE

    def numbers(self) -> dict[str, Any]:
        """All of it in JSON's types, but for numbers that are not finite."""
        return {"recent": list(self.recent), "lowest": self.lowest, "astray_steps": self.astray_steps}

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, Any]) -> "LossWatch":
        """What `numbers` told; JSON has null for what is not finite: the lowest median before the first is."""
        recent = (float("nan") if loss is None else loss for loss in numbers["recent"])
        lowest = float("inf") if numbers["lowest"] is None else numbers["lowest"]
        return cls(deque(recent, _WINDOW), lowest, numbers["astray_steps"])


def overwhelming_term(gradient_norms: Mapping[str, float], cross_entropy: str) -> str | None:
    """One sentence on the term whose gradient is more than 100 times that of cross-entropy; None if there is none.

    The gradient is clipped as a whole: what such a term leaves to cross-entropy is less than a hundredth of a step.

    Args:
        gradient_norms: of each weighted term, by name; may be empty.
        cross_entropy: the name of that term.
    """
    reference = gradient_norms.get(cross_entropy, 0.0)
    if not gradient_norms or reference == 0.0:
        return None
    term, norm = max(gradient_norms.items(), key=lambda named: named[1])
    if norm <= _LARGEST_RATIO * reference:
        return None
    return (
        f"the gradient of the loss term {term} is {norm / reference:.0f} times that of {cross_entropy}, so hardly "
        f"anything else is trained: lower loss.{term}"
    )
