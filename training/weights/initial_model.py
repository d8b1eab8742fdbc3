"""The network that a run starts from, and its card: architecture, class embeddings, base weights, what is frozen."""

import dataclasses
import logging
from pathlib import Path
from typing import cast

from torch import nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.masks.classes import ClassSet
from rgbt_seg_ros.models import ModelCard, build_model
from rgbt_seg_ros.models.model_file import file_hash, load_model, misfits, resolve_model
from rgbt_seg_ros.models.registry import ARCHITECTURES
from rgbt_seg_ros.models.sam2_encoder import Sam2Encoder, init_from_scratch
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings, load_class_embeddings

from ..config import Config
from ..config.schema import ModelConfig
from ..data.sources import class_set_of
from .base_weights import load_base_weights

_LOG = logging.getLogger(__name__)

_HEADS = ("hpd.head.", "hpd.detail.")
"""SHIFNet's last layers: it has one of both."""

_OF_CLASSES = ("class_embeddings", "hpd.centre")
"""What a network has from its classes' texts."""


def initial_model(config: Config) -> tuple[nn.Module, ModelCard]:
    """The network that a run starts from; what it freezes is frozen, so wrap it for data-parallel training after this.

    Raises:
        UserError: the embeddings are not of the data set's classes, there is no such architecture or size, or the
            base weights or those to start from are missing or do not fit.
    """
    network, card = untrained_model(config)
    hashes = {
        "base_weights": _start_base(network, config.model),
        "start_from": _load_start(network, config.model),
    }
    return network, dataclasses.replace(card, training={**card.training, **hashes})


def untrained_model(config: Config) -> tuple[nn.Module, ModelCard]:
    """The network of a configuration before base weights are loaded: random, but frozen where these belong.

    Raises:
        UserError: the embeddings are not of the data set's classes, or there is no such architecture or size.
    """
    classes = class_set_of(config.data.name, config.data.root)
    embeddings = _class_embeddings(config, classes)
    model = config.model
    arguments = {key: getattr(model, key) for key in ("size", *ARCHITECTURES[model.arch].arguments)}
    network = build_model(model.arch, arguments, embeddings.vectors)
    cast(Sam2Encoder, network.encoder).checkpointing = config.train.checkpointing
    values = dataclasses.asdict(config)
    # Where files lie and the run goes is of the machine, not of the model.
    del values["data"]["root"], values["model"]["base_weights"], values["model"]["start_from"], values["run"]
    card = ModelCard(
        arch=model.arch,
        config=arguments,
        class_names=classes.names,
        thing_classes=classes.things,
        embeddings={
            "encoder": embeddings.encoder,
            "encoder_hash": embeddings.encoder_hash,
            "templates": list(embeddings.templates),
        },
        scaling=InputScaling(thermal_mean=model.thermal_mean, thermal_std=model.thermal_std),
        short_side=model.short_side,
        training={"data": config.data.name, "config": values},
    )
    return network, card


def _start_base(network: nn.Module, model: ModelConfig) -> str | None:
    """Load the base weights (and tell their hash), or make the whole network trainable from random numbers."""
    has_base = any(not parameter.requires_grad for parameter in network.parameters())
    if model.base_weights is not None:
        if model.from_scratch or not has_base:
            why = "is to be trained from scratch" if has_base else "has no pretrained base"
            raise UserError(f"model.base_weights is given, but {model.size} {why}: leave one of both out")
        return load_base_weights(network, Path(model.base_weights).expanduser())
    if has_base and not model.from_scratch:
        raise UserError(
            f"{model.size} starts from SAM 2's weights: give Meta's file as model.base_weights=FILE.pt, "
            "or --from-scratch to train all of it from random numbers"
        )
    if has_base:
        init_from_scratch(cast(Sam2Encoder, network.encoder))
        network.requires_grad_(True)
    return None


def _load_start(network: nn.Module, model: ModelConfig) -> str | None:
    """Give the network the weights of `start_from`, if there is one, but not its embeddings; tells the file's hash.

    Where the file has the other head (`model.detail`), the network's stays as it is.
    """
    if model.start_from is None:
        return None
    path = resolve_model(model.start_from)
    own = network.state_dict()
    started = load_model(path).state_dict()
    heads = {name: tensor for name, tensor in own.items() if name.startswith(_HEADS)}
    other_head = not heads.keys() <= started.keys() and any(name.startswith(_HEADS) for name in started)
    kept = {name: own[name] for name in _OF_CLASSES if name in own} | (heads if other_head else {})
    dropped = (*_OF_CLASSES, *_HEADS) if other_head else _OF_CLASSES
    tensors = {name: tensor for name, tensor in started.items() if not name.startswith(dropped)} | kept
    if faults := misfits(own, tensors):
        raise UserError(
            f"model.start_from: the weights in {path} do not fit the network ({faults[0]}): "
            "give a model file of the same architecture and size"
        )
    if other_head:
        _LOG.warning(
            "warning: %s has the other head (model.detail): the head starts from random numbers", path
        )
    network.load_state_dict(tensors)
    return file_hash(path)


def _class_embeddings(config: Config, classes: ClassSet) -> ClassEmbeddings:
    path = Path(config.model.embeddings)
    if path.parts[0] == "config" and not path.exists():
        path = share_path(config.model.embeddings)
    embeddings = load_class_embeddings(path)
    if embeddings.names != classes.names:
        raise UserError(
            f"{config.model.embeddings} embeds {', '.join(embeddings.names)}, but {config.data.name} has the classes "
            f"{', '.join(classes.names)}: set model.embeddings to a file of these (config/embeddings has some, "
            "training.embed_classes makes others)"
        )
    weights = config.train.class_weights
    if weights is not None and len(weights) != len(classes.names):
        raise UserError(
            f"train.class_weights has {len(weights)} values for {len(classes.names)} classes of {config.data.name}: "
            "give one each, or null"
        )
    return embeddings
