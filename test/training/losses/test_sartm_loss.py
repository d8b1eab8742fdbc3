"""SARTM's loss as a whole; `test_ohem` and `test_distillation` have its parts."""

import pytest
import torch
from torch import Tensor

from rgbt_seg_ros.models.sartm.network import SartmOutput
from training.config.schema import LossConfig
from training.losses.sartm import SartmLoss

ONE = torch.ones((), dtype=torch.float64)
EQUAL = LossConfig(mask=1.0, auxiliary=1.0, prototype=1.0, similarity=1.0)
TEXT = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def output() -> SartmOutput:
    generator = torch.Generator().manual_seed(1)
    mask, auxiliary = torch.randn(2, 2, 3, 32, 64, generator=generator)
    fused = torch.randn(2, 6, 2, 4, generator=generator)
    return SartmOutput(mask.requires_grad_(), auxiliary.requires_grad_(), fused.requires_grad_())


@pytest.fixture
def label() -> Tensor:
    return torch.arange(64).div(24, rounding_mode="floor").expand(2, 32, 64).clone()


def seen_once(config: LossConfig, label: Tensor, ramp_steps: int = 0) -> SartmLoss:
    """A loss whose prototypes are other features' means."""
    loss = SartmLoss(TEXT, 6, config, ramp_steps)
    fused = torch.randn(2, 6, 2, 4, generator=torch.Generator().manual_seed(2))
    loss.terms(SartmOutput(torch.zeros(2, 3, 32, 64), None, fused), label, ONE)
    return loss


def test_terms_have_the_weights_of_the_paper(output: SartmOutput, label: Tensor) -> None:
    plain = seen_once(EQUAL, label).terms(output, label, ONE)
    terms = seen_once(LossConfig(), label).terms(output, label, ONE)
    assert list(terms) == ["mask", "auxiliary", "prototype", "similarity"]
    for name, weight in (("mask", 1.0), ("auxiliary", 0.008), ("prototype", 1e4), ("similarity", 100.0)):
        assert plain[name].item() > 0
        assert terms[name].item() == pytest.approx(weight * plain[name].item(), rel=1e-5)


def test_each_term_teaches_its_part_of_the_network(output: SartmOutput, label: Tensor) -> None:
    of_output = {"mask": 0, "auxiliary": 1, "prototype": 2, "similarity": 2}
    for name, term in seen_once(LossConfig(), label).terms(output, label, ONE).items():
        gradients = torch.autograd.grad(term, output, retain_graph=True, allow_unused=True)
        assert [gradient is not None for gradient in gradients] == [i == of_output[name] for i in range(3)]
        assert gradients[of_output[name]].abs().max() > 0


def test_passes_of_a_step_are_averaged(output: SartmOutput, label: Tensor) -> None:
    loss = seen_once(LossConfig(), label)
    assert loss.weight(label).item() == loss.weight(torch.full_like(label, 255)).item() == 1.0
    whole = seen_once(LossConfig(), label).terms(output, label, ONE)
    for name, part in loss.terms(output, label, 4 * ONE).items():
        assert part.item() == pytest.approx(whole[name].item() / 4, rel=1e-6)


def test_mixed_precision_leaves_the_loss_in_float32(output: SartmOutput, label: Tensor) -> None:
    halves = SartmOutput(output.mask.bfloat16(), output.auxiliary.bfloat16(), output.fused.bfloat16())
    expected = seen_once(LossConfig(), label).terms(
        SartmOutput(*(part.float() for part in halves)), label, ONE
    )
    loss = seen_once(LossConfig(), label)
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss.terms(halves, label, ONE)
    for name, term in terms.items():
        assert term.dtype == torch.float32, name
        assert term.item() == expected[name].item() > 0, name


def test_language_rises_over_the_ramp(output: SartmOutput, label: Tensor) -> None:
    full = seen_once(LossConfig(), label).terms(output, label, ONE)
    for step, share in ((0, 0.1), (4, 0.5), (9, 1.0), (50, 1.0)):
        loss = seen_once(LossConfig(), label, ramp_steps=10)
        loss.at_step(step)
        terms = loss.terms(output, label, ONE)
        for name, factor in (("mask", 1.0), ("auxiliary", 1.0), ("prototype", share), ("similarity", share)):
            assert terms[name].item() == pytest.approx(factor * full[name].item(), rel=1e-5)


def test_without_language_nothing_is_distilled(output: SartmOutput, label: Tensor) -> None:
    loss = SartmLoss(TEXT, 6, LossConfig(prototype=0.0, similarity=0.0))
    assert list(loss.terms(output, label, ONE)) == ["mask", "auxiliary"]
    assert not loss.prototypes.seen.any()


def test_without_auxiliary_head_its_term_is_gone(output: SartmOutput, label: Tensor) -> None:
    terms = seen_once(LossConfig(), label).terms(output._replace(auxiliary=None), label, ONE)
    assert list(terms) == ["mask", "prototype", "similarity"]


def test_what_is_kept_of_it_are_the_prototypes(label: Tensor) -> None:
    state = seen_once(LossConfig(), label).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "prototypes.prototypes": (3, 6),
        "prototypes.seen": (3,),
    }
    assert state["prototypes.seen"].all()
