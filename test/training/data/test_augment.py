"""Random changes of samples: geometry of all images together, appearance of each alone."""

import dataclasses

import numpy as np
import pytest
import torch

from rgbt_seg_ros.masks.classes import UNLABELED
from rgbt_seg_ros.models.scaling import InputScaling
from training.config.schema import AugmentConfig
from training.data.augment import DRAWS, Augmentation, RawBatch
from training.data.crop import CroppedSample, RandomCrop
from training.data.sample import Sample

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
    thermal_stripes=0.0,
    thermal_agc=0.0,
)
EVERY_GEOMETRY = {"min_scale": 0.5, "max_scale": 2.0, "flip": 0.5, "crop_height": 160, "crop_width": 224}
RGB_CHANGES = {"jitter": 1.0, "blur": 1.0, "gamma": 1.0, "smoke": 1.0}
THERMAL_CHANGES = {
    "thermal_gain": 0.5,
    "thermal_offset": 0.2,
    "thermal_noise": 0.1,
    "thermal_stripes": 0.1,
    "thermal_agc": 1.0,
}
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
        rng.integers(1, 256, (96, 128), np.uint8),
        rng.integers(0, 9, (96, 128), np.uint8),
    )


def _one_pattern_sample(seed: int = 0) -> Sample:
    """Noise that is the same in RGB (each channel), thermal and label, so that any pixel's place can be compared."""
    pattern = np.random.default_rng(seed).integers(0, 250, (96, 128), np.uint8)
    return Sample("pattern", np.dstack([pattern] * 3), pattern, pattern, pattern % 7 != 0)


def _ramp_sample(axis: int) -> Sample:
    """Each pixel's row (axis 0) or column (axis 1) as its RGB value, its thermal value and its label."""
    ramp = np.ascontiguousarray(np.indices((192, 250))[axis].astype(np.uint8))
    return Sample("ramp", np.dstack([ramp] * 3), ramp, ramp)


def _batch(
    samples: list[Sample], config: AugmentConfig, seed: int, short_side: int | None = None
) -> RawBatch:
    """The samples as worker processes hand them over."""
    count, size = len(samples), (config.crop_height, config.crop_width)
    # Not zeros: what is left of the sample that lay there before must not shine through.
    crops = CroppedSample(
        np.full((count, *size, 3), 99, np.uint8),
        np.full((count, *size), 9999, np.uint16),
        np.full((count, *size), 99, np.uint8),
        np.full((count, *size), 99, np.uint8),
    )
    draws, seeds = np.empty((count, DRAWS)), np.empty(count, np.int64)
    crop = RandomCrop(config, short_side)
    for i, sample in enumerate(samples):
        random = np.random.default_rng(seed)
        crop(sample, random, crops[i])
        draws[i], seeds[i] = random.random(DRAWS), random.integers(2**62)
    return RawBatch(crops, draws, seeds)


def _change(
    sample: Sample,
    config: AugmentConfig,
    seed: int = 0,
    short_side: int | None = None,
    scaling: InputScaling = SCALING,
) -> dict[str, torch.Tensor]:
    augmentation = Augmentation(config, scaling, torch.device("cpu"))
    return {
        name: image[0] for name, image in augmentation(_batch([sample], config, seed, short_side)).items()
    }


def _augment(
    sample: Sample, seed: int = 0, short_side: int | None = None, **changes: float
) -> dict[str, torch.Tensor]:
    config = dataclasses.replace(NOTHING, **changes)  # type: ignore[arg-type]
    return _change(sample, config, seed, short_side)


def _pixel_values(rgb: torch.Tensor) -> torch.Tensor:
    """The green channel as it was before scaling, 0 to 255."""
    return (rgb[1] * 0.224 + 0.456) * 255.0


def _center(weights: torch.Tensor) -> torch.Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in weights.shape), indexing="ij")
    return torch.stack([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_height": 40, "crop_width": 50},
        {"crop_height": 120, "crop_width": 200},
        {"crop_height": 40, "crop_width": 200},
        {"flip": 1.0},
        {"flip": 0.5, "crop_height": 120, "crop_width": 50},
    ],
    ids=["crop", "pad", "crop and pad", "flip", "all three"],
)
def test_crop_pad_and_flip_move_the_same_pixels_in_every_image(changes: dict[str, float]) -> None:
    for seed in range(5):
        out = _augment(_one_pattern_sample(seed), seed, **changes)
        label = out["label"]
        inside = label != UNLABELED
        assert inside.sum() == min(96, label.shape[0]) * min(128, label.shape[1])
        assert len(label[inside].unique()) > 200
        torch.testing.assert_close(_pixel_values(out["rgb"])[inside], label[inside].float())
        known = inside & (label % 7 != 0)
        torch.testing.assert_close(out["thermal"][0][known], label[known] / 255.0)
        assert not out["thermal"][:, ~known].any()


