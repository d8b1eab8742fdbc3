"""What one step of a training configuration takes, and by its multiply-adds the whole run."""

import time
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch import nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import describe_host, peak_memory
from rgbt_seg_ros.models import ModelCard
from rgbt_seg_ros.segmenter.devices import is_out_of_memory
from rgbt_seg_ros.segmenter.graph_capture import finish_all

from ..config import Config
from ..config.schema import FOLDER
from ..data.sources import DATASETS, open_dataset
from ..data.validation_lists import committed_list
from ..engine.gradients import accumulate_gradients
from ..engine.optimizer import decay_groups
from ..engine.processes import make_accelerator
from ..engine.run_length import run_steps
from ..losses.build import build_criterion
from ..weights.initial_model import initial_model, untrained_model
from .multiply_adds import training_multiply_adds


def measure_steps(
    config: Config, steps: int, device: str = "auto", description: str = "steps"
) -> dict[str, Any]:
    """Train on random pairs for a few steps, from random weights: they cost what the real ones do.

    Every process that torchrun has started calls this.

    Returns:
        `seconds_per_step` (the median without the first step, which allocates), `peak_memory` in bytes, `device`.

    Raises:
        UserError: the configuration's embeddings do not belong to its data set, there is no such architecture, a GPU is
            asked for where there is none, or its memory is too small for a step.
    """
    train = config.train
    if device not in ("auto", "cpu") and not torch.cuda.is_available():
        raise UserError(f"device {device!r} was asked for but there is no CUDA GPU: use device auto or cpu")
    accelerator = make_accelerator(train.precision, cpu=device == "cpu")
    torch.manual_seed(train.seed)
    network, card = _network(config)
    optimizer = torch.optim.AdamW(decay_groups(network, train.weight_decay), lr=train.lr)
    network, optimizer = accelerator.prepare(network.train(), optimizer)
    loss = build_criterion(config, accelerator.unwrap_model(network)).to(accelerator.device)
    batches = [_random_batch(config, card, accelerator.device) for _ in range(train.accumulate)]
    seconds = []
    console = Console(quiet=not accelerator.is_main_process)
    for _ in track(range(steps + 1), description=description, console=console, transient=True):
        started = time.perf_counter()
        optimizer.zero_grad()
        try:
            accumulate_gradients(accelerator, network, loss, batches)
            optimizer.step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"a step of train.batch_size={train.batch_size} pairs of {config.augment.crop_height}x"
                f"{config.augment.crop_width} does not fit into the memory of {accelerator.device}: lower it and raise "
                "train.accumulate, or set train.checkpointing=true"
            ) from error
        finish_all(accelerator.device)
        seconds.append(time.perf_counter() - started)
    measured = {
        "seconds_per_step": median(seconds[1:]),
        "peak_memory": peak_memory(accelerator.device),
        "device": str(accelerator.device),
        "host": describe_host(accelerator.device),
    }
    accelerator.free_memory()
    return measured


def _network(config: Config) -> tuple[nn.Module, ModelCard]:
    """Of random weights, frozen where a run freezes them; base weights are neither needed nor read."""
    return initial_model(config) if config.model.from_scratch else untrained_model(config)


def _random_batch(config: Config, card: ModelCard, device: torch.device) -> dict[str, torch.Tensor]:
    shape = (config.train.batch_size, 3, config.augment.crop_height, config.augment.crop_width)
    return {
        "rgb": torch.randn(shape, device=device),
        "thermal": torch.randn(shape, device=device),
        "label": torch.randint(len(card.class_names), (shape[0], *shape[2:]), device=device),
    }


def count_run(config: Config) -> dict[str, Any]:
    """Multiply-adds and length of a run on the complete data set, by shapes alone.

    Returns:
        `multiply_adds_per_pair` (forward, backward and what checkpointing repeats), `pairs_per_step` of one process,
        and the `steps` of that; a run whose length is a time has `minutes` instead.

    Raises:
        UserError: as of `measure_steps`, or the configuration tells no length.
    """
    network, _ = _network(config)
    size = (config.augment.crop_height, config.augment.crop_width)
    pairs = config.train.batch_size * config.train.accumulate
    counted: dict[str, Any] = {
        "multiply_adds_per_pair": training_multiply_adds(network.train(), size).total,
        "pairs_per_step": pairs,
    }
    if config.train.budget_minutes is not None:
        return counted | {"minutes": config.train.budget_minutes}
    return counted | {"steps": run_steps(config.train, training_images(config), pairs)}


def training_images(config: Config) -> int:
    """Images of the training split in the complete data set; those of the renderer for `scenes`."""
    data = config.data
    if data.name == FOLDER:
        return len(open_dataset(data.name, data.root, data.train_split))
    if data.name not in DATASETS:
        return data.rendered_stills
    whole = DATASETS[data.name].known_counts["train"]
    held_out = committed_list(data.name)
    if data.train_split != "train" or held_out is None:
        return whole
    return whole - len(held_out.read_text().split())


def hours(run: dict[str, Any], tflops: float) -> float:
    """Hours of a counted run on a machine that sustains so many 10^12 operations a second; a multiply-add is two."""
    if "minutes" in run:
        return float(run["minutes"] / 60)
    operations = 2 * run["multiply_adds_per_pair"] * run["pairs_per_step"] * run["steps"]
    return float(operations / (tflops * 1e12) / 3600)
