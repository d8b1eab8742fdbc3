import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import FMB, MFNET, PST900
from training.config.schema import DataConfig
from training.data.files import read_rgb, read_rgb_and_thermal, read_thermal
from training.data.on_disk import FmbDataset, MfnetDataset, MsrsDataset, Pst900Dataset
from training.data.sample import Sample, subset_of
from training.data.sources import (
    KeptInMemory,
    RenderedScenes,
    class_set_of,
    open_dataset,
    training_sources,
    validation_source,
)
from training.data.validation_lists import choose_validation_names, committed_list

NAMES = ("00001D", "00002N")
MSRS_FOLDERS = ("vi", "ir", "Segmentation_labels")
SIZE = (12, 16)


def _random_sample(name: str, class_count: int = 9) -> Sample:
    rng = np.random.default_rng(list(name.encode()))
    label = rng.integers(0, class_count, SIZE, np.uint8)
    label[0] = 255
    return Sample(
        name, rng.integers(0, 256, (*SIZE, 3), np.uint8), rng.integers(1, 256, SIZE, np.uint8), label
    )


def _write(folder: Path, name: str, image: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(folder / f"{name}.png")


def _write_triplet(root: Path, folders: tuple[str, str, str], sample: Sample) -> None:
    for folder, image in zip(folders, (sample.rgb, sample.thermal, sample.label), strict=True):
        _write(root / folder, sample.name, image)


def _write_msrs(root: Path) -> dict[str, Sample]:
    samples = {name: _random_sample(name) for name in NAMES}
    for sample in samples.values():
        _write_triplet(root, MSRS_FOLDERS, sample)
    (root / "train.txt").write_text("\n".join(NAMES))
    return samples


def _write_halves(
    root: Path, folders: tuple[str, str, str], train: list[str], test: list[str]
) -> dict[str, Sample]:
    samples = {name: _random_sample(name, 4) for name in (*train, *test)}
    for half, names in (("train", train), ("test", test)):
        for name in names:
            _write_triplet(root / half, folders, samples[name])
    return samples


def _assert_equal(sample: Sample, expected: Sample) -> None:
    assert sample.name == expected.name
    for field in ("rgb", "thermal", "label"):
        np.testing.assert_array_equal(getattr(sample, field), getattr(expected, field))
        assert getattr(sample, field).dtype == np.uint8


def test_msrs_with_lists_gives_what_is_in_the_files(tmp_path: Path) -> None:
    written = _write_msrs(tmp_path)
    dataset = MsrsDataset(tmp_path, "train")
    assert [dataset[i].name for i in range(len(dataset))] == list(NAMES)
    for i, name in enumerate(NAMES):
        _assert_equal(dataset[i], written[name])
        assert dataset[i].thermal_valid is None


def test_whole_msrs_lies_in_two_halves(tmp_path: Path) -> None:
    written = _write_halves(tmp_path, MSRS_FOLDERS, ["00003D", "00004N"], ["00005N"])
    dataset = open_dataset("msrs", tmp_path, "test")
    assert dataset.names == ("00005N",)
    _assert_equal(dataset[0], written["00005N"])
    assert open_dataset("msrs", tmp_path, "train_all").names == ("00003D", "00004N")
    assert open_dataset("msrs", tmp_path, "train_all_day").names == ("00003D",)
    assert open_dataset("msrs", tmp_path, "test_night").names == ("00005N",)


def test_mfnet_splits_its_fourth_channel_off(tmp_path: Path) -> None:
    sample = _random_sample("00001D")
    _write(tmp_path / "images", sample.name, np.dstack([sample.rgb, sample.thermal]))
    _write(tmp_path / "labels", sample.name, sample.label)
    (tmp_path / "val.txt").write_text("00001D\n")
    _assert_equal(MfnetDataset(tmp_path, "val")[0], sample)


def test_mfnet_in_separate_files_is_recognised(tmp_path: Path) -> None:
    sample = _random_sample("00002N")
    _write_triplet(tmp_path, ("rgb", "ther", "labels"), sample)
    (tmp_path / "test.txt").write_text("00002N\n")
    _assert_equal(MfnetDataset(tmp_path, "test")[0], sample)


def test_day_and_night_come_from_the_names_or_from_own_lists(tmp_path: Path) -> None:
    for name in ("00001D", "00002N", "00003N"):
        _write_triplet(tmp_path, ("rgb", "ther", "labels"), _random_sample(name))
    (tmp_path / "test.txt").write_text("00001D 00002N 00003N")
    assert MfnetDataset(tmp_path, "test_day").names == ("00001D",)
    assert MfnetDataset(tmp_path, "test_night").names == ("00002N", "00003N")
    (tmp_path / "test_night.txt").write_text("00003N")
    assert MfnetDataset(tmp_path, "test_night").names == ("00003N",)


def test_subset_is_told_by_names_of_a_number_and_a_letter() -> None:
    assert (subset_of("00123D"), subset_of("01234N")) == ("day", "night")
    assert subset_of("31_bag1a_rect_rgb_frame0000000007") is None
    assert subset_of("sceneN") is None
    assert subset_of("00001") is None
    assert subset_of("") is None


def test_pst900_thermal_holes_are_missing(tmp_path: Path) -> None:
    sample = _random_sample("a", 5)
    sample.thermal[3:6, 4:9] = 0
    _write_triplet(tmp_path / "test", ("rgb", "thermal", "labels"), sample)
    loaded = Pst900Dataset(tmp_path, "test")[0]
    _assert_equal(loaded, sample)
    assert loaded.thermal_valid is not None
    np.testing.assert_array_equal(loaded.thermal_valid, sample.thermal != 0)
    assert (~loaded.thermal_valid).sum() == 15


def test_pst900_gives_raw_thermal_where_it_is_asked_for(tmp_path: Path) -> None:
    sample = _random_sample("a", 5)
    raw = sample.thermal.astype(np.uint16) * 200
    raw[2, 2] = 0
    _write_triplet(tmp_path / "test", ("rgb", "thermal", "labels"), sample)
    with pytest.raises(UserError, match=r"expected .*test/thermal_raw, found labels, rgb, thermal in .*test"):
        open_dataset("pst900", tmp_path, "test", "16bit")
    _write(tmp_path / "test/thermal_raw", "a", raw)
    loaded = open_dataset("pst900", tmp_path, "test", "16bit")[0]
    assert loaded.thermal.dtype == np.uint16
    np.testing.assert_array_equal(loaded.thermal, raw)
    assert loaded.thermal_valid is not None
    assert not loaded.thermal_valid[2, 2]
    _assert_equal(open_dataset("pst900", tmp_path, "test")[0], sample)
    with pytest.raises(UserError, match="MFNet has no thermal images of '16bit'"):
        open_dataset("mfnet", tmp_path, "test", "16bit")
    with pytest.raises(UserError, match="PST900 has no thermal images of 'raw'"):
        open_dataset("pst900", tmp_path, "test", "raw")


def test_configuration_chooses_raw_thermal(tmp_path: Path) -> None:
    sample = _random_sample("a", 5)
    raw = dataclasses.replace(sample, thermal=sample.thermal.astype(np.uint16) * 200)
    for half in ("train", "test"):
        _write_triplet(tmp_path / half, ("rgb", "thermal_raw", "labels"), raw)
    config = DataConfig(name="pst900", root=str(tmp_path), val_split="test", thermal="16bit")
    real, _ = training_sources(config)
    assert real is not None
    assert real[0].thermal.dtype == validation_source(config)[0].thermal.dtype == np.uint16


def test_fmb_ids_start_at_its_first_class_and_thermal_has_one_channel(tmp_path: Path) -> None:
    sample = _random_sample("00001")
    file_ids = np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE) % 15
    file_ids[1, 1] = 255
    _write(tmp_path / "train/Visible", "00001", sample.rgb)
    _write(tmp_path / "train/Infrared", "00001", np.dstack([sample.thermal] * 3))
    _write(tmp_path / "train/Label", "00001", file_ids)
    loaded = FmbDataset(tmp_path, "train_all")[0]
    expected = np.where((file_ids == 0) | (file_ids == 255), 255, file_ids - 1)
    _assert_equal(loaded, dataclasses.replace(sample, label=expected))
    assert set(np.unique(loaded.label)) == {*range(14), 255}
    assert FMB.names[loaded.label[0, 1]] == "road"
    assert FMB.names[loaded.label[0, 14]] == "pole"


