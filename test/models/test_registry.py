"""The registry tells of each architecture what it can be built with, and nothing else is accepted."""

import dataclasses
import inspect
from collections.abc import Iterator

import pytest
import torch

from rgbt_seg_ros.base.errors import UserError, check_choice
from rgbt_seg_ros.models.choices import SIZES
from rgbt_seg_ros.models.registry import ARCHITECTURES, build_model
from training.config import load_config
from training.config.schema import ModelConfig

NOT_OF_A_FILE = {"size", "class_embeddings", "merged"}
"""Arguments of networks that are no choice of a model file."""


def choices() -> Iterator[tuple[str, str, str]]:
    for arch, architecture in ARCHITECTURES.items():
        for argument, words in architecture.choices.items():
            yield from ((arch, argument, word) for word in words)


@pytest.mark.parametrize(("arch", "argument", "word"), [*choices()])
def test_every_choice_is_built_and_configured(arch: str, argument: str, word: str) -> None:
    for served in (False, True):
        network = build_model(arch, {"size": "nano", argument: word}, torch.eye(3, 16), served)
        assert network.class_embeddings.shape == (3, 16)
    config = load_config(None, [f"model.arch={arch}", f"model.{argument}={word}"])
    assert getattr(config.model, argument) == word


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_both_forms_take_the_same_weights(arch: str) -> None:
    trained, served = (build_model(arch, {"size": "nano"}, torch.eye(3, 16), form) for form in (False, True))
    assert trained.state_dict().keys() == served.state_dict().keys()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_arguments_are_those_of_the_network_and_its_defaults_are_the_configurations(arch: str) -> None:
    architecture = ARCHITECTURES[arch]
    own = inspect.signature(architecture.build).parameters
    assert tuple(name for name in own if name not in NOT_OF_A_FILE) == architecture.arguments
    defaults = {field.name: field.default for field in dataclasses.fields(ModelConfig)}
    assert {name: own[name].default for name in architecture.arguments} == {
        name: defaults[name] for name in architecture.arguments
    }
    assert defaults["size"] in SIZES
    for argument, words in architecture.choices.items():
        assert defaults[argument] in words


@pytest.mark.parametrize(("arch", "argument"), sorted({(arch, argument) for arch, argument, _ in choices()}))
def test_another_word_is_refused_with_the_choices(arch: str, argument: str) -> None:
    *others, last = ARCHITECTURES[arch].choices[argument]
    with pytest.raises(UserError, match=f"'none of these': choose {', '.join(others)} or {last}$"):
        build_model(arch, {"size": "nano", argument: "none of these"}, torch.eye(3, 16))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_another_size_is_refused_with_the_sizes(arch: str) -> None:
    with pytest.raises(UserError, match=f"choose one of {', '.join(SIZES)}$"):
        build_model(arch, {"size": "huge"}, torch.eye(3, 16))


def test_a_choice_is_checked_in_one_sentence() -> None:
    check_choice("fruit", "pear", ("apple", "pear", "plum"))
    with pytest.raises(UserError, match=r"^there is no fruit 'nut': choose apple, pear or plum$"):
        check_choice("fruit", "nut", ("apple", "pear", "plum"))
