import dataclasses

import numpy as np
import pytest
import torch

from rgbt_seg_ros.classes import UNLABELED
from rgbt_seg_ros.scaling import InputScaling
from training.augment import Augmentation
from training.config import AugmentConfig
from training.datasets import Sample

NOTHING = AugmentConfig(
    crop_height=96,
    crop_width=128,
    min_scale=1.0,
    max_scale=1.0,
    flip=0.0,
    jitter=0.0,
    blur=0.0,
    gamma=0.0,
    thermal_gain=0.0,
    thermal_offset=0.0,
    thermal_noise=0.0,
)
SCALING = InputScaling()


def _disk_sample() -> Sample:
    """A bright warm disk of class 2 off the centre, the same in RGB, thermal and label."""
    rows, columns = np.mgrid[:192, :256]
    disk = (rows - 80) ** 2 + (columns - 150) ** 2 < 25**2
    picture = np.where(disk, 255, 0).astype(np.uint8)
    return Sample("disk", np.dstack([picture] * 3), picture, np.where(disk, 2, 0).astype(np.uint8))


def _noise_sample() -> Sample:
    rng = np.random.default_rng(0)
    return Sample(
        "noise",
        rng.integers(0, 256, (96, 128, 3), np.uint8),
        rng.integers(0, 256, (96, 128), np.uint8),
        rng.integers(0, 9, (96, 128), np.uint8),
    )


def _augment(sample: Sample, seed: int = 0, short_side: int | None = None, **changes: float) -> dict:
    config = dataclasses.replace(NOTHING, **changes)
    torch.manual_seed(seed)
    return Augmentation(config, short_side, SCALING)(sample)


def _center(weights: torch.Tensor) -> torch.Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in weights.shape), indexing="ij")
    return torch.stack([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


@pytest.mark.parametrize("short_side", [96, None])
def test_geometry_keeps_rgb_thermal_and_label_aligned_to_the_pixel(short_side: int | None) -> None:
    sample = _disk_sample()
    offsets = []
    for seed in range(40):
        changes = {"min_scale": 0.5, "max_scale": 2.0, "flip": 0.5}
        out = _augment(sample, seed, short_side, crop_height=160, crop_width=224, **changes)
        assert out["rgb"].shape == out["thermal"].shape == (3, 160, 224)
        assert out["label"].shape == (160, 224)
        inside = out["label"] == 2
        if inside[[0, -1]].any() or inside[:, [0, -1]].any() or not inside.any():
            continue  # the crop cut the disk
        thermal = out["thermal"][0].double()
        rgb = (out["rgb"][1] - out["rgb"][1].min()).double()
        # Padding is the mean colour, which is neither the disk's nor its background's.
        rgb[out["label"] == UNLABELED] = 0.0
        center = _center(inside.double())
        offsets.append(torch.stack([_center(rgb) - center, _center(thermal) - center]))
    # A label has whole pixels, so one disk's centre is off by a fraction of one; a shift would be off on average.
    stacked = torch.stack(offsets)
    assert len(stacked) >= 8
    assert stacked.abs().max() < 0.5
    assert stacked.mean(dim=0).abs().max() < 0.08


def test_without_changes_the_sample_passes_scaled() -> None:
    sample = _noise_sample()
    out = _augment(sample)
    torch.testing.assert_close(out["rgb"], SCALING.rgb(torch.from_numpy(sample.rgb).permute(2, 0, 1)))
    torch.testing.assert_close(out["thermal"][0], torch.from_numpy(sample.thermal) / 255.0)
    assert torch.equal(out["label"], torch.from_numpy(sample.label).long())


def test_colour_changes_leave_thermal_and_label_untouched() -> None:
    sample = _noise_sample()
    plain = _augment(sample)
    changed = _augment(sample, jitter=1.0, blur=1.0, gamma=1.0)
    assert torch.equal(plain["thermal"], changed["thermal"])
    assert torch.equal(plain["label"], changed["label"])
    assert (plain["rgb"] - changed["rgb"]).abs().mean() > 0.1


def test_thermal_changes_leave_rgb_and_label_untouched() -> None:
    sample = _noise_sample()
    plain = _augment(sample)
    changed = _augment(sample, thermal_gain=0.5, thermal_offset=0.2, thermal_noise=0.1)
    assert torch.equal(plain["rgb"], changed["rgb"])
    assert torch.equal(plain["label"], changed["label"])
    assert (plain["thermal"] - changed["thermal"]).abs().mean() > 0.01
    assert changed["thermal"].min() >= 0.0
    assert changed["thermal"].max() <= 1.0
    assert torch.equal(changed["thermal"][0], changed["thermal"][2])


def test_missing_modality_is_zeros_after_scaling_and_never_both() -> None:
    sample = _noise_sample()
    assert not _augment(sample, drop_rgb=1.0)["rgb"].any()
    assert _augment(sample, drop_rgb=1.0)["thermal"].any()
    missing = set()
    for seed in range(60):
        out = _augment(sample, seed, drop_rgb=0.3, drop_thermal=0.3)
        missing.add((bool(out["rgb"].any()), bool(out["thermal"].any())))
    assert missing == {(True, True), (False, True), (True, False)}


def test_padding_is_ignored_and_near_zero_for_the_network() -> None:
    out = _augment(_noise_sample(), crop_height=128, crop_width=128)
    padded = out["label"] == UNLABELED
    assert padded.sum() == (128 - 96) * 128
    assert out["rgb"][:, padded].abs().max() < 0.02
    assert not out["thermal"][:, padded].any()


def test_uint16_thermal_is_normalised_like_in_service() -> None:
    sample = _noise_sample()
    deep = dataclasses.replace(sample, thermal=sample.thermal.astype(np.uint16) * 20 + 7000)
    out = _augment(deep)
    assert out["thermal"].min() == 0.0
    assert out["thermal"].max() == 1.0
    assert out["thermal"].std() > 0.2
