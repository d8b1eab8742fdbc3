"""Pictures are read back: texts from SVG files, colours from PNG files."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from rgbt_seg_ros.masks.scores import ConfusionMatrix
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmenter
from training.data.sample import NOTHING, Sample, picture_of_thermal
from training.scoring.sheets import SheetRow, save_confusion, save_prediction_sheet, save_sheet

NAMES = ("road", "person", "car")


@pytest.fixture(autouse=True)
def texts_stay_texts() -> Iterator[None]:
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        yield


def _texts(path: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


def _confusion(mask: list[int]) -> ConfusionMatrix:
    """Of three road pixels, one person and no car."""
    scores = ConfusionMatrix(3)
    scores.update(np.array([[0, 0, 0, 1]], np.uint8), np.array([mask], np.uint8))
    return scores


def test_confusion_shows_percentages_of_each_label(tmp_path: Path) -> None:
    path = tmp_path / "new" / "matrix.svg"
    save_confusion(path, _confusion([0, 0, 2, 1]), NAMES, "a title")
    texts = _texts(path)
    assert {"66.7", "33.3", "100.0", "a title", *NAMES} <= set(texts)
    assert sum(bool(re.fullmatch(r"[\d.]+", text)) for text in texts) == 3, "cells without pixels are empty"
    assert "unlabeled" not in texts


def test_confusion_has_a_column_of_unlabeled_pixels_if_there_are_any(tmp_path: Path) -> None:
    save_confusion(tmp_path / "matrix.svg", _confusion([0, 0, 255, 1]), NAMES, "")
    assert {"unlabeled", "66.7", "33.3"} <= set(_texts(tmp_path / "matrix.svg"))


def _sample() -> Sample:
    still = render_still(3, (48, 64))
    return Sample("00001D", still.rgb, still.thermal, still.label % 3)


def _red(path: Path) -> int:
    """Pixels in the colour of errors."""
    return int((np.asarray(Image.open(path).convert("RGB")) == (255, 0, 0)).all(axis=-1).sum())


def test_sheet_marks_wrong_pixels(tmp_path: Path) -> None:
    sample = _sample()
    label = np.zeros_like(sample.label)
    label[:24] = 1
    ignored = label.copy()
    ignored[:24] = 255
    masks = {"right": (label, label), "half": (label, np.zeros_like(label)), "ignored": (ignored, label * 0)}
    red = {}
    for name, (truth, mask) in masks.items():
        save_sheet(tmp_path / f"{name}.png", [SheetRow("row", sample, truth, mask)], NAMES)
        red[name] = _red(tmp_path / f"{name}.png")
    assert red["right"] == red["ignored"] == 0
    width = Image.open(tmp_path / "half.png").width / 5
    assert red["half"] == pytest.approx(width * width * 0.75 / 2, rel=0.1), "half of one column"


def test_missing_thermal_is_grey() -> None:
    whole = _sample()
    valid = np.ones((48, 64), bool)
    valid[10:20, 30:50] = False
    picture = picture_of_thermal(dataclasses.replace(whole, thermal_valid=valid))
    assert (picture[~valid] == NOTHING).all()
    assert (picture[valid] == picture_of_thermal(whole)[valid]).all()
    assert (picture_of_thermal(whole)[~valid] != NOTHING).any()


def test_sheet_names_images_columns_and_classes(tmp_path: Path) -> None:
    sample = _sample()
    rows = [SheetRow(title, sample, sample.label, sample.label) for title in ("first row", "second row")]
    save_sheet(tmp_path / "sheet.svg", rows, NAMES)
    texts = _texts(tmp_path / "sheet.svg")
    assert {
        "first row",
        "second row",
        "RGB",
        "thermal",
        "label",
        "prediction",
        "errors (red)",
        *NAMES,
    } <= set(texts)


def test_prediction_sheet_tells_what_a_model_makes_of_samples(tmp_path: Path) -> None:
    segmenter = Segmenter.load("default", device="cpu")
    unlabelled = Sample(
        *[getattr(_sample(), field) for field in ("name", "rgb", "thermal")], np.full((48, 64), 255, np.uint8)
    )
    samples = [_sample(), unlabelled]
    save_prediction_sheet(tmp_path / "sheet.svg", segmenter, samples)
    texts = _texts(tmp_path / "sheet.svg")
    scored = ConfusionMatrix(9)
    scored.update(samples[0].label, segmenter(samples[0].rgb, samples[0].thermal).mask)
    assert f"00001D: mIoU {100 * scored.miou():.1f} %" in texts
    assert "00001D: nothing labelled" in texts
