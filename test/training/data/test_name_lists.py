"""Lists of image names as other repositories and editors write them, and labels that somebody has shifted."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import inspect_data
from training.data.name_lists import read_names
from training.data.on_disk import FmbDataset, MfnetDataset

NAMES = ("00001D", "00002N", "my img")
LISTS = {
    "plain": b"00001D\n00002N\nmy img\n",
    "byte order mark": b"\xef\xbb\xbf00001D\r\n00002N\r\nmy img\r\n",
    "endings": b"00001D.png\n00002N.PNG\nmy img.png\n",
    "folders": b"images/00001D.png\n./images/00002N.png\nimages\\my img.png\n",
    "columns": b"00001D 00001D\n00002N.png\tlabels/00002N.png\nmy img.png\tmy img.png\n",
    "columns of paths": b"images/00001D.png labels/00001D.png\nimages/00002N.png 1\nmy img\n",
    "one line": b"00001D 00002N.png\nmy img\n",
    "empty lines": b"\n00001D\n\n  00002N  \nmy img",
    "mirrored": b"00001D\n00001D_flip\n00002N\n00002N_flip.png\nmy img\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, shape in (("images", (48, 64, 4)), ("labels", (48, 64))):
        (tmp_path / folder).mkdir()
        for name in NAMES:
            Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / folder / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize("kind", LISTS)
def test_every_way_to_list_names_is_read(root: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    (root / "train.txt").write_bytes(LISTS[kind])
    with caplog.at_level(logging.WARNING):
        assert MfnetDataset(root, "train").names == NAMES
    assert ("2 mirrored images" in caplog.text) == (kind == "mirrored")


def test_mirrored_images_that_are_there_are_taken(root: Path) -> None:
    for folder in ("images", "labels"):
        (root / folder / "00001D_flip.png").write_bytes((root / folder / "00001D.png").read_bytes())
    (root / "train.txt").write_text("00001D\n00001D_flip\n")
    assert MfnetDataset(root, "train").names == ("00001D", "00001D_flip")


def test_a_name_without_an_image_is_kept_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("there.png\nnot there\nneither_flip\n")
    names = read_names(tmp_path / "list.txt", lambda name: name == "there")
    assert names == ("there", "not", "neither_flip")


def write_fmb(root: Path, *ids: int) -> None:
    label = np.repeat(np.array(ids, np.uint8), 20)[:, None].repeat(80, axis=1)
    files = {
        "Visible": np.zeros((*label.shape, 3), np.uint8),
        "Infrared": np.zeros_like(label),
        "Label": label,
    }
    for half in ("train", "test"):
        for folder, image in files.items():
            (root / half / folder).mkdir(parents=True)
            Image.fromarray(image).save(root / half / folder / "1.png")


@pytest.mark.parametrize(
    ("ids", "shifted"),
    [
        ((255, 0, 13), True),
        ((255, 0, 5, 13), True),
        ((0, 1, 14), False),
        ((0, 1, 5), False),
        ((255, 0, 1, 14), False),
        ((255, 1, 14), False),
    ],
)
def test_fmb_labels_that_were_shifted_are_noticed(
    tmp_path: Path, ids: tuple[int, ...], shifted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    write_fmb(tmp_path, *ids)
    with caplog.at_level(logging.WARNING):
        FmbDataset(tmp_path, "test")
    assert ("shifted by one beforehand" in caplog.text) == shifted


def test_inspection_names_shifted_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fmb(tmp_path, 255, 0, 13)
    inspect_data.main(["--data", "fmb", "--root", str(tmp_path)])
    assert "shifted by one beforehand" in " ".join(capsys.readouterr().out.split())
