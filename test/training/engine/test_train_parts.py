"""Parts of training that need no run: learning rate, moving average, watch on the loss, tensors of an optimizer."""

import math

import pytest
import torch
from torch import nn

from rgbt_seg_ros.base.errors import UserError
from training.config.schema import TrainConfig
from training.engine.loss_watch import LossWatch, overwhelming_term
from training.engine.optimizer import (
    MovingAverage,
    learning_rate,
    optimizer_tensors,
    restore_optimizer,
)
from training.engine.run_length import Minutes, RunLength, run_steps
from training.engine.trained_state import frozen_hash, trained_parameters, trained_state


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    train = TrainConfig(lr=0.1, warmup_steps=10, poly_power=0.9)
    rates = [learning_rate(train, step / 100, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[50] == pytest.approx(0.1 * 0.5**0.9)
    assert rates[100] == 0.0


def test_learning_rate_may_warm_up_from_a_share_of_it() -> None:
    train = TrainConfig(lr=0.1, warmup_steps=9, warmup_ratio=0.1, poly_power=0.0)
    assert [learning_rate(train, step / 100, step) for step in (0, 4, 8, 50)] == pytest.approx(
        [0.02, 0.06, 0.1, 0.1]
    )


def test_cosine_schedule_is_a_half_wave() -> None:
    train = TrainConfig(lr=0.1, warmup_steps=1, schedule="cosine")
    rates = [learning_rate(train, step / 100, step) for step in range(101)]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 100)) for step in range(101)])


def test_steps_come_from_max_steps_before_epochs() -> None:
    assert run_steps(TrainConfig(max_steps=3, epochs=5), images=10, pairs_a_step=4) == 3
    assert run_steps(TrainConfig(epochs=5), images=10, pairs_a_step=4) == 13
    with pytest.raises(UserError, match=r"train\.epochs"):
        run_steps(TrainConfig(), images=10, pairs_a_step=4)


def test_moving_average_is_that_of_its_definition_and_leaves_the_network_as_it_was() -> None:
    value, count = torch.tensor([1.0, 2.0]), torch.tensor(0)
    average = MovingAverage({"value": value, "count": count}, decay=0.15)
    expected = value.clone()
    for step in range(3):
        value.add_(1.0)
        count.add_(1)
        average.update({"value": value, "count": count})
        kept = min(0.15, (1 + step) / (10 + step))  # 0.1, then 0.15
        expected = kept * expected + (1 - kept) * value
    assert torch.allclose(average.tensors["value"], expected)
    assert int(average.tensors["count"]) == 3
    now = value.clone()
    with average.applied({"value": value, "count": count}):
        assert torch.equal(value, average.tensors["value"])
        assert not torch.equal(value, now)
    assert torch.equal(value, now)


def test_trained_state_is_weights_with_gradients_and_batch_statistics() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    network[2].requires_grad_(False)
    network.register_buffer("constant", torch.ones(2))
    assert trained_state(network).keys() == {
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    before = frozen_hash(network)
    with torch.no_grad():
        network[0].weight.add_(1.0)
        network[1].running_mean.add_(1.0)
    assert frozen_hash(network) == before
    network.constant.add_(1.0)
    assert frozen_hash(network) != before


def test_optimizer_goes_on_in_another_order_of_parameters() -> None:
    def network_and_optimizer(reverse: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Linear(3, 2)
        parameters = sorted(network.parameters(), key=lambda p: p.ndim, reverse=reverse)
        return network, torch.optim.AdamW(parameters, lr=0.1)

    def step(network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        network(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    network, optimizer = network_and_optimizer(reverse=False)
    step(network, optimizer)
    other, restored = network_and_optimizer(reverse=True)
    other.load_state_dict(network.state_dict())
    tensors = optimizer_tensors(optimizer, trained_parameters(network))
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    restore_optimizer(restored, trained_parameters(other), copies)
    step(network, optimizer)
    step(other, restored)
    assert torch.equal(other.weight, network.weight)
    assert torch.equal(other.bias, network.bias)


def test_watch_lets_noise_pass_and_tells_divergence() -> None:
    watch = LossWatch()
    for step in range(200):
        watch.add(2.0 / (1 + step) if step % 7 else 5.0)  # single bad batches
    assert watch.astray_steps == 0
    for step in range(200):
        watch.add(0.45 if step % 2 else 0.01)  # small losses may multiply
    assert watch.astray_steps == 0
    steps = 0
    while not watch.diverged:
        watch.add(3.0)
        steps += 1
    assert steps == pytest.approx(55, abs=2)  # 50, and half a window until the median sees it


def test_watch_forgets_a_loss_that_comes_back() -> None:
    watch = LossWatch()
    for loss in [0.2] * 20 + [3.0] * 30 + [0.2] * 10 + [3.0] * 30:
        watch.add(loss)
        assert not watch.diverged
    assert watch.astray_steps > 0


def test_only_a_gradient_far_above_cross_entropys_is_overwhelming() -> None:
    norms = {"mask": 0.5, "auxiliary": 0.01, "prototype": 49.0, "similarity": 3.0}
    assert overwhelming_term(norms, "mask") is None
    assert overwhelming_term({}, "cross_entropy") is None
    assert overwhelming_term({**norms, "mask": 0.0}, "mask") is None
    sentence = overwhelming_term({**norms, "prototype": 51.0}, "mask")
    assert sentence is not None
    assert "prototype is 102 times that of mask" in sentence


def test_watch_goes_on_from_its_numbers() -> None:
    watch = LossWatch()
    for loss in [0.2] * 20 + [3.0] * 10:
        watch.add(loss)
    other = LossWatch.from_numbers(watch.numbers())
    assert other == watch
    other.add(3.0)
    watch.add(3.0)
    assert other == watch


def test_a_run_by_time_is_as_far_as_its_time_is_spent() -> None:
    length = RunLength(TrainConfig(budget_minutes=10.0), images=8, pairs_a_step=4)
    length.start(150.0)
    assert length.steps is None
    assert length.done(step=123456) == pytest.approx(0.25)
    assert 0.25 <= length.done_at_pair(7) < 0.9
    assert not length.over(step=123456)
    length.start(600.0)
    assert length.over(step=0)


def test_a_run_by_steps_is_as_far_as_its_steps_are_done() -> None:
    length = RunLength(TrainConfig(max_steps=8), images=8, pairs_a_step=4)
    assert (length.done(2), length.done_at_pair(8), length.over(7), length.over(8)) == (
        0.25,
        0.25,
        False,
        True,
    )


def test_minutes_pass_once_each() -> None:
    minutes = Minutes(0.5, seconds=100.0)
    assert [minutes.passed(seconds) for seconds in (129.0, 131.0, 140.0, 162.0)] == [False, True, False, True]
    assert not Minutes(None, 0.0).passed(1e9)
