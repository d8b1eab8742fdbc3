"""A small model file with random weights for tests."""

from pathlib import Path

import torch

from rgbt_seg_ros.masks.classes import MFNET, ClassSet
from rgbt_seg_ros.models import ModelCard, build_model, save_model


def write_model(path: Path, classes: ClassSet = MFNET, arch: str = "shifnet") -> Path:
    """A nano network with a data set's classes and seeded random weights."""
    torch.manual_seed(0)
    config = {"size": "nano"}
    embeddings = torch.nn.functional.normalize(torch.randn(len(classes.names), 384), dim=1)
    model = build_model(arch, config, embeddings)
    card = ModelCard(
        arch=arch,
        config=config,
        class_names=classes.names,
        thing_classes=classes.things,
        embeddings={"encoder": "random", "templates": []},
        short_side=96,
    )
    save_model(path, model, card)
    return path
