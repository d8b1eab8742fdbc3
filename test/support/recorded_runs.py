"""Small recorded runs for tests, written by the recorder's own writer."""

from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.runs.folder import Box
from rgbt_seg_ros.runs.writer import MAX_PICTURES, RunWriter

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
LATENCIES_MS = (100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0, 170.0, 180.0, 390.0)
SKEWS_MS = (5.0, -10.0, 15.0, -20.0, 25.0, -30.0, 35.0, -40.0, 45.0, 0.0)
DIAGNOSTICS = {
    "rgb_in": "13",
    "thermal_in": "10",
    "pairs": "10",
    "masks": "10",
    "dropped.surplus": "3",
    "dropped.over_max_dt": "2",
    "rgb_camera": "ok",
    "thermal_camera": "ok",
    "stage_ms.inference.p50": "71.25",
    "stage_ms.inference.p95": "80.5",
    "stage_ms.inference.p99": "99.0",
    "model": "default",
    "model_hash": "0123abcd",
    "device": "cpu",
    "waiting": "0",
}


def stamp(index: int) -> int:
    """Stamp of a frame in nanoseconds."""
    return START_NS + index * PERIOD_NS


def mask(index: int) -> np.ndarray:
    """uint8 [48, 64]: a column of car that moves, a block of person, else unlabeled."""
    ids = np.zeros((48, 64), np.uint8)
    ids[:, 4 * index : 4 * index + 8] = 1
    ids[20:30, 50:60] = 2
    return ids


def confidence(index: int) -> np.ndarray:
    """uint8 [48, 64]: the later the frame, the less sure."""
    return np.full((48, 64), 250 - 20 * index, np.uint8)


def write_run(folder: Path, masks: int = 10, max_pictures: int = MAX_PICTURES) -> Path:
    """A run of 10 Hz with a car in every frame and a person in every other."""
    writer = RunWriter(folder, max_pictures)
    writer.add_classes(MFNET.names)
    noise = np.random.default_rng(0)
    for index in range(masks):
        which = index % len(LATENCIES_MS)
        writer.add_mask(stamp(index), mask(which), 50.0 + 0.2 * index, LATENCIES_MS[which], SKEWS_MS[which])
        boxes = [Box("car", 0.9, 4.0 * which, 24.0, 8.0, 48.0), Box("person", 0.8, 55.0, 25.0, 10.0, 10.0)]
        writer.add_detections(stamp(index), boxes[: 1 + index % 2])
        rgb = noise.integers(0, 256, (48, 64, 3), np.uint8)
        writer.add_confidence(stamp(index), confidence(which))
        for kind, picture in (("rgb", rgb), ("thermal", rgb[:24, :32])):
            writer.add_picture(stamp(index), kind, picture)
        writer.add_overlay(stamp(index), rgb)
    half = {
        **DIAGNOSTICS,
        "masks": "4",
        "pairs": "5",
        "dropped.over_max_dt": "0",
        "thermal_camera": "missing",
    }
    writer.add_diagnostics(stamp(5), 1, "on its way", half)
    writer.add_diagnostics(stamp(9), 0, "running", DIAGNOSTICS)
    writer.close()
    return folder


def write_labels(folder: Path, masks: int = 10) -> dict[int, Path]:
    """Labels equal to the masks, except that the person is not in them."""
    folder.mkdir()
    labels = {stamp(index): folder / f"{stamp(index)}.png" for index in range(masks)}
    for index, path in enumerate(labels.values()):
        label = mask(index)
        label[label == 2] = 0
        cv2.imwrite(str(path), label)
    return labels
