import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from training import inspect_data
from training.data.contact_sheet import choose_images
from training.data.inspection import InspectedImage, inspect
from training.data.on_disk import FmbDataset, MfnetDataset, MsrsDataset, Pst900Dataset
from training.data.validation_lists import choose_validation_names

FOLDERS = ("rgb", "ther", "labels")
SIZE = (480, 640)


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _write_triplet(
    root: Path, folders: tuple[str, str, str], name: str, size: tuple[int, int] = SIZE, value: int = 60
) -> None:
    """Flat images whose label is a quarter person, a quarter ignored and the rest background."""
    label = np.zeros(size, np.uint8)
    label[: size[0] // 2, : size[1] // 2] = 2
    label[size[0] // 2 :, : size[1] // 2] = 255
    images = (np.full((*size, 3), value, np.uint8), np.full(size, 90, np.uint8), label)
    for folder, image in zip(folders, images, strict=True):
        _write(root / folder / f"{name}.png", image)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three sound images of MFNet's second layout, in train, val and test."""
    for i, (split, name) in enumerate({"train": "00001D", "val": "00002N", "test": "00003N"}.items()):
        _write_triplet(tmp_path / "mfnet", FOLDERS, name, value=50 + i)
        (tmp_path / "mfnet" / f"{split}.txt").write_text(f"{name}\n")
    return tmp_path / "mfnet"


def _run(root: Path, *arguments: str, data: str = "mfnet") -> int:
    return inspect_data.main(["--data", data, "--root", str(root), *arguments])


def test_sound_part_of_a_data_set_passes_with_a_warning(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        _run(root, "--json", str(tmp_path / "out/report.json"), "--sheet", str(tmp_path / "out/sheet.png"))
        == 0
    )
    assert "warning: 3 of 1569 images: this is a part of MFNet" in capsys.readouterr().out
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["splits"] == {
        "train": {"images": 1, "known": 784},
        "val": {"images": 1, "known": 392},
        "test": {"images": 1, "known": 393},
    }
    assert (report["images"], report["readable_images"], report["known_images"]) == (3, 3, 1569)
    assert report["sizes"] == {"640x480": 3}
    assert report["classes"]["person"] == {"pixel_share": 0.25, "images": 3}
    assert report["classes"]["background"] == {"pixel_share": 0.5, "images": 3}
    assert report["classes"]["car"] == {"pixel_share": 0.0, "images": 0}
    assert report["ignored_share"] == 0.25
    assert report["problems"] == []
    with Image.open(tmp_path / "out/sheet.png") as sheet:
        assert min(sheet.size) > 600


def test_every_problem_is_listed_and_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "labels/00001D.png").unlink()
    rgb = root / "rgb/00002N.png"
    rgb.write_bytes(rgb.read_bytes()[:-60])
    _write(root / "ther/00002N.png", np.full((*SIZE, 3), (160, 120, 200), np.uint8))
    _write(root / "labels/00003N.png", np.full(SIZE, 9, np.uint8))
    _write(root / "labels/00004N.png", np.zeros(SIZE, np.uint8))
    assert _run(root) == 1
    captured = capsys.readouterr()
    problems = [line for line in captured.out.splitlines() if line.startswith("problem: ")]
    assert len(problems) == 4
    assert f"problem: {root / 'labels/00001D.png'} is missing" in problems
    assert any(f"{rgb} cannot be read" in problem for problem in problems)
    assert any(f"{root / 'ther/00002N.png'} is not a thermal image" in problem for problem in problems)
    assert any(f"{root / 'labels/00003N.png'} has label id 9" in problem for problem in problems)
    assert f"warning: {root / 'labels'} holds 1 file of no sample: 00004N.png" in captured.out
    assert captured.err.strip().endswith(
        f"error: {root} has 4 problems, listed above: mend the files or their description, or copy them again"
    )


def test_false_colours_are_told_and_undone_by_the_option(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.tile(np.linspace(0, 255, SIZE[1]).astype(np.uint8), (SIZE[0], 1))
    for name in ("00001D", "00002N"):
        _write(root / f"ther/{name}.png", cv2.applyColorMap(values, cv2.COLORMAP_JET)[..., ::-1])
    report = tmp_path / "report.json"
    assert _run(root, "--json", str(report), "--sheet", str(tmp_path / "sheet.png")) == 0
    assert json.loads(report.read_text())["thermal_types"] == {"uint8 in false colours (jet)": 2, "uint8": 1}
    assert "thermal: uint8 in false colours (jet), uint8" in capsys.readouterr().out
    assert _run(root, "--thermal-palette", "none") == 0
    assert "false colours" not in capsys.readouterr().out
    assert _run(root, "--thermal-palette", "hot") == 1
    assert (
        "ther/00001D.png is not a thermal image (mode RGB): it is not in the colours of hot"
        in capsys.readouterr().out
    )


def test_wrong_sizes_are_problems(root: Path) -> None:
    _write(root / "ther/00001D.png", np.zeros((240, 320), np.uint8))
    _write(root / "labels/00001D.png", np.zeros((60, 80), np.uint8))
    _write_triplet(root, FOLDERS, "00002N", (96, 128))
    problems = inspect(MfnetDataset, root).problems
    assert len(problems) == 3
    assert f"{root / 'ther/00001D.png'} is 320x240 pixels, but its RGB image is 640x480" in problems[0]
    assert f"{root / 'labels/00001D.png'} is 80x60 pixels, but its RGB image is 640x480" in problems[1]
    assert f"{root / 'rgb/00002N.png'} is 128x96 pixels, but MFNet's images are 640x480" in problems[2]


def test_image_in_train_and_test_is_a_warning(root: Path) -> None:
    for folder in FOLDERS:
        (root / folder / "00003N.png").write_bytes((root / folder / "00001D.png").read_bytes())
    (expected,) = (text for text in inspect(MfnetDataset, root).warnings if "share" in text)
    assert expected.startswith("train and test share 1 image, for instance 00003N")


def test_day_and_night_lists_count_no_image_twice(root: Path) -> None:
    (root / "test_night.txt").write_text("00003N")
    inspection = inspect(MfnetDataset, root)
    assert inspection.splits["test_night"].names == ("00003N",)
    assert len(inspection.samples()) == 3
    assert not inspection.problems


def _image(name: str, *class_ids: int) -> InspectedImage:
    pixels = np.zeros(256, np.int64)
    pixels[list(class_ids)] = 5
    path = Path(name)
    return InspectedImage((path, path, path), SIZE, pixels, "uint8", 0.0, name)


def test_sheet_shows_rare_classes_and_spreads_over_the_rest() -> None:
    images = [_image(f"{i:02d}", 0, 1, 255) for i in range(40)]
    images[7], images[33] = _image("07", 0, 8), _image("33", 0, 1, 2)
    chosen = [int(image.paths[0].name) for image in choose_images(images, 6)]
    assert {7, 33} <= set(chosen)
    assert len(set(chosen)) == 6
    assert chosen == sorted(chosen)
    assert chosen[0] < 10
    assert chosen[-1] > 30
    assert [image.content for image in choose_images(images[:2], 6)] == ["00", "01"]
    assert choose_images([], 6) == []


def test_folder_of_another_layout_fails_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path} has not the MFNet layout: expected {tmp_path / 'images'} or" in error
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    assert _run(tmp_path) == 1
    assert f"has no list of names: expected {tmp_path / 'train.txt'}, found labels" in capsys.readouterr().err
    assert _run(tmp_path, "--thermal", "16bit") == 1
    assert "MFNet has no thermal images of '16bit'" in capsys.readouterr().err


def test_halves_show_a_missing_half_and_files_without_a_partner(tmp_path: Path) -> None:
    folders = ("Visible", "Infrared", "Label")
    for name in ("00001", "00002"):
        _write_triplet(tmp_path / "train", folders, name, (600, 800), value=int(name))
    (tmp_path / "train/Visible/00002.png").unlink()
    (tmp_path / "train/Visible/Thumbs.db").touch()
    inspection = inspect(FmbDataset, tmp_path)
    assert set(inspection.splits) == {"train"}
    assert len(inspection.problems) == 2
    assert f"expected {tmp_path / 'test/Visible'}, found train" in inspection.problems[0]
    assert inspection.problems[1] == f"{tmp_path / 'train/Visible/00002.png'} is missing"
    assert f"{tmp_path / 'train/Visible'} holds 1 file of no sample: Thumbs.db" in inspection.warnings
    pixels = inspection.class_pixels()
    assert pixels[1] == 600 * 800 // 4  # the files' id 2
    assert pixels[255] == 3 * 600 * 800 // 4  # the files' ids 0 and 255


def test_empty_half_is_a_problem(tmp_path: Path) -> None:
    _write_triplet(tmp_path / "train", ("rgb", "thermal", "labels"), "a", (720, 1280))
    for folder in ("rgb", "thermal", "labels"):
        (tmp_path / "test" / folder).mkdir(parents=True)
    assert inspect(Pst900Dataset, tmp_path).problems == ["test holds no image"]


def test_validation_list_is_written_from_all_training_names_alone(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{i:05d}D" for i in range(20)]
    msrs = tmp_path / "msrs"
    for name in names:
        _write_triplet(msrs / "train", ("vi", "ir", "Segmentation_labels"), name)
    _write_triplet(msrs / "test", ("vi", "ir", "Segmentation_labels"), "00099D", value=3)
    path = tmp_path / "lists/val.txt"
    assert _run(msrs, "--write-val-list", str(path), data="msrs") == 1
    assert "all 1083 training images of MSRS, but there are 20" in capsys.readouterr().err
    assert not path.exists()
    assert _run(root, "--write-val-list", str(path)) == 1
    assert "MFNet has a validation split of its own" in capsys.readouterr().err
    monkeypatch.setattr(MsrsDataset, "known_counts", {"train": 20, "test": 1})
    assert _run(msrs, "--write-val-list", str(path), data="msrs") == 0
    assert tuple(path.read_text().split()) == choose_validation_names(names)


def test_complete_data_set_must_hold_its_validation_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for half, name in (("train", "00008"), ("test", "00043")):
        _write_triplet(tmp_path / half, ("Visible", "Infrared", "Label"), name, (600, 800), value=int(name))
    (warning,) = inspect(FmbDataset, tmp_path).warnings
    assert warning == "2 of 1500 images: this is a part of FMB"
    monkeypatch.setattr(FmbDataset, "known_counts", {"train": 1, "test": 1})
    (warning,) = inspect(FmbDataset, tmp_path).warnings
    assert warning.startswith("121 images of ")
    assert warning.endswith("fmb_val.txt are not in train, for instance 00014")
    monkeypatch.setattr(FmbDataset, "known_counts", {"train": 2, "test": 0})
    assert inspect(FmbDataset, tmp_path).warnings == ["test holds 1 image, 0 are known"]


@pytest.mark.parametrize(
    ("data", "folder", "found", "shared"),
    [
        ("msrs", "msrs70", "70 of 1444 images", None),
        ("mfnet", "mfnet", "2 of 1569 images", "01477D"),
        ("pst900", "pst900", "2 of 885 images", "pst900_readme_example"),
    ],
)
def test_real_samples_are_sound_parts(
    samples: Path, tmp_path: Path, data: str, folder: str, found: str, shared: str | None
) -> None:
    assert _run(samples / folder, "--json", str(tmp_path / "report.json"), data=data) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["problems"] == []
    assert report["warnings"][0].startswith(found)
    assert report["readable_images"] == report["images"]
    if shared is None:
        assert len(report["warnings"]) == 1
        assert report["classes"]["car"]["images"] == 37
    else:
        assert f"train and test share 1 image, for instance {shared}" in report["warnings"][1]
    assert (0.01 < report["thermal_missing"] < 0.1) == (data == "pst900")
