from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rgbt_seg_ros.classes import MFNET
from rgbt_seg_ros.errors import UserError
from training.config import DataConfig
from training.datasets import (
    KeptInMemory,
    MfnetDataset,
    MsrsDataset,
    RenderedScenes,
    Sample,
    TrainingStream,
    open_dataset,
    training_sources,
    validation_source,
)

MSRS_FOLDERS = ("vi", "ir", "Segmentation_labels")
NAMES = ("00001D", "00002N")


def _write_msrs(root: Path) -> dict[str, Sample]:
    rng = np.random.default_rng(0)
    samples = {}
    for folder in MSRS_FOLDERS:
        (root / folder).mkdir(parents=True)
    for name in NAMES:
        rgb = rng.integers(0, 256, (12, 16, 3), np.uint8)
        thermal = rng.integers(0, 256, (12, 16), np.uint8)
        label = rng.integers(0, 9, (12, 16), np.uint8)
        label[0] = 255
        for folder, image in zip(MSRS_FOLDERS, (rgb, thermal, label), strict=True):
            Image.fromarray(image).save(root / folder / f"{name}.png")
        samples[name] = Sample(name, rgb, thermal, label)
    (root / "train.txt").write_text("\n".join(NAMES))
    return samples


def _assert_equal(sample: Sample, expected: Sample) -> None:
    assert sample.name == expected.name
    for field in ("rgb", "thermal", "label"):
        np.testing.assert_array_equal(getattr(sample, field), getattr(expected, field))
        assert getattr(sample, field).dtype == np.uint8


def test_msrs_layout_gives_what_is_in_the_files(tmp_path: Path) -> None:
    written = _write_msrs(tmp_path)
    dataset = MsrsDataset(tmp_path, "train")
    assert [dataset[i].name for i in range(len(dataset))] == list(NAMES)
    for i, name in enumerate(NAMES):
        _assert_equal(dataset[i], written[name])


def test_mfnet_layout_splits_its_fourth_channel_off(tmp_path: Path) -> None:
    written = _write_msrs(tmp_path / "msrs")
    root = tmp_path / "mfnet"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for name, sample in written.items():
        Image.fromarray(np.dstack([sample.rgb, sample.thermal])).save(root / "images" / f"{name}.png")
        Image.fromarray(sample.label).save(root / "labels" / f"{name}.png")
    (root / "val.txt").write_text("\n".join(NAMES))
    dataset = MfnetDataset(root, "val")
    for i, name in enumerate(NAMES):
        _assert_equal(dataset[i], written[name])


@pytest.mark.parametrize(
    ("name", "folder", "split", "count"),
    [("msrs", "msrs70", "train", 52), ("msrs", "msrs70", "val", 18), ("mfnet", "mfnet", "test", 2)],
)
def test_real_samples_load(samples: Path, name: str, folder: str, split: str, count: int) -> None:
    dataset = open_dataset(name, samples / folder, split)
    assert len(dataset) == count
    sample = dataset[count - 1]
    assert sample.rgb.shape == (480, 640, 3)
    assert sample.thermal.shape == sample.label.shape == (480, 640)
    assert sample.name[-1] in "DN"


