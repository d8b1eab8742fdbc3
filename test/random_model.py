"""A small model file with random weights for tests."""

from pathlib import Path

import torch

from rgbt_seg_ros.classes import MFNET
from rgbt_seg_ros.models import ModelCard, build_model, save_model


def write_model(path: Path) -> Path:
    """A nano SHIFNet with MFNet's classes and seeded random weights."""
    torch.manual_seed(0)
    config = {"size": "nano"}
    embeddings = torch.nn.functional.normalize(torch.randn(len(MFNET.names), 384), dim=1)
    model = build_model("shifnet", config, embeddings)
    card = ModelCard(
        arch="shifnet",
        config=config,
        class_names=MFNET.names,
        thing_classes=MFNET.things,
        embeddings={"encoder": "random", "templates": []},
        short_side=96,
    )
    save_model(path, model, card)
    return path
