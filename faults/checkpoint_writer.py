"""`python -m faults.checkpoint_writer RUN`: saves states of a training one after another, until it is killed.

All tensors of a state hold its step, so that a mixture of two of them is seen.
"""

import sys
from pathlib import Path

import torch

from training.engine.checkpoint import STATE_FILE, SavedState, load_state, save_state
from training.engine.loss_watch import LossWatch

TENSORS, SIZE = 8, (512, 512)


def state(step: int) -> SavedState:
    """A state of 8 MB."""
    named = {f"tensor_{number}": torch.full(SIZE, float(step)) for number in range(TENSORS)}
    numbers = {
        "step": step,
        "best": 0.0,
        "unlogged": [],
        "watch": LossWatch().numbers(),
        "average_updates": 0,
        "scaler": None,
        "processes": 1,
        "frozen_hash": "",
    }
    return SavedState({"network": named}, numbers)


def check_states(run: Path) -> int:
    """The step of the state in a folder; raises if it is not whole."""
    if not (run / STATE_FILE).exists():
        return 0
    saved = load_state(run)
    step = int(saved.numbers["step"])
    tensors = saved.tensors["network"]
    assert len(tensors) == TENSORS
    assert all(torch.equal(tensor, torch.full(SIZE, float(step))) for tensor in tensors.values())
    return step


def main(run: Path) -> None:
    step = check_states(run)
    while True:
        step += 1
        save_state(run, state(step))
        if step == 1:
            print("ready", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