def test_wrong_root_says_what_was_expected_and_found(tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    with pytest.raises(UserError) as error:
        MsrsDataset(tmp_path, "train")
    assert f"expected {tmp_path / 'vi'} or {tmp_path / 'train/vi'}, found rgb" in str(error.value)
    with pytest.raises(UserError, match="found nothing"):
        MsrsDataset(tmp_path / "nowhere", "train")


def test_wrong_split_or_name_or_no_root_is_said(tmp_path: Path) -> None:
    _write_msrs(tmp_path)
    with pytest.raises(UserError, match=r"expected .*test\.txt"):
        MsrsDataset(tmp_path, "test")
    with pytest.raises(
        UserError, match="there is no data set 'cityscapes': choose one of mfnet, pst900, fmb, msrs"
    ):
        open_dataset("cityscapes", tmp_path, "train")
    with pytest.raises(UserError, match=r"data\.root"):
        open_dataset("msrs", None, "train")


def test_missing_file_is_named_at_once(tmp_path: Path) -> None:
    _write_msrs(tmp_path)
    (tmp_path / "ir/00002N.png").unlink()
    with pytest.raises(UserError, match=r"ir/00002N\.png is missing"):
        MsrsDataset(tmp_path, "train")


@pytest.mark.parametrize("folder", MSRS_FOLDERS)
def test_truncated_image_is_named(tmp_path: Path, folder: str) -> None:
    _write_msrs(tmp_path)
    path = tmp_path / folder / "00002N.png"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(UserError) as error:
        MsrsDataset(tmp_path, "train")[1]
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_label_id_is_named_with_its_file(tmp_path: Path) -> None:
    _write_msrs(tmp_path)
    path = tmp_path / "Segmentation_labels/00001D.png"
    label = np.array(Image.open(path))
    label[3, 4] = 9
    Image.fromarray(label).save(path)
    with pytest.raises(
        UserError, match=r"00001D\.png has label id 9, but its data set has ids 0 to 8 and 255"
    ):
        MsrsDataset(tmp_path, "train")[0]


def test_label_of_another_size_is_named(tmp_path: Path) -> None:
    _write_msrs(tmp_path)
    path = tmp_path / "Segmentation_labels/00001D.png"
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(path)
    with pytest.raises(UserError, match=r"00001D\.png is 8x6 pixels, but its RGB image is 16x12"):
        MsrsDataset(tmp_path, "train")[0]


def test_rendered_validation_scenes_are_none_of_the_training_scenes() -> None:
    config = DataConfig(
        name="scenes", rendered_stills=3, rendered_val=2, rendered_height=48, rendered_width=64
    )
    real, training = training_sources(config)
    validation = validation_source(config)
    assert real is None
    assert (len(training), len(validation)) == (3, 2)
    assert not {training[i].name for i in range(3)} & {validation[i].name for i in range(2)}
    sample = training[0]
    assert sample.rgb.shape == (48, 64, 3)
    assert set(np.unique(sample.label)) <= {*range(len(MFNET.names)), 255}


def test_kept_samples_are_made_once() -> None:
    source = KeptInMemory(RenderedScenes(2, (48, 64)))
    assert source[1] is source[1]


def _stream(share: tuple[float, float], seed: int = 0, length: int = 40) -> TrainingStream:
    def name_and_noise(sample: Sample) -> dict[str, torch.Tensor]:
        return {"name": torch.tensor([ord(letter) for letter in sample.name]), "noise": torch.rand(3)}

    image = np.zeros((2, 2), np.uint8)
    real = [Sample(f"r{i}", np.zeros((2, 2, 3), np.uint8), image, image) for i in range(5)]
    rendered = [Sample(f"s{i}", np.zeros((2, 2, 3), np.uint8), image, image) for i in range(5)]
    return TrainingStream(real, rendered, share, name_and_noise, length, seed)


def test_stream_sample_depends_on_seed_and_number_alone() -> None:
    first, second = _stream((0.5, 0.5)), _stream((0.5, 0.5))
    forward = [first[k] for k in range(40)]
    torch.manual_seed(99)
    for k in reversed(range(40)):
        assert torch.equal(forward[k]["name"], second[k]["name"])
        assert torch.equal(forward[k]["noise"], second[k]["noise"])
    other = _stream((0.5, 0.5), seed=1)
    assert any(not torch.equal(forward[k]["noise"], other[k]["noise"]) for k in range(40))


def test_stream_leaves_the_training_process_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    _stream((0.5, 0.5))[0]
    assert torch.equal(torch.rand(2), expected)


def test_stream_mixes_by_its_share() -> None:
    def rendered_share(stream: TrainingStream, numbers: range) -> float:
        return sum(chr(stream[k]["name"][0]) == "s" for k in numbers) / len(numbers)

    assert rendered_share(_stream((0.0, 0.0)), range(40)) == 0.0
    assert rendered_share(_stream((1.0, 1.0)), range(40)) == 1.0
    fading = _stream((1.0, 0.0), length=400)
    assert rendered_share(fading, range(100)) > 0.75
    assert rendered_share(fading, range(300, 400)) < 0.25
