"""The batches of a run in their order, made by worker processes."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import BACKGROUND
from rgbt_seg_ros.models import ModelCard

from ..config import Config
from ..data.augment import Augmentation
from ..data.paste import PasteObjects
from ..data.sample import SampleSource
from ..data.stream import TrainingStream, collate
from .interrupts import ignore_interrupts

Batch = dict[str, Tensor]


def batches_of_run(
    config: Config,
    card: ModelCard,
    real: SampleSource | None,
    rendered: SampleSource,
    pairs_a_step: int,
    steps: int,
    done: int,
) -> DataLoader:
    """All batches that are left; `train.batch_size` is that of one process.

    Args:
        config: of the run.
        card: of the model, with its input scaling and classes.
        real: samples of a data set, or None for rendered ones alone.
        rendered: samples of the renderer.
        pairs_a_step: of all processes.
        steps: of the whole run.
        done: steps that lie behind.

    Raises:
        UserError: objects are to be pasted, and class 0 is one of them.
    """
    stream = TrainingStream(
        real,
        rendered,
        (config.data.rendered_share, config.data.rendered_share_end),
        Augmentation(config.augment, config.model.short_side, card.scaling),
        steps * pairs_a_step,
        config.train.seed,
        _paste_objects(config, card, real),
    )
    return DataLoader(
        stream,
        batch_size=config.train.batch_size,
        sampler=range(done * pairs_a_step, len(stream)),
        num_workers=config.data.workers,
        collate_fn=collate,
        worker_init_fn=_start_worker,
        # An own generator: starting the loader draws a number, which a resumed run must not draw twice.
        generator=torch.Generator().manual_seed(config.train.seed),
    )


def _paste_objects(config: Config, card: ModelCard, real: SampleSource | None) -> PasteObjects | None:
    """Made here, so that worker processes share what it has read."""
    augment = config.augment
    if real is None or augment.paste == augment.close_up == 0.0:
        return None
    if card.class_names[0] not in BACKGROUND:
        raise UserError(
            f"augment.paste and close_up take class 0 for everything else, and it is {card.class_names[0]}: "
            "set both to 0"
        )
    return PasteObjects(real, augment.paste, augment.close_up)


def _start_worker(_: int) -> None:
    ignore_interrupts()
    torch.set_num_threads(1)