def test_coloured_thermal_image_is_refused(tmp_path: Path) -> None:
    sample = _random_sample("00001")
    _write_triplet(
        tmp_path / "test", ("Visible", "Infrared", "Label"), dataclasses.replace(sample, thermal=sample.rgb)
    )
    with pytest.raises(UserError, match=r"Infrared/00001\.png is not a thermal image \(mode RGB\)"):
        FmbDataset(tmp_path, "test")[0]


def _painted(thermal: np.ndarray, colormap: int) -> np.ndarray:
    """RGB."""
    return np.ascontiguousarray(cv2.applyColorMap(thermal, colormap)[..., ::-1])


@pytest.mark.parametrize("colormap", [cv2.COLORMAP_JET, cv2.COLORMAP_INFERNO, cv2.COLORMAP_HOT])
@pytest.mark.parametrize("alpha", [False, True])
def test_false_colours_are_undone(tmp_path: Path, colormap: int, alpha: bool) -> None:
    thermal = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    painted = _painted(thermal, colormap)
    if alpha:
        painted = np.dstack([painted, np.full(thermal.shape, 255, np.uint8)])
    _write(tmp_path, "painted", painted)
    np.testing.assert_array_equal(read_thermal(tmp_path / "painted.png"), thermal)
    brightness = read_thermal(tmp_path / "painted.png", "none")
    np.testing.assert_array_equal(brightness, cv2.cvtColor(_painted(thermal, colormap), cv2.COLOR_RGB2GRAY))
    with pytest.raises(
        UserError, match=r"painted\.png is not .* in the colours of rainbow: set data\.thermal_palette"
    ):
        read_thermal(tmp_path / "painted.png", "rainbow")


