"""Checks of a configuration's values, whatever they came from."""

import dataclasses
import math
from operator import attrgetter

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.precision import AUTO, PRECISIONS
from rgbt_seg_ros.images.choices import PALETTES
from rgbt_seg_ros.models.choices import WORDS

from .schema import PROTOCOLS, PROTOTYPE_MEANS, SCALES_OF, Config

SCHEDULES = ("poly", "cosine", "plateau")
"""Ways in which the learning rate falls, see `training.config.schema.TrainConfig`."""


def check_values(config: Config) -> None:
    """Raise `UserError` for the first value that no run can have; one sentence that names the key."""
    _check_numbers(config)
    _check_shares(config)
    _check_choices(config)
    _check_architecture(config)
    _check_counts(config)
    _check_long_runs(config)
    _check_loss(config)
    if config.augment.blur_size < 1 or config.augment.blur_size % 2 == 0:
        raise UserError(f"augment.blur_size is {config.augment.blur_size}: it must be odd and at least 1")
    if not 0.0 < config.augment.min_scale <= config.augment.max_scale:
        raise UserError("augment.min_scale must be above 0 and at most augment.max_scale")
    _check_pasting(config)
    if config.model.auxiliary == "off" and config.model.prediction == "aux":
        raise UserError("model.prediction is 'aux', but model.auxiliary is 'off': choose a head, or mask")
    _check_protocol(config)


def _check_protocol(config: Config) -> None:
    model, protocol = config.model, config.train.protocol
    other_head = model.arch == "sartm" and model.auxiliary != "off" and model.prediction != "mask"
    if protocol == "official" and other_head:
        raise UserError(
            f"train.protocol is official, which scores SARTM's mask decoder alone, but model.prediction is "
            f"{model.prediction!r}: set model.prediction=mask"
        )


def _check_numbers(config: Config) -> None:
    for section, values in dataclasses.asdict(config).items():
        for key, value in values.items():
            numbers = value if isinstance(value, list) else [value]
            if any(isinstance(number, float) and math.isnan(number) for number in numbers):
                raise UserError(f"{section}.{key} is not a number: give one, or leave the key out")


def _check_pasting(config: Config) -> None:
    needs = {
        "scenes": "a data set to take objects from: set data.name, or set it to 0",
        "fmb": "a class 0 of everything else, and fmb's is road: set it to 0",
    }
    for key in ("paste", "close_up"):
        if getattr(config.augment, key) > 0.0 and config.data.name in needs:
            raise UserError(f"augment.{key} needs {needs[config.data.name]}")


def _check_shares(config: Config) -> None:
    shares = {
        "data.rendered_share": config.data.rendered_share,
        "data.rendered_share_end": config.data.rendered_share_end,
        "data.rendered_until": config.data.rendered_until,
        "augment.paste": config.augment.paste,
        "augment.close_up": config.augment.close_up,
        "augment.smoke": config.augment.smoke,
        "augment.drop_rgb + augment.drop_thermal": config.augment.drop_rgb + config.augment.drop_thermal,
        "train.warmup_ratio": config.train.warmup_ratio,
    }
    for key, value in shares.items():
        if not 0.0 <= value <= 1.0:
            raise UserError(f"{key} is {value:g}: it must be within 0 and 1")


def _check_choices(config: Config) -> None:
    choices = {"model.arch": tuple(WORDS)}
    for architecture in WORDS.values():
        choices |= {f"model.{argument}": words for argument, words in architecture.choices.items()}
    choices |= {
        "data.thermal_palette": PALETTES,
        "augment.scale_of": SCALES_OF,
        "loss.prototype_means": PROTOTYPE_MEANS,
    }
    choices |= {"train.precision": (AUTO, *PRECISIONS), "train.schedule": SCHEDULES}
    choices |= {"train.protocol": PROTOCOLS}
    for key, allowed in choices.items():
        choice = attrgetter(key)(config)
        if choice not in allowed:
            raise UserError(f"{key} is {choice!r}: it must be one of {', '.join(allowed)}")


def _check_counts(config: Config) -> None:
    train = config.train
    counts = {
        "model.rank": config.model.rank,
        "data.rendered_stills": config.data.rendered_stills,
        "data.rendered_uses": config.data.rendered_uses,
        "train.max_steps": train.max_steps,
        "train.epochs": train.epochs,
        "train.batch_size": train.batch_size,
        "train.accumulate": train.accumulate,
        "train.eval_every": train.eval_every,
        "train.log_every": train.log_every,
        "train.pictures_every": train.pictures_every,
        "train.checkpoint_every": train.checkpoint_every,
        "train.checkpoints_kept": train.checkpoints_kept,
    }
    for key, count in counts.items():
        if count is not None and count < 1:
            raise UserError(f"{key} is {count}: it must be at least 1")


def _check_long_runs(config: Config) -> None:
    train = config.train
    for keys in (
        ("checkpoint_every", "checkpoint_epochs", "checkpoint_minutes"),
        ("max_steps", "budget_minutes"),
    ):
        given = [f"train.{key}" for key in keys if getattr(train, key) is not None]
        if len(given) > 1:
            raise UserError(f"{given[0]} and {given[1]} are both given: leave one out")
    for key in ("budget_minutes", "eval_minutes", "checkpoint_epochs", "checkpoint_minutes"):
        value = getattr(train, key)
        if value is not None and not 0.0 < value < math.inf:
            raise UserError(f"train.{key} is {value:g}: it must be above 0")
    if not 0.0 < train.plateau_factor < 1.0:
        raise UserError(f"train.plateau_factor is {train.plateau_factor:g}: it must be above 0 and below 1")
    if train.plateau_patience < 0:
        raise UserError(f"train.plateau_patience is {train.plateau_patience}: it must be at least 0")


def _check_loss(config: Config) -> None:
    if not 0.0 < config.loss.ohem <= 1.0:
        raise UserError(f"loss.ohem is {config.loss.ohem:g}: it must be above 0 and at most 1")
    weights = dataclasses.asdict(config.loss)
    for key in ("mask", "auxiliary", "prototype", "similarity"):
        if weights[key] < 0:
            raise UserError(f"loss.{key} is {weights[key]:g}: it must be at least 0")


def _check_architecture(config: Config) -> None:
    """Raise for a key of the other architecture that was set."""
    loss_keys = {
        "shifnet": ("train.class_weights", "train.lovasz"),
        "sartm": tuple(f"loss.{key}" for key in dataclasses.asdict(config.loss)),
    }
    default = Config()
    for arch, architecture in WORDS.items():
        own = (f"model.{argument}" for argument in architecture.arguments)
        for key in (*own, *loss_keys[arch]):
            of_run, of_default = (attrgetter(key)(values) for values in (config, default))
            if arch != config.model.arch and of_run != of_default:
                raise UserError(f"{key} belongs to {arch}: leave it out, or set model.arch={arch}")