def test_flip_mirrors_columns_at_its_rate() -> None:
    sample = _one_pattern_sample()
    plain = _augment(sample)
    mirrored = _augment(sample, flip=1.0)
    for key in ("rgb", "thermal", "label"):
        assert torch.equal(mirrored[key], plain[key].flip(-1))
    flips = [not torch.equal(_augment(sample, seed, flip=0.5)["label"], plain["label"]) for seed in range(40)]
    assert 10 < sum(flips) < 30


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("scale", [0.6, 0.73, 0.9, 1.31, 2.0])
def test_scaled_images_show_the_same_place_at_the_same_pixel(axis: int, scale: float) -> None:
    for seed in range(4):
        out = _augment(_ramp_sample(axis), seed, min_scale=scale, max_scale=scale, flip=0.5)
        inside = out["label"] != UNLABELED
        label = out["label"][inside].float()
        assert label.numel() > 5000
        for place in (_pixel_values(out["rgb"])[inside], out["thermal"][0][inside] * 255.0):
            # A label has whole pixels: half a one of the source at most, and none on average.
            assert (place - label).abs().max() < 0.51
            assert (place - label).mean().abs() < 0.01


@pytest.mark.parametrize("short_side", [96, None])
def test_geometry_keeps_rgb_thermal_and_label_aligned_to_the_pixel(short_side: int | None) -> None:
    sample = _disk_sample()
    offsets = []
    for seed in range(40):
        out = _augment(sample, seed, short_side, **EVERY_GEOMETRY)
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
    changed = _augment(sample, **RGB_CHANGES)
    assert torch.equal(plain["thermal"], changed["thermal"])
    assert torch.equal(plain["label"], changed["label"])
    assert (plain["rgb"] - changed["rgb"]).abs().mean() > 0.1


def test_thermal_changes_leave_rgb_and_label_untouched() -> None:
    sample = _noise_sample()
    plain = _augment(sample)
    changed = _augment(sample, **THERMAL_CHANGES)
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


def test_padding_is_ignored_and_missing_to_the_network() -> None:
    out = _augment(_noise_sample(), crop_height=128, crop_width=128, **RGB_CHANGES, **THERMAL_CHANGES)
    padded = out["label"] == UNLABELED
    assert padded.sum() == (128 - 96) * 128
    assert not out["rgb"][:, padded].any()
    assert not out["thermal"][:, padded].any()


def test_uint16_thermal_is_normalised_like_in_service() -> None:
    sample = _noise_sample()
    deep = dataclasses.replace(sample, thermal=sample.thermal.astype(np.uint16) * 20 + 7000)
    out = _augment(deep)
    assert out["thermal"].min() == 0.0
    assert out["thermal"].max() == 1.0
    assert out["thermal"].std() > 0.2


def test_holes_stay_missing_through_every_change() -> None:
    sample = _noise_sample()
    valid = np.ones((96, 128), bool)
    valid[20:50, 30:80] = False
    # What is under a hole must not reach the network, not even mixed into its neighbours.
    poisoned = dataclasses.replace(
        sample,
        thermal=np.where(valid, 100, 255).astype(np.uint8),
        thermal_valid=valid,
        label=valid.astype(np.uint8),
    )
    scaling = InputScaling(thermal_mean=0.5, thermal_std=0.25)
    for seed in range(10):
        config = dataclasses.replace(
            NOTHING, crop_height=160, crop_width=224, min_scale=0.6, max_scale=2.0, flip=0.5
        )
        thermal = _change(poisoned, config, seed, scaling=scaling)["thermal"][0]
        known = torch.tensor((100 / 255 - 0.5) / 0.25)
        assert torch.all((thermal == 0.0) | torch.isclose(thermal, known, atol=1e-3))
        config = dataclasses.replace(config, **THERMAL_CHANGES)
        out = _change(poisoned, config, seed, scaling=scaling)
        assert (out["label"] == 0).any()
        assert not out["thermal"][:, out["label"] == 0].any()
        assert out["thermal"][:, out["label"] == 1].any()


def test_holes_do_not_count_in_the_range_of_raw_thermal() -> None:
    ramp = np.arange(96 * 128, dtype=np.uint16).reshape(96, 128) + 7000
    holes = np.zeros((96, 128), bool)
    holes[:, :20] = True
    sample = dataclasses.replace(
        _noise_sample(), thermal=np.where(holes, 0, ramp).astype(np.uint16), thermal_valid=~holes
    )
    thermal = _augment(sample)["thermal"][0]
    assert not thermal[:, :20].any()
    assert thermal[0, 40] < 0.02
    assert thermal[-1, 40] > 0.98


def test_stripes_are_the_same_down_each_column() -> None:
    sample = dataclasses.replace(_noise_sample(), thermal=np.full((96, 128), 128, np.uint8))
    thermal = _augment(sample, thermal_stripes=0.05)["thermal"][0]
    assert torch.equal(thermal, thermal[:1].expand_as(thermal))
    assert 0.001 < thermal[0].std() < 0.05


