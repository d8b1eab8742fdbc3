"""Weights that others wrote, as plain tensors: nothing in a file is ever unpickled."""

import argparse
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, serialization

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import require_weights
from rgbt_seg_ros.models.safetensors_file import open_tensors

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module")
"""Keys under which training programs keep the weights beside other things."""

_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""What DistributedDataParallel, torch.compile and Lightning put before every name."""


class NoWeights(UserError):
    """A file that can be read and holds something else."""


@dataclass(frozen=True)
class Weights:
    """What a file holds.

    Attributes:
        tensors: by name, without wrappers and prefixes.
        left_out: what lay beside them, by name; the value is its kind.
    """

    tensors: dict[str, Tensor]
    left_out: dict[str, str]

    def note(self) -> str:
        """What was left out, in a few words; empty if nothing was."""
        return ", ".join(f"{name} ({kind})" for name, kind in self.left_out.items())


def read_weights(path: Path) -> Weights:
    """The state dict in a file, whatever it is wrapped in.

    Raises:
        NoWeights: there is no tensor with a name in it.
        UserError: as `read_tensors`, or there are several state dicts in it.
    """
    content = read_tensors(path)
    if isinstance(content, Tensor) or not isinstance(content, Mapping):
        raise NoWeights(f"{path} holds {_kind(content)}, not weights by name: give a state dict")
    left_out: dict[str, str] = {}
    while wrapped := [key for key in WRAPPERS if _has_tensors(content.get(key))]:
        if len(wrapped) > 1:
            raise UserError(
                f"{path} holds weights under {' and '.join(wrapped)}: save the one that is meant as a file of its own, "
                f"torch.save(content[{wrapped[0]!r}], FILE)"
            )
        left_out |= {str(key): _kind(value) for key, value in content.items() if key != wrapped[0]}
        content = content[wrapped[0]]
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    left_out |= {str(key): _kind(value) for key, value in content.items() if not isinstance(value, Tensor)}
    if not tensors:
        found = ", ".join(list(left_out)[:5]) or "nothing"
        raise NoWeights(f"{path} holds no weights, but {found}: give a state dict (name -> tensor)")
    return Weights(_without_prefixes(tensors), left_out)


def read_one_tensor(path: Path) -> Tensor | None:
    """The tensor of two axes that a file is, or the only one in it; None if there is none, or several.

    Raises:
        UserError: see `read_tensors`.
    """
    content = read_tensors(path)
    found = content.values() if isinstance(content, Mapping) else [content]
    matrices = [value for value in found if isinstance(value, Tensor) and value.ndim == 2]
    return matrices[0] if len(matrices) == 1 else None


def read_tensors(path: Path) -> object:
    """Content of a `.pt`, `.pth` or `.bin` file, opened with `weights_only=True`, or of a `.safetensors` file.

    Beside tensors and Python's plain values a file may hold NumPy's numbers and arrays of numbers, and an
    `argparse.Namespace`: these are data alone, and building one runs no code of the file's choice.

    Raises:
        UserError: missing, damaged, or holding anything else.
    """
    require_weights(path)
    if path.suffix == ".safetensors":
        try:
            with open_tensors(path) as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} cannot be read as plain tensors: it is damaged ({error})") from error
    try:
        with serialization.safe_globals(_plain_data()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # many kinds for a damaged or unsafe pickle, and torch advises to unpickle it
        raise UserError(f"{path} cannot be read as plain tensors: {_reason(path, error)}") from error


def _plain_data() -> list[Any]:
    """What torch may build beside its own: values without behaviour."""
    scalar, array = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]
    numbers = [type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"]
    allowed: list[Any] = [argparse.Namespace, np.dtype, np.ndarray, scalar, array, *dict.fromkeys(numbers)]
    if hasattr(serialization, "get_unsafe_globals_in_checkpoint"):  # else torch takes no other names for them
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # before NumPy 2, and since
            allowed += [(scalar, f"{module}.scalar"), (array, f"{module}._reconstruct")]
    return allowed


def _reason(path: Path, error: Exception) -> str:
    """Why torch refused a file."""
    # torch's message names the first one; all of them are in newer files alone.
    named = dict.fromkeys(re.findall(r"GLOBAL ([\w.]+)", str(error)))
    plain = {f"{f.__module__}.{f.__name__}" for f in _plain_data() if not isinstance(f, tuple)}
    with suppress(Exception):  # damaged, or of PyTorch before 1.6
        named |= dict.fromkeys(serialization.get_unsafe_globals_in_checkpoint(path))
    strange = [name for name in named if name not in plain]
    if not strange:
        return "it is damaged, or holds something else than weights"
    shown = ", ".join(strange[:3]) + (", ..." if len(strange) > 3 else "")
    return (
        f"it holds something else than weights ({shown}), and unpickling that could run any program; where the file "
        "was made, save the weights alone: torch.save(model.state_dict(), FILE)"
    )


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    while prefix := next((p for p in _PREFIXES if all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _has_tensors(value: object) -> bool:
    """Whether there is a tensor in it, at whatever depth of known wrappers."""
    if not isinstance(value, Mapping):
        return False
    return any(isinstance(entry, Tensor) for entry in value.values()) or any(
        _has_tensors(value.get(key)) for key in WRAPPERS
    )


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"tensor {list(value.shape)}"
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
