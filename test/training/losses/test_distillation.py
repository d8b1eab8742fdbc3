import math
from pathlib import Path

import pytest
import torch
from distilled_gradient import distilled_gradient
from safetensors.torch import load_file
from torch import Tensor
from training_runs import REPOSITORY, run_script

from training.losses.distillation import PrototypeLoss, class_means, similarities, similarity_loss


@pytest.fixture
def features() -> Tensor:
    """[1, 2, 2, 2] of an image of 32x32: the left half is [1, 0] and [3, 0], the right one [0, 1] and [0, 3]."""
    left, right = [[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 3.0]]
    return torch.tensor([left, right])[None].requires_grad_()


@pytest.fixture
def label() -> Tensor:
    """The left half is class 0, the right one class 1."""
    return torch.arange(32).ge(16).long().expand(1, 32, 32).clone()


def seen_prototypes(values: list[list[float]]) -> PrototypeLoss:
    loss = PrototypeLoss(len(values), len(values[0]), "printed")
    loss.prototypes.copy_(torch.tensor(values))
    loss.seen.fill_(True)
    return loss


def test_means_are_those_of_the_pixels_of_a_class(features: Tensor, label: Tensor) -> None:
    means, counts = class_means(features, label, 3)
    assert means.tolist() == [[2, 0], [0, 2], [0, 0]]
    assert counts.tolist() == [2, 2, 0]


def test_ignored_and_padded_pixels_are_in_no_mean(features: Tensor, label: Tensor) -> None:
    label[:, 16:, 16:] = 255
    means, _ = class_means(features, label, 2)
    assert means.tolist() == [[2, 0], [0, 1]]
    # Images of 20x30 are padded to 32x32: the lower features' centres are outside.
    means, _ = class_means(features, label[:, :20, :30], 2)
    assert means.tolist() == [[1, 0], [0, 1]]


def test_hand_computed_prototype_loss_of_two_classes(features: Tensor, label: Tensor) -> None:
    loss = seen_prototypes([[0, 0], [0, 2]])
    value = loss(*class_means(features, label, 2))
    # Class 0: softmax(prototype) is (1/2, 1/2), mean (2, 0); class 1 is at its prototype. Two channels of two classes.
    assert value.item() == pytest.approx((1 + math.log((1 + math.exp(-2)) / 2)) / 4, rel=1e-6)
    assert loss.prototypes.tolist() == [pytest.approx([0.2, 0]), pytest.approx([0, 2])]
    value.backward()
    assert features.grad is not None
    # d/d(mean) = (softmax(mean) - softmax(prototype)) / 4, shared by the two pixels.
    slope = (1 / (1 + math.exp(-2)) - 0.5) / 8
    assert features.grad[0, :, 0, 0].tolist() == pytest.approx([slope, -slope], rel=1e-5)
    assert features.grad[0, :, :, 1].abs().max() < 1e-8


def test_released_means_are_divided_by_the_count_once_more(features: Tensor, label: Tensor) -> None:
    printed, released = PrototypeLoss(2, 2, "printed"), PrototypeLoss(2, 2)
    means, counts = class_means(features, label, 2)
    for loss in (printed, released):
        loss(means, counts)
    assert printed.prototypes.tolist() == [[2, 0], [0, 2]]
    # Two features are of each class.
    assert released.prototypes.tolist() == [[1, 0], [0, 1]]
    moved = torch.tensor([[4.0, 0.0], [0.0, 2.0]])
    expected = seen_prototypes([[1, 0], [0, 1]])(moved / 2, counts)
    assert released(moved, counts).item() == pytest.approx(expected.item(), rel=1e-6)
    assert expected.item() > 0


def test_hand_computed_similarity_loss_of_two_classes(features: Tensor, label: Tensor) -> None:
    # The text says that both classes are the same, the features that they have nothing in common.
    teacher = similarities(torch.tensor([[3.0, 4.0, 0.0], [6.0, 8.0, 0.0]]))
    value = similarity_loss(*class_means(features, label, 2), teacher)
    assert value.item() == pytest.approx((0.5 + math.log((1 + math.exp(-1)) / 2)) / 2, rel=1e-6)
    value.backward()
    assert features.grad is not None
    assert features.grad.abs().max() > 0.01


def test_class_at_first_sight_becomes_its_prototype_and_counts_with_zero(
    features: Tensor, label: Tensor
) -> None:
    loss = seen_prototypes([[0, 0], [7, 7]])
    loss.seen[1] = False
    value = loss(*class_means(features, label, 2))
    assert value.item() == pytest.approx((1 + math.log((1 + math.exp(-2)) / 2)) / 4, rel=1e-6)
    assert loss.prototypes[1].tolist() == [0, 2]
    assert loss.seen.all()
    both_new = PrototypeLoss(2, 2)
    assert both_new(*class_means(features, label, 2)).item() == 0.0


def test_absent_class_contributes_nothing(features: Tensor, label: Tensor) -> None:
    pair = seen_prototypes([[0, 0], [0, 2]])
    three = seen_prototypes([[0, 0], [5, 5], [0, 2]])
    gap = torch.where(label == 1, 2, label)
    assert torch.equal(three(*class_means(features, gap, 3)), pair(*class_means(features, label, 2)))
    assert three.prototypes[1].tolist() == [5, 5]
    text = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        similarity_loss(*class_means(features, gap, 3), similarities(text)),
        similarity_loss(*class_means(features, label, 2), similarities(text[[0, 2]])),
    )


@pytest.mark.parametrize("classes_present", [0, 1])
def test_without_classes_to_compare_there_is_a_graph_all_the_same(
    features: Tensor, label: Tensor, classes_present: int
) -> None:
    label.fill_(0 if classes_present else 255)
    loss = PrototypeLoss(2, 2)
    means, counts = class_means(features, label, 2)
    value = loss(means, counts) + similarity_loss(means, counts, torch.eye(2))
    value.backward()
    assert value.item() == 0.0
    assert features.grad is not None
    assert not features.grad.any()
    assert loss.seen.sum() == classes_present


def test_two_processes_have_the_value_and_gradient_of_one(tmp_path: Path) -> None:
    script = REPOSITORY / "test/support/distilled_gradient.py"
    done = run_script(script, str(tmp_path / "part"), processes=2)
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"part.{process}") for process in (0, 1))
    whole = distilled_gradient()
    for part in (first, second):
        assert float(part["loss"]) == pytest.approx(float(whole["loss"]), rel=1e-6)
        assert torch.allclose(part["prototypes"], whole["prototypes"], atol=1e-6)
    assert torch.equal(first["prototypes"], second["prototypes"])
    # Data-parallel training averages over the processes.
    halves = torch.cat([first["gradient"], second["gradient"]]) / 2
    assert torch.allclose(halves, whole["gradient"], atol=1e-7)
    assert whole["gradient"].abs().max() > 1e-3