def test_indexed_colours_are_read(tmp_path: Path) -> None:
    thermal = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    indexed = Image.fromarray(thermal)
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    indexed.putpalette(_painted(ramp, cv2.COLORMAP_INFERNO).tobytes())
    indexed.save(tmp_path / "indexed.png")
    np.testing.assert_array_equal(read_thermal(tmp_path / "indexed.png"), thermal)


@pytest.mark.parametrize("palette", ["auto", "jet", "none"])
def test_the_configured_palette_is_every_samples(tmp_path: Path, palette: str) -> None:
    thermal = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    rgb, label = np.full((48, 64, 3), 90, np.uint8), np.zeros((48, 64), np.uint8)
    painted = _painted(thermal, cv2.COLORMAP_JET)
    for half in ("train", "test"):
        for folder, image in zip(MSRS_FOLDERS, (rgb, painted, label), strict=True):
            _write(tmp_path / half / folder, "00001D", image)
    config = DataConfig(
        name="msrs",
        root=str(tmp_path),
        train_split="train_all",
        val_split="test",
        thermal_palette=palette,
    )
    real, _ = training_sources(config)
    assert real is not None
    expected = cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY) if palette == "none" else thermal
    for source in (real, validation_source(config)):
        np.testing.assert_array_equal(source[0].thermal, expected)
        assert source[0].thermal_valid is None


