"""What the packaged model promises."""

from pathlib import Path

import pytest

from rgbt_seg_ros.classes import MFNET
from rgbt_seg_ros.models import read_card
from rgbt_seg_ros.models.model_file import resolve_model
from rgbt_seg_ros.segmenter import Segmenter
from training.datasets import MsrsDataset
from training.scoring import score


def test_it_is_small_and_tells_its_training() -> None:
    assert resolve_model("default").stat().st_size < 15_000_000
    card = read_card("default")
    assert card.class_names == MFNET.names
    assert card.training["data"] == "msrs"
    assert card.training["steps"] > 0
    assert "person" in card.training["scores"]["iou"]


def test_it_finds_people_on_real_images_as_well_as_it_says(samples: Path) -> None:
    scores = score(Segmenter.load("default", device="cpu"), MsrsDataset(samples / "msrs70", "val"))
    assert scores["iou"]["person"] >= 0.35
    told = read_card("default").training["scores"]
    # The score was taken before the weights were stored as float16.
    assert scores["miou"] == pytest.approx(told["miou"], abs=0.005)
    assert scores["iou"]["person"] == pytest.approx(told["iou"]["person"], abs=0.01)
