"""The resumable state of a training run: `last/state.pt` in its folder."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rgbt_seg_ros.errors import UserError


def save_checkpoint(run: Path, state: Mapping[str, Any]) -> None:
    """Write a state of tensors, numbers and containers of them; the previous one is replaced at once or not at all."""
    folder = run / "last"
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "state.pt.partial"
    torch.save(dict(state), partial)
    os.replace(partial, folder / "state.pt")


def load_checkpoint(run: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, without unpickling code.

    Raises:
        UserError: there is no state in this run, or it is damaged.
    """
    path = run / "last" / "state.pt"
    if not path.is_file():
        raise UserError(f"{run} holds no state to resume ({path} is missing): give the folder of a run")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is damaged ({reason}): start the run again without --resume") from error
