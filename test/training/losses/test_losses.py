import pytest
import torch
from torch.nn import functional as F

from training.losses.segmentation import SegmentationLoss


def test_ignored_pixels_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    label = torch.randint(0, 3, (2, 4, 5), generator=generator)
    label[:, :2] = 255
    expected = F.cross_entropy(logits[:, :, 2:], label[:, 2:])
    assert float(SegmentationLoss()(logits, label)) == pytest.approx(float(expected), rel=1e-6)


def test_class_weights_are_those_of_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    label = torch.randint(0, 3, (2, 4, 5), generator=generator)
    label[0, 0] = 255
    weights = [0.5, 2.0, 1.0]
    expected = F.cross_entropy(logits, label, torch.tensor(weights), ignore_index=255)
    assert float(SegmentationLoss(weights)(logits, label)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0]])
def test_batch_without_labels_gives_zero_and_finite_gradients(weights: list[float] | None) -> None:
    logits = torch.randn(1, 3, 4, 5, requires_grad=True)
    loss = SegmentationLoss(weights)(logits, torch.full((1, 4, 5), 255))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()


def test_loss_is_taken_at_label_resolution() -> None:
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(1, 8, 8, dtype=torch.long)
    upsampled = F.interpolate(logits, size=(8, 8), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(upsampled, label)
    assert float(SegmentationLoss()(logits, label)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0]])
def test_parts_of_a_batch_add_up_to_the_whole(weights: list[float] | None) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 3, 4, 5, generator=generator)
    label = torch.randint(0, 3, (3, 4, 5), generator=generator)
    label[0, 1:] = 255
    label[2] = 255
    loss = SegmentationLoss(weights)
    total = loss.weight(label)
    parts = [loss(logits[i : i + 1], label[i : i + 1], total) for i in range(3)]
    assert float(sum(parts)) == pytest.approx(float(loss(logits, label)), rel=1e-6)
