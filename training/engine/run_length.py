"""How long a run is and how far it has come: by its steps, or by time (`train.budget_minutes`)."""

import math
import time

from rgbt_seg_ros.base.errors import UserError

from ..config.schema import TrainConfig


def run_steps(train: TrainConfig, images: int, pairs_a_step: int) -> int:
    """Steps of a whole run: `max_steps`, or as many as let `epochs` times `images` pairs pass.

    Raises:
        UserError: neither is given.
    """
    if train.max_steps is not None:
        return train.max_steps
    if train.epochs is None:
        raise UserError(
            "the run has no length: give train.max_steps=N, train.epochs=N or train.budget_minutes=N"
        )
    return math.ceil(train.epochs * images / pairs_a_step)


class RunLength:
    """The course of a run.

    Args:
        train: says how long it is.
        images: of a pass over the training images.
        pairs_a_step: of all processes.

    Attributes:
        steps: of the whole run; None: time tells.
        seconds: that the run has had, with those before it was resumed; the same in all processes.

    Raises:
        UserError: nothing says how long the run is.
    """

    def __init__(self, train: TrainConfig, images: int, pairs_a_step: int) -> None:
        self._budget = None if train.budget_minutes is None else 60.0 * train.budget_minutes
        self.steps = None if self._budget is not None else run_steps(train, images, pairs_a_step)
        self._pairs_a_step = pairs_a_step
        self.seconds = 0.0
        self._started = time.perf_counter()

    def start(self, seconds: float) -> None:
        """Time goes on from here; `seconds` lie behind."""
        self.seconds = seconds
        self._started = time.perf_counter() - seconds

    def now(self) -> float:
        """Seconds by this process' own clock."""
        return time.perf_counter() - self._started

    def done(self, step: int) -> float:
        """Share of the run that lies behind after so many steps, 0 to 1."""
        if self._budget is not None:
            return min(1.0, self.seconds / self._budget)
        assert self.steps is not None
        return min(1.0, step / self.steps)

    def done_at_pair(self, k: int) -> float:
        """The share at the pair of training images number k, when it is begun."""
        if self._budget is not None:
            return min(1.0, self.now() / self._budget)
        assert self.steps is not None
        return k / (self.steps * self._pairs_a_step)

    def over(self, step: int) -> bool:
        """Whether the run has had its last step."""
        return self.done(step) >= 1.0

    def __str__(self) -> str:
        if self._budget is not None:
            return f"{self._budget / 60.0:g} minutes of steps"
        return f"{self.steps} steps"


class Minutes:
    """Says when so many minutes have passed since the last time, or since it was made; None: never."""

    def __init__(self, minutes: float | None, seconds: float) -> None:
        self._period = None if minutes is None else 60.0 * minutes
        self._last = seconds

    def passed(self, seconds: float) -> bool:
        """Whether they have; then they begin anew."""
        if self._period is None or seconds - self._last < self._period:
            return False
        self._last = seconds
        return True
