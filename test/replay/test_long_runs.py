"""A recording of hours is segmented in as much memory as one of seconds."""

import gc
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bags import START_NS

from rgbt_seg_ros.bags.reader import Recording
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.replay import offline_run
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.writer import RunWriter
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.settings import Settings

PAIRS = 900
CLASSES = ClassSelection(("unlabeled", "person"), ("person",))


class StripeSegmenter:
    """Finds a person in the left half of each image; notes how much memory is in use."""

    class_names = CLASSES.names
    model_hash, device, precision = "0", "cpu", "float32"
    runtime, runtime_note = "torch", ""

    def __init__(self) -> None:
        self.used: list[int] = []

    def segment(self, pairs: Sequence[ImagePair]) -> list[Segmentation]:
        self.used.append(tracemalloc.get_traced_memory()[0])
        answers = []
        for pair in pairs:
            mask = np.zeros(pair.size, np.uint8)
            mask[:, : pair.size[1] // 2] = 1
            times = dict.fromkeys(("preprocess", "inference", "postprocess"), 1.0)
            answers.append(Segmentation(mask, np.full(pair.size, 0.9, np.float32), times, CLASSES))
        return answers


def write_long_bag(path: Path, thermal_from: int = 0, pairs: int = PAIRS) -> Path:
    rgb, thermal = np.full((24, 32, 3), 90, np.uint8), np.full((12, 16), 300, np.uint16)
    with BagWriter(path) as bag:
        for index in range(pairs):
            stamp = START_NS + index * 33_333_333
            bag.write("/rgb/image", bag.image(rgb, stamp, "camera"), stamp)
            if index >= thermal_from:
                bag.write("/thermal/image", bag.image(thermal, stamp, "camera"), stamp + 1)
    return path


@pytest.mark.parametrize("thermal_from", [0, PAIRS // 2])
def test_memory_does_not_grow_with_the_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thermal_from: int
) -> None:
    segmenter = StripeSegmenter()
    load: Any = lambda *_, **__: segmenter  # noqa: E731
    monkeypatch.setattr(offline_run.Segmenter, "load", load)
    bag = write_long_bag(tmp_path / "bag", thermal_from)
    tracemalloc.start()
    try:
        summary = offline_run.segment_recording(Recording(bag), Settings(), tmp_path / "out")
        # What the run has left in cycles is not to be freed while its numbers are read.
        gc.collect()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        run = read_run(tmp_path / "out")
        kept, peak = (used - before for used in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    pairs = len(run.masks)
    assert summary.pairs == summary.masks == pairs
    # The image before thermal begins may still be near enough.
    assert pairs in (PAIRS - thermal_from, PAIRS - thermal_from + 1)
    # Chunks of a megabyte fill and empty: the least that is in use tells what stays. A pair's images are 2700 bytes.
    third = len(segmenter.used) // 3
    early, late = min(segmenter.used[third : 2 * third]), min(segmenter.used[2 * third :])
    assert (late - early) / third < 300
    # Of a mask, its numbers are read back: they make the report.
    assert kept / pairs < 2500
    assert (peak - kept) / pairs < 100


def test_ten_times_the_pairs_keep_no_more_tensors_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a real network: what a mask's probabilities are computed of is let go with the pair."""
    most: list[int] = []
    segmenter = Segmenter.load("default", device="cpu", runtime="torch")
    segment = segmenter.segment

    def watched(pairs: Sequence[ImagePair]) -> list[Segmentation]:
        gc.collect()
        held = [each for each in gc.get_objects() if isinstance(each, torch.Tensor | Segmentation)]
        most.append(len(held))
        return segment(pairs)

    monkeypatch.setattr(segmenter, "segment", watched)
    load: Any = lambda *_, **__: segmenter  # noqa: E731
    monkeypatch.setattr(offline_run.Segmenter, "load", load)
    held = {}
    for pairs in (4, 40):
        most.clear()
        bag = write_long_bag(tmp_path / f"bag{pairs}", pairs=pairs)
        summary = offline_run.segment_recording(Recording(bag), Settings(), tmp_path / f"out{pairs}")
        assert summary.masks == pairs
        held[pairs] = most[-1]
    assert held[40] == held[4]


def test_places_of_frames_are_forgotten(tmp_path: Path) -> None:
    """Which frames are pictured is the same as if none were."""
    picture = np.zeros((2, 2), np.uint8)
    writer = RunWriter(tmp_path / "run", max_pictures=8)
    for stamp in range(20_000):
        writer.add_picture(stamp, "rgb", picture)
        writer.add_picture(stamp, "thermal", picture)
    writer.close()
    assert len(writer._frames) < 3000
    pictured = sorted(
        {int(path.stem.partition("_")[0]) for path in (tmp_path / "run" / "pictures").iterdir()}
    )
    assert pictured == list(range(0, 20_000, 4096))
