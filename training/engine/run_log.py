"""What a run tells while it goes on: `metrics.jsonl`, TensorBoard and its pictures."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from accelerate import Accelerator
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save
from torch import Tensor

from rgbt_seg_ros.base.json_files import MalformedJson, decode_json, encode_json
from rgbt_seg_ros.base.whole_files import LinesFile, refuse_links, write_file
from rgbt_seg_ros.images.checked_files import read_checked
from rgbt_seg_ros.runs.evaluation import SplitScores
from rgbt_seg_ros.segmenter import Segmenter

from ..config import Config
from ..data.sample import Sample
from .gradients import StepLoss

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_LOG = logging.getLogger(__name__)


class RunLog:
    """Writes numbers and pictures of a run into its folder; a context. One process of a run has it.

    Args:
        run: folder of the run.
        step: that the run is at; what was logged of later ones, by a run that was killed, is dropped.
        track: also gets what TensorBoard gets, with its step; None: nobody does.
    """

    def __init__(
        self, run: Path, step: int, track: Callable[[dict[str, float], int], None] | None = None
    ) -> None:
        self.run = run
        self._track = track
        path = run / "metrics.jsonl"
        _drop_later_lines(path, step)
        self._lines = LinesFile(path, keep=True)
        for folder in ("tensorboard", "pictures"):
            refuse_links(run / folder / "file", run)
        self._tensorboard = _tensorboard(run / "tensorboard", step)

    def training(self, step: int, loss: float, lr: float, seconds_per_step: float, last: StepLoss) -> None:
        """Means over the steps since the last call; of a loss of several terms also those of the last step."""
        values = {"loss": loss, "lr": lr, "seconds_per_step": seconds_per_step}
        parts = {"terms": last.terms, "gradient_norms": last.gradient_norms} if len(last.terms) > 1 else {}
        self._write({"step": step, **values, **parts})
        named = {f"{part}/{name}": value for part, terms in parts.items() for name, value in terms.items()}
        self._add({f"train/{name}": value for name, value in (values | named).items()}, step)

    def validation(self, step: int, scores: SplitScores) -> None:
        """Scores of the averaged weights."""
        self._write({"step": step, "val": scores.to_json()})
        named = {"miou": scores.miou, "macc": scores.macc}
        named |= {f"iou/{name}": value for name, value in scores.iou.items()}
        self._add({f"val/{name}": value for name, value in named.items() if value is not None}, step)
        if self._tensorboard is not None:
            self._tensorboard.flush()

    def class_similarity(self, step: int, tensors: Mapping[str, Tensor] | None) -> None:
        """Keep how alike classes are (`training.losses.criterion.Criterion.class_similarity`) in a file of its own."""
        if tensors is not None:
            kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            write_file(self.run / "class_similarity" / f"step_{step:06d}.safetensors", save(kept))

    def predictions(self, step: int, segmenter: Segmenter, samples: Sequence[Sample]) -> None:
        """A sheet of what the segmenter makes of samples, in `pictures/` and TensorBoard."""
        try:
            from ..scoring.sheets import save_prediction_sheet
        except ImportError as error:
            _LOG.warning("warning: there is no %s here: no pictures of predictions are drawn", error.name)
            return
        path = self.run / "pictures" / f"step_{step:06d}.png"
        save_prediction_sheet(path, segmenter, samples)
        if self._tensorboard is not None:
            with Image.open(BytesIO(read_checked(path)[0])) as image:
                pixels = np.array(image.convert("RGB"))
            self._tensorboard.add_image("predictions", pixels, step, dataformats="HWC")

    def _add(self, values: dict[str, float], step: int) -> None:
        if self._tensorboard is not None:
            for name, value in values.items():
                self._tensorboard.add_scalar(name, value, step)
        if self._track is not None:
            self._track(values, step)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def _write(self, values: dict[str, Any]) -> None:
        self._lines.add(encode_json(values))


def _tensorboard(folder: Path, step: int) -> "SummaryWriter | None":
    """TensorBoard's writer; None, which is said, where there is no TensorBoard, as on a bare training machine."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _LOG.warning("warning: there is no tensorboard here: the run's numbers are in metrics.jsonl alone")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


@dataclass(frozen=True)
class _Line:
    step: int


def _drop_later_lines(path: Path, step: int) -> None:
    """Keep the lines up to a step; what a killed run or a power cut has broken also goes."""
    if path.is_file():
        lines = path.read_bytes().splitlines(keepends=True)
        write_file(path, b"".join(line for line in lines if _step(line) <= step))


def _step(line: bytes) -> float:
    """The step of a line of the log; infinity if it is no whole line."""
    try:
        return decode_json(line, _Line).step if line.endswith(b"\n") else math.inf
    except MalformedJson:
        return math.inf


@contextmanager
def tracking(accelerator: Accelerator, config: Config) -> Iterator[None]:
    """Let accelerate's tracker log too, if `run.wandb` names a project; a resumed run goes on in the same one.

    All processes call this.
    """
    project, run = config.run.wandb, Path(config.run.dir)
    if project is None:
        yield
        return
    path = run / "wandb_id.txt"
    if accelerator.is_main_process and not path.is_file():
        write_file(path, uuid4().hex)
    accelerator.wait_for_everyone()
    options = {"id": path.read_text().strip(), "name": run.name, "dir": str(run), "resume": "allow"}
    accelerator.init_trackers(project, asdict(config), {"wandb": options})
    try:
        yield
    finally:
        # Not `end_training`, which also ends the process group.
        for tracker in accelerator.trackers:
            tracker.finish()


def progress_bar(console: Console) -> Progress:
    """How far a run is; its tasks have the fields `steps`, `length` and `loss`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("step {task.fields[steps]} ({task.fields[length]})"),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=console.quiet)