def test_overlays_on_false_colours_are_holes(tmp_path: Path) -> None:
    thermal = np.tile(np.linspace(1, 255, 128).astype(np.uint8), (96, 1))
    thermal[90:, :3] = 0
    painted = _painted(thermal, cv2.COLORMAP_INFERNO)
    painted[:8] = (80, 200, 80)
    images = (np.full((96, 128, 3), 90, np.uint8), painted, np.zeros((96, 128), np.uint8))
    for folder, image in zip(("rgb", "thermal", "labels"), images, strict=True):
        _write(tmp_path / "test" / folder, "a", image)
    valid = Pst900Dataset(tmp_path, "test")[0].thermal_valid
    assert valid is not None
    assert not valid[:8].any()
    assert not valid[90:, :3].any()
    assert valid.sum() == valid.size - 8 * 128 - 18


def test_an_alpha_channel_is_not_taken_for_thermal(tmp_path: Path) -> None:
    rgb = _random_sample("00001D").rgb
    _write(tmp_path, "opaque", np.dstack([rgb, np.full(SIZE, 255, np.uint8)]))
    _write(tmp_path, "four", np.dstack([rgb, _random_sample("00001D").thermal]))
    np.testing.assert_array_equal(read_rgb(tmp_path / "opaque.png"), rgb)
    with pytest.raises(UserError, match=r"opaque\.png has an alpha channel, not thermal"):
        read_rgb_and_thermal(tmp_path / "opaque.png")
    with pytest.raises(UserError, match=r"four\.png has a fourth channel that is no opaque alpha channel"):
        read_rgb(tmp_path / "four.png")
    # As thermal alone it is what `segment` takes it for.
    np.testing.assert_array_equal(read_thermal(tmp_path / "four.png"), _random_sample("00001D").thermal)
    np.testing.assert_array_equal(
        read_rgb_and_thermal(tmp_path / "four.png")[1], _random_sample("00001D").thermal
    )


def test_halves_have_a_tenth_of_train_for_validation(tmp_path: Path) -> None:
    names = [f"{i:05d}" for i in range(1, 41)]
    _write_halves(tmp_path, MSRS_FOLDERS, names, ["00099"])
    splits = {
        split: set(MsrsDataset(tmp_path, split).names) for split in ("train", "val", "train_all", "test")
    }
    assert len(splits["val"]) == 4
    assert splits["train"] | splits["val"] == splits["train_all"] == set(names)
    assert not splits["train"] & splits["val"]
    assert splits["test"] == {"00099"}


def test_shipped_validation_list_wins(tmp_path: Path) -> None:
    names = ["00007", "00008", "00009", "00014", "00018"]
    _write_halves(tmp_path, ("Visible", "Infrared", "Label"), names, [])
    assert FmbDataset(tmp_path, "val").names == ("00008", "00014", "00018")
    assert FmbDataset(tmp_path, "train").names == ("00007", "00009")


def test_few_images_are_validated_on_themselves_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write_halves(tmp_path, MSRS_FOLDERS, ["00001D", "00002N"], [])
    validation = MsrsDataset(tmp_path, "val")
    (message,) = caplog.messages
    assert f"{tmp_path / 'train/vi'} holds too few images" in message
    assert message.endswith("val is the images of train")
    assert validation.names == MsrsDataset(tmp_path, "train").names == ("00001D", "00002N")


def test_part_without_a_listed_validation_image_follows_the_rule(tmp_path: Path) -> None:
    names = [f"part{i}" for i in range(10)]
    _write_halves(tmp_path, ("Visible", "Infrared", "Label"), names, [])
    assert FmbDataset(tmp_path, "val").names == choose_validation_names(names)
    assert len(FmbDataset(tmp_path, "train")) == 9


def test_split_without_an_image_is_said(tmp_path: Path) -> None:
    _write_halves(tmp_path, MSRS_FOLDERS, ["00001D"], [])
    for folder in MSRS_FOLDERS:
        (tmp_path / "test" / folder).mkdir(parents=True)
    with pytest.raises(UserError, match=f"the split test of {tmp_path} holds no image"):
        MsrsDataset(tmp_path, "test")
    with pytest.raises(UserError, match="the split train_all_night of"):
        MsrsDataset(tmp_path, "train_all_night")


