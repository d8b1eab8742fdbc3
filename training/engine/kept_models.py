"""Model files that a long run keeps beside its best one: `checkpoints/step_NNNNNN.safetensors`, the last few."""

import math
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError

from ..config.schema import TrainConfig

FOLDER = "checkpoints"


class KeptModels:
    """When a model file is kept, and which are removed for it.

    Args:
        run: folder of the run.
        train: `checkpoint_every` in steps, or `checkpoint_epochs` in passes over the training images; neither: never.
        images, pairs_a_step: of a pass, and of a step of all processes.
    """

    def __init__(self, run: Path, train: TrainConfig, images: int, pairs_a_step: int) -> None:
        self._folder = run / FOLDER
        self._count = train.checkpoints_kept
        self._every = train.checkpoint_every
        if train.checkpoint_epochs is not None:
            self._every = max(1, math.ceil(train.checkpoint_epochs * images / pairs_a_step))

    def due(self, step: int) -> bool:
        """Whether one is kept after a step (the first is 1)."""
        return self._every is not None and step % self._every == 0

    def path(self, step: int) -> Path:
        """Of the file of a step."""
        return self._folder / f"step_{step:06d}.safetensors"

    def remove_old(self) -> None:
        """Remove all but the last `train.checkpoints_kept`; other files in the folder are left alone.

        Raises:
            UserError: one cannot be removed.
        """
        steps = sorted(self._folder.glob("step_*.safetensors"), key=lambda path: (len(path.name), path.name))
        for path in steps[: -self._count]:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise UserError(
                    f"{path} cannot be removed ({error.strerror}): make {self._folder} writable"
                ) from error
