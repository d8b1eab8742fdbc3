"""What a run tells while it goes on: `metrics.jsonl`, TensorBoard and its pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from rgbt_seg_ros.runs.evaluation import SplitScores

from .gradients import StepLoss


class RunLog:
    """Writes numbers and pictures of a run into its folder; a context. One process of a run has it.

    Args:
        run: folder of the run.
        step: that the run is at; what was logged of later ones, by a run that was killed, is dropped.
    """

    def __init__(self, run: Path, step: int) -> None:
        self.run = run
        _drop_later_lines(run / "metrics.jsonl", step)
        self._tensorboard = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def training(self, step: int, loss: float, lr: float, seconds_per_step: float, last: StepLoss) -> None:
        """Means over the steps since the last call; of a loss of several terms also those of the last step."""
        values = {"loss": loss, "lr": lr, "seconds_per_step": seconds_per_step}
        parts = {"terms": last.terms, "gradient_norms": last.gradient_norms} if len(last.terms) > 1 else {}
        self._write({"step": step, **values, **parts})
        named = {f"{part}/{name}": value for part, terms in parts.items() for name, value in terms.items()}
        for name, value in (values | named).items():
            self._tensorboard.add_scalar(f"train/{name}", value, step)

    def validation(self, step: int, scores: SplitScores) -> None:
        """Scores of the averaged weights."""
        self._write({"step": step, "val": scores.to_json()})
        named = {"miou": scores.miou, "macc": scores.macc}
        named |= {f"iou/{name}": value for name, value in scores.iou.items()}
        for name, value in named.items():
            if value is not None:
                self._tensorboard.add_scalar(f"val/{name}", value, step)
        self._tensorboard.flush()

    def picture(self, step: int, path: Path) -> None:
        """Also show an image file in TensorBoard."""
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
        self._tensorboard.add_image("predictions", pixels, step, dataformats="HWC")

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._tensorboard.close()

    def _write(self, values: dict[str, Any]) -> None:
        with open(self.run / "metrics.jsonl", "a") as file:
            file.write(json.dumps(values) + "\n")


def _drop_later_lines(path: Path, step: int) -> None:
    """Keep the lines up to a step; a last one that a killed run cut off also goes."""
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        path.write_text("".join(line for line in whole if json.loads(line)["step"] <= step))
