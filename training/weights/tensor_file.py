"""Weights that others wrote with `torch.save`: read as plain tensors, never unpickled."""

from pathlib import Path

import torch

from rgbt_seg_ros.base.errors import UserError


def read_tensors(path: Path) -> object:
    """Content of a `.pt` or `.pth` file, opened with `weights_only=True`.

    Raises:
        UserError: missing, damaged, or holding anything but tensors.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}: give the path of a weights file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # torch raises many kinds for a damaged or unsafe pickle, and advises to unpickle it
        raise UserError(
            f"{path} cannot be read as plain tensors: it is damaged, or holds something else than weights"
        ) from error
