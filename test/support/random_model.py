"""Small model files for tests."""

from dataclasses import replace
from pathlib import Path

import torch

from rgbt_seg_ros.masks.classes import MFNET, ClassSet
from rgbt_seg_ros.models import ModelCard, build_model, load_model, read_card, save_model


def write_model(
    path: Path, classes: ClassSet = MFNET, arch: str = "shifnet", short_side: int | None = 96
) -> Path:
    """A nano network with a data set's classes and seeded random weights, which call most pictures one class."""
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
        short_side=short_side,
    )
    save_model(path, model, card)
    return path


def write_node_model(path: Path, short_side: int = 96) -> Path:
    """The packaged model for small images, and with every class a thing, so that every mask has a detection.

    Its weights are trained: the masks that a node sends must have several classes, or many a fault would not be seen.
    """
    card = read_card("default")
    model = load_model("default", torch.device("cpu"))
    # None is off by default.
    own = {"thing_classes": card.class_names, "weak_classes": (), "short_side": short_side}
    save_model(path, model, replace(card, **own))
    return path