@pytest.mark.parametrize(
    ("height", "width", "crop"), [(480, 640, (480, 640)), (720, 1280, (960, 960)), (600, 800, (1024, 1024))]
)
def test_recipe_of_the_paper_makes_crops_of_its_size(height: int, width: int, crop: tuple[int, int]) -> None:
    config = AugmentConfig(crop_height=crop[0], crop_width=crop[1])
    image = np.full((height, width), 7, np.uint8)
    for seed in range(6):
        out = _change(Sample("plain", np.dstack([image] * 3), image, image), config, seed)
        assert out["rgb"].shape == out["thermal"].shape == (3, *crop)
        assert out["label"].shape == crop
        assert set(out["label"].unique().tolist()) <= {7, UNLABELED}


def test_focus_lays_crops_around_pixels_of_the_rare_class() -> None:
    sample = _disk_sample()
    corner = np.zeros_like(sample.label)
    corner[180:184, 4:8] = 5
    sample = dataclasses.replace(sample, label=corner)
    crop = {"crop_height": 48, "crop_width": 64}
    always = [(_augment(sample, seed, focus=1.0, **crop)["label"] == 5).any() for seed in range(20)]
    never = [(_augment(sample, seed, **crop)["label"] == 5).any() for seed in range(20)]
    assert all(always)
    assert sum(never) < 8


def test_focus_takes_any_crop_where_there_is_nothing_to_find() -> None:
    sample = dataclasses.replace(_disk_sample(), label=np.zeros((192, 256), np.uint8))
    out = _augment(sample, focus=1.0, crop_height=48, crop_width=64)
    assert not out["label"].any()
    assert out["label"].shape == (48, 64)


def test_gain_control_spreads_a_dark_thermal_image_over_the_greys() -> None:
    dark = dataclasses.replace(
        _noise_sample(), thermal=np.random.default_rng(0).integers(10, 40, (96, 128), np.uint8)
    )
    for seed in range(10):
        spread = _augment(dark, seed, thermal_agc=1.0)["thermal"][0]
        low, high = spread.quantile(torch.tensor([0.01, 0.99])).tolist()
        assert 0.0 <= low <= 0.41
        assert 0.59 <= high <= 1.0
        order = np.argsort(dark.thermal.ravel(), kind="stable")
        assert (np.diff(spread.ravel().numpy()[order]) >= -1e-6).all()


def test_smoke_is_grey_and_hides_from_a_little_to_all_of_the_colour() -> None:
    red = np.zeros((96, 128, 3), np.uint8)
    red[..., 0] = 255
    sample = Sample("red", red, red[..., 0], red[..., 1])
    mean, std = (
        torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    shares = []
    for seed in range(60):
        seen = (_augment(sample, seed, smoke=1.0)["rgb"] * std + mean) * 255.0
        torch.testing.assert_close(seen[1], seen[2], atol=1e-3, rtol=0.0)
        assert (seen[0] >= seen[1] - 1e-3).all()
        shares.append(float((seen[0] - seen[1]).mean()) / 255)
    assert min(shares) < 0.1
    assert max(shares) > 0.9


def test_blur_of_a_fixed_width_is_that_of_its_kernel() -> None:
    """A bright point becomes the kernel: 3x3 with a standard deviation of 0.8 pixels."""
    rgb = np.zeros((96, 128, 3), np.uint8)
    rgb[48, 64] = 255
    sample = Sample("point", rgb, rgb[..., 0] + 1, rgb[..., 0])
    config = dataclasses.replace(NOTHING, blur=1.0, blur_size=3, blur_sigma=0.8)
    seen = _pixel_values(_change(sample, config)["rgb"])
    line = torch.exp(-(torch.tensor([-1.0, 0.0, 1.0]) ** 2) / (2 * 0.8**2))
    line = line / line.sum()
    assert torch.allclose(seen[47:50, 63:66], 255 * torch.outer(line, line), atol=0.6)
    assert seen.sum() == pytest.approx(255, abs=6)


def test_black_hot_thermal_is_turned_round_and_its_padding_is_not() -> None:
    sample = _noise_sample()
    plain = _augment(sample, crop_height=128)["thermal"][0]
    negative = _augment(sample, crop_height=128, thermal_negative=1.0)["thermal"][0]
    inside = plain > 0.0
    torch.testing.assert_close(negative[inside], 1.0 - plain[inside])
    assert inside.sum() == 96 * 128
    assert not negative[~inside].any()


def test_what_becomes_of_a_sample_does_not_depend_on_the_others_in_its_batch() -> None:
    changes = {**EVERY_GEOMETRY, **RGB_CHANGES, **THERMAL_CHANGES, "drop_rgb": 0.3}
    config = dataclasses.replace(NOTHING, **changes)  # type: ignore[arg-type]
    augment = Augmentation(config, SCALING, torch.device("cpu"))
    samples = [_noise_sample(), _disk_sample(), _one_pattern_sample(3)]
    together = augment(_batch(samples, config, seed=4))
    for i, sample in enumerate(samples):
        alone = augment(_batch([sample], config, seed=4))
        for name in ("rgb", "thermal", "label"):
            torch.testing.assert_close(together[name][i], alone[name][0])
