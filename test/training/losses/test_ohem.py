import math

import pytest
import torch
from torch.nn import functional as F

from training.losses.ohem import ohem_cross_entropy


def logits_of(probabilities: list[float]) -> torch.Tensor:
    """Logits [1, 2, 1, W] of two classes that give class 0 these probabilities."""
    first = torch.tensor(probabilities).log()
    second = (1 - torch.tensor(probabilities)).log()
    return torch.stack([first, second])[None, :, None].requires_grad_()


def test_easy_pixels_do_not_count() -> None:
    logits = logits_of([0.9, 0.5, 0.71, 0.1])
    loss = ohem_cross_entropy(logits, torch.zeros(1, 1, 4, dtype=torch.long), 0.7)
    assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.1)) / 2, rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 0].ne(0).tolist() == [False, True, False, True]


def test_of_easy_pixels_the_hardest_sixteenth_counts() -> None:
    # 48 labelled pixels, one of them hard: the three hardest count.
    easy = [0.99 - 0.001 * i for i in range(47)]
    label = torch.zeros(1, 1, 50, dtype=torch.long)
    label[..., 48:] = 255
    loss = ohem_cross_entropy(logits_of([0.5, *easy, 0.001, 0.002]), label, 0.7)
    hardest = [0.5, easy[-1], easy[-2]]
    assert loss.item() == pytest.approx(-sum(map(math.log, hardest)) / 3, rel=1e-5)


def test_one_easy_pixel_counts() -> None:
    loss = ohem_cross_entropy(logits_of([0.9]), torch.zeros(1, 1, 1, dtype=torch.long), 0.7)
    assert loss.item() == pytest.approx(-math.log(0.9), rel=1e-6)


def test_where_all_pixels_are_hard_it_is_cross_entropy_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 9, generator=generator).bfloat16()
    label = torch.randint(0, 3, (2, 8, 9), generator=generator)
    label[0, :3] = 255
    expected = F.cross_entropy(logits.float(), label, ignore_index=255)
    loss = ohem_cross_entropy(logits, label, 1.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(float(expected), rel=1e-6)


def test_without_labels_there_is_a_graph_all_the_same() -> None:
    logits = logits_of([0.5, 0.2])
    loss = ohem_cross_entropy(logits, torch.full((1, 1, 2), 255), 0.7)
    assert loss.item() == 0.0
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
