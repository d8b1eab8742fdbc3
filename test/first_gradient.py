"""`first_gradient.py OUT key=value ...`: the gradient of a run's first step, and its loss, as safetensors.

The network is in evaluation mode: dropout draws other numbers in each process, and batch normalisation sees the pairs
of one forward pass (on GPUs: of all processes) only, so neither can be the same for one big batch.
"""

import sys
from itertools import islice

import torch
from safetensors.torch import save_file

from training.config import load_config
from training.gradients import accumulate_gradients
from training.trainer import Trainer

trainer = Trainer(load_config(None, sys.argv[2:]))
trainer.network.eval()
batches = list(islice(trainer.batches, trainer.config.train.accumulate))
loss = accumulate_gradients(trainer.accelerator, trainer.parallel, trainer.loss, batches)
if trainer.accelerator.is_main_process:
    gradients = {name: p.grad for name, p in trainer.state.parameters.items()}
    save_file({**gradients, "loss": torch.tensor(loss.total, dtype=torch.float64)}, sys.argv[1])
