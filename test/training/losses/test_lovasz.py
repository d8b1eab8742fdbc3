import itertools

import pytest
import torch
from torch import Tensor

from training.losses.lovasz import jaccard_gradient, lovasz_softmax
from training.losses.segmentation import SegmentationLoss

CERTAIN = 100.0


def _jaccard_loss(answer: Tensor, label: Tensor, k: int) -> float:
    """1 - intersection over union of a class, by counting."""
    found, wanted = answer == k, label == k
    return 1.0 - int((found & wanted).sum()) / int((found | wanted).sum())


@pytest.mark.parametrize("label", list(itertools.product([0, 1], repeat=4))[1:-1])
def test_of_certain_answers_it_is_one_minus_the_mean_iou(label: tuple[int, ...]) -> None:
    """At its corners the extension is the function that it extends: every answer to every label of four pixels."""
    target = torch.tensor(label).view(1, 2, 2)
    for answers in itertools.product([0, 1], repeat=4):
        answer = torch.tensor(answers).view(1, 2, 2)
        logits = CERTAIN * torch.nn.functional.one_hot(answer, 2).permute(0, 3, 1, 2).float()
        expected = (_jaccard_loss(answer, target, 0) + _jaccard_loss(answer, target, 1)) / 2
        assert float(lovasz_softmax(logits, target)) == pytest.approx(expected, abs=1e-6)


def test_between_corners_it_is_linear_in_the_order_of_the_errors() -> None:
    # Class 1 is at pixels 0 and 2; errors 0.1, 0.6, 0.4, 0.2, largest first: pixels 1, 2, 3, 0.
    chance = torch.tensor([0.9, 0.6, 0.6, 0.2])
    logits = torch.stack([torch.zeros(4), torch.logit(chance)]).view(1, 2, 2, 2)
    label = torch.tensor([1, 0, 1, 0]).view(1, 2, 2)
    growth = [1 / 3, 2 / 3 - 1 / 3, 3 / 4 - 2 / 3, 1 - 3 / 4]
    of_class_1 = sum(error * step for error, step in zip([0.6, 0.4, 0.2, 0.1], growth, strict=True))
    # Of class 0 the errors are the same pixels' same values, but it is at pixels 1 and 3.
    growth = [1 / 2, 2 / 3 - 1 / 2, 1 - 2 / 3, 0.0]
    of_class_0 = sum(error * step for error, step in zip([0.6, 0.4, 0.2, 0.1], growth, strict=True))
    assert float(lovasz_softmax(logits, label)) == pytest.approx((of_class_0 + of_class_1) / 2, abs=1e-6)


def test_gradient_of_jaccard_adds_up_to_one_and_is_never_negative() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        target = (torch.rand(30, generator=generator) < 0.3).float()
        target[0] = 1.0
        growth = jaccard_gradient(target[torch.randperm(30, generator=generator)])
        assert float(growth.sum()) == pytest.approx(1.0, abs=1e-6)
        assert float(growth.min()) >= -1e-6


def test_ignored_pixels_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    label = torch.randint(0, 3, (2, 4, 5), generator=generator)
    label[:, :2] = 255
    expected = lovasz_softmax(logits[:, :, 2:], label[:, 2:])
    assert float(lovasz_softmax(logits, label)) == pytest.approx(float(expected), rel=1e-6)


def test_without_labels_it_is_zero_with_finite_gradients() -> None:
    logits = torch.randn(1, 3, 4, 5, requires_grad=True)
    loss = lovasz_softmax(logits, torch.full((1, 4, 5), 255))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_following_its_gradient_raises_the_iou() -> None:
    generator = torch.Generator().manual_seed(0)
    label = (torch.rand(1, 12, 12, generator=generator) < 0.1).long()
    logits = (0.1 * torch.randn(1, 2, 12, 12, generator=generator)).requires_grad_()
    before = _jaccard_loss(logits.argmax(1), label, 1)
    optimizer = torch.optim.SGD([logits], lr=30.0)
    for _ in range(60):
        optimizer.zero_grad()
        lovasz_softmax(logits, label).backward()
        optimizer.step()
    assert before > 0.8
    assert _jaccard_loss(logits.argmax(1), label, 1) < 0.1


def test_it_is_a_term_of_its_own_beside_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    label = torch.randint(0, 3, (2, 4, 5), generator=generator)
    plain, both = SegmentationLoss(), SegmentationLoss(lovasz=0.5)
    total = both.weight(label)
    terms = both.terms(logits, label, total)
    assert list(plain.terms(logits, label, total)) == ["cross_entropy"]
    assert float(terms["cross_entropy"]) == float(plain(logits, label))
    assert float(terms["lovasz"]) == pytest.approx(0.5 * float(lovasz_softmax(logits, label)), rel=1e-6)
    half = both.terms(logits[:1], label[:1], total)["lovasz"]
    assert float(half) == pytest.approx(0.25 * float(lovasz_softmax(logits[:1], label[:1])), rel=1e-6)