@pytest.mark.parametrize(
    ("name", "folder", "split", "count", "size"),
    [
        ("msrs", "msrs70", "train", 52, (480, 640)),
        ("msrs", "msrs70", "val", 18, (480, 640)),
        ("mfnet", "mfnet", "test", 2, (480, 640)),
        ("mfnet", "mfnet", "test_day", 1, (480, 640)),
        ("pst900", "pst900", "train", 1, (720, 1280)),
        ("pst900", "pst900", "test", 1, (720, 1280)),
    ],
)
def test_real_samples_load(
    samples: Path, name: str, folder: str, split: str, count: int, size: tuple[int, int]
) -> None:
    dataset = open_dataset(name, samples / folder, split)
    assert len(dataset) == count
    sample = dataset[count - 1]
    assert sample.rgb.shape == (*size, 3)
    assert sample.thermal.shape == sample.label.shape == size == dataset.size
    assert set(np.unique(sample.label)) <= {*range(len(dataset.classes.names)), 255}
    assert (sample.thermal_valid is not None) == (name == "pst900")


def test_fmb_with_15_classes_keeps_the_ids_of_the_files(tmp_path: Path) -> None:
    label = np.arange(15, dtype=np.uint8).repeat(13)[: 12 * 16].reshape(SIZE)
    label[-1] = 255
    blank = _random_sample("00001")
    _write_triplet(
        tmp_path / "train", ("Visible", "Infrared", "Label"), dataclasses.replace(blank, label=label)
    )
    fifteen, fourteen = (open_dataset(name, tmp_path, "train_all") for name in ("fmb15", "fmb"))
    assert fifteen.classes.names == ("background", *fourteen.classes.names)
    assert np.array_equal(fifteen[0].label, label)
    ignored = (label == 0) | (label == 255)
    assert np.array_equal(fourteen[0].label, np.where(ignored, 255, label - 1))


def test_both_ways_to_count_fmb_validate_on_the_same_images() -> None:
    assert committed_list("fmb15") == committed_list("fmb") is not None


def test_real_thermal_image_has_few_holes(samples: Path) -> None:
    valid = open_dataset("pst900", samples / "pst900", "test")[0].thermal_valid
    assert valid is not None
    assert 0.9 < valid.mean() < 0.99


def test_classes_belong_to_the_data_set() -> None:
    expected = {"mfnet": MFNET, "msrs": MFNET, "scenes": MFNET, "pst900": PST900, "fmb": FMB}
    assert {name: class_set_of(name) for name in expected} == expected
    with pytest.raises(UserError, match="there is no data set 'kaist'"):
        class_set_of("kaist")


@pytest.mark.parametrize("key", ["rendered_share", "rendered_share_end"])
def test_rendered_scenes_are_not_mixed_with_other_classes(samples: Path, key: str) -> None:
    plain = DataConfig(name="pst900", root=str(samples / "pst900"), train_split="train_all")
    assert training_sources(plain)[0] is not None
    with pytest.raises(UserError, match="MFNet's classes, which are not pst900's: set"):
        training_sources(dataclasses.replace(plain, **{key: 0.1}))  # type: ignore[arg-type]


