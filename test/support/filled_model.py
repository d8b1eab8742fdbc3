"""Model files whose weights are numbers of a formula, so that their scores are the same wherever they are computed."""

import zlib
from pathlib import Path

import numpy as np
import torch

from rgbt_seg_ros.masks.classes import ClassSet
from rgbt_seg_ros.models import ModelCard, build_model, save_model


def write_filled_model(path: Path, arch: str, classes: ClassSet) -> Path:
    """The smallest network of an architecture; each weight is drawn by a generator seeded with its name."""
    torch.manual_seed(0)
    config = {"size": "nano"} if arch == "shifnet" else {"size": "nano", "prediction": "mean"}
    text = torch.from_numpy(_drawn("class_embeddings", (len(classes.names), 16)))
    network = build_model(arch, config, text / text.norm(dim=1, keepdim=True))
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.ndim > 1 and name != "class_embeddings":
            values = _drawn(name, tuple(tensor.shape)) / np.sqrt(np.prod(tensor.shape[1:]))
            state[name] = torch.from_numpy(np.asarray(values, np.float32))
        elif name.endswith(".gamma"):
            # Layer scale, which starts elsewhere from time to time.
            state[name] = torch.full_like(tensor, 1e-6)
    network.load_state_dict(state)
    card = ModelCard(arch, config, classes.names, classes.things, {"encoder": "none", "templates": []})
    save_model(path, network, card)
    return path


def _drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return generator.standard_normal(shape).astype(np.float32)
