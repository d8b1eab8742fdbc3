"""`first_gradient.py OUT key=value ...`: the gradient of a run's first step, and its loss, as safetensors.

`--` between words separates configurations, whose tensors have their number before their names.
"""

import sys
from collections.abc import Sequence
from itertools import groupby, islice

import torch
from accelerate.state import AcceleratorState
from safetensors.torch import save_file
from torch import Tensor

from training.config import load_config
from training.engine.gradients import accumulate_gradients
from training.engine.trainer import Trainer
from training.losses.sartm import SartmLoss


def first_gradient(overrides: Sequence[str]) -> dict[str, Tensor]:
    """Gradients by parameter, and the terms of the loss as `loss.NAME`.

    The network's parts are in evaluation mode: dropout draws other numbers in each process, and batch normalisation
    sees the pairs of one forward pass (on GPUs: of all processes) only, so neither can be the same for one big batch.
    """
    config = load_config(None, overrides)
    if config.train.threads is not None:
        torch.set_num_threads(config.train.threads)
    trainer = Trainer(config)
    trainer.network.eval()
    trainer.network.training = True  # what SARTM's loss needs comes in training mode alone
    if isinstance(trainer.loss, SartmLoss):
        # On the first step every class is new, and its distance to the prototype 0.
        trainer.loss.prototypes.seen.fill_(True)
    batches = list(islice(trainer.batches, trainer.config.train.accumulate))
    loss = accumulate_gradients(trainer.accelerator, trainer.parallel, trainer.loss, batches)
    terms = {f"loss.{name}": torch.tensor(value, dtype=torch.float64) for name, value in loss.terms.items()}
    return {name: p.grad for name, p in trainer.state.parameters.items()} | terms


if __name__ == "__main__":
    words = [list(group) for is_separator, group in groupby(sys.argv[2:], "--".__eq__) if not is_separator]
    tensors = {
        f"{number}/{name}": tensor
        for number, overrides in enumerate(words)
        for name, tensor in first_gradient(overrides).items()
    }
    if AcceleratorState().is_main_process:
        save_file(tensors, sys.argv[1])