def test_wrong_root_says_what_was_expected_and_found(tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    with pytest.raises(UserError) as error:
        MsrsDataset(tmp_path, "train")
    assert f"expected {tmp_path / 'vi'} or {tmp_path / 'train/vi'}, found rgb" in str(error.value)
    with pytest.raises(UserError, match="found nothing"):
        MsrsDataset(tmp_path / "nowhere", "train")


def test_nearest_layout_says_what_it_misses(tmp_path: Path) -> None:
    for folder in ("rgb", "ther"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError) as error:
        MfnetDataset(tmp_path, "train")
    assert f"not the MFNet layout: expected {tmp_path / 'labels'}, found rgb, ther" in str(error.value)
    (tmp_path / "test/Visible").mkdir(parents=True)
    with pytest.raises(UserError) as error:
        FmbDataset(tmp_path, "test")
    assert f"expected {tmp_path / 'test/Infrared'}, found Visible in {tmp_path / 'test'}" in str(error.value)


def test_wrong_split_or_name_or_no_root_is_said(tmp_path: Path) -> None:
    _write_msrs(tmp_path)
    with pytest.raises(UserError, match=r"no list of the split test: expected .*test\.txt, found"):
        MsrsDataset(tmp_path, "test")
    with pytest.raises(
        UserError, match="there is no data set 'cityscapes': choose one of mfnet, pst900, fmb, fmb15, msrs"
    ):
        open_dataset("cityscapes", tmp_path, "train")
    with pytest.raises(UserError, match=r"data\.root"):
        open_dataset("msrs", None, "train")
    _write_halves(tmp_path / "fmb", ("Visible", "Infrared", "Label"), ["a"], ["b"])
    with pytest.raises(
        UserError, match="FMB has no split 'validation': choose train, val, train_all or test"
    ):
        FmbDataset(tmp_path / "fmb", "validation")


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
    assert f"{path} cannot be read" in str(error.value)
    assert "\n" not in str(error.value)


def test_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    _write_msrs(tmp_path)
    (tmp_path / "vi/00001D.png").write_text("<html>quota exceeded</html>")
    with pytest.raises(UserError, match=r"vi/00001D\.png cannot be read"):
        MsrsDataset(tmp_path, "train")[0]


def test_unknown_label_id_is_named_with_its_file(tmp_path: Path) -> None:
    written = _write_msrs(tmp_path)
    label = written["00001D"].label.copy()
    label[3, 4] = 9
    _write(tmp_path / "Segmentation_labels", "00001D", label)
    with pytest.raises(
        UserError, match=r"00001D\.png has label id 9, but its data set has ids 0 to 8 and 255"
    ):
        MsrsDataset(tmp_path, "train")[0]
    _write_halves(tmp_path / "fmb", ("Visible", "Infrared", "Label"), [], ["b"])
    _write(tmp_path / "fmb/test/Label", "b", np.full(SIZE, 15, np.uint8))
    with pytest.raises(UserError, match=r"b\.png has label id 15, but its data set has ids 0 to 14 and 255"):
        FmbDataset(tmp_path / "fmb", "test")[0]


def test_label_in_colours_or_of_16_bits_is_refused(tmp_path: Path) -> None:
    written = _write_msrs(tmp_path)
    _write(tmp_path / "Segmentation_labels", "00001D", written["00001D"].rgb)
    _write(tmp_path / "Segmentation_labels", "00002N", written["00002N"].label.astype(np.uint16))
    dataset = MsrsDataset(tmp_path, "train")
    with pytest.raises(UserError, match=r"00001D\.png is uint8 \(12, 16, 3\): expected one 8-bit channel"):
        dataset[0]
    with pytest.raises(UserError, match=r"00002N\.png is uint16 \(12, 16\): expected one 8-bit channel"):
        dataset[1]


def test_image_of_another_kind_is_refused(tmp_path: Path) -> None:
    written = _write_msrs(tmp_path)
    _write(tmp_path / "vi", "00001D", written["00001D"].thermal)
    with pytest.raises(UserError, match=r"vi/00001D\.png has mode L: a colour image is expected"):
        MsrsDataset(tmp_path, "train")[0]
    _write(tmp_path / "images", "00001D", written["00001D"].rgb)
    _write(tmp_path / "labels", "00001D", written["00001D"].label)
    with pytest.raises(UserError, match=r"images/00001D\.png has mode RGB: MFNet's images have 4 channels"):
        MfnetDataset(tmp_path, "train_day")[0]


@pytest.mark.parametrize("folder", ["ir", "Segmentation_labels"])
def test_image_of_another_size_is_named(tmp_path: Path, folder: str) -> None:
    _write_msrs(tmp_path)
    _write(tmp_path / folder, "00001D", np.zeros((6, 8), np.uint8))
    with pytest.raises(UserError, match=rf"{folder}/00001D\.png is 8x6 pixels, but its RGB image is 16x12"):
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
