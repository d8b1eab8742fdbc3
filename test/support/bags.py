"""Small recordings for tests."""

import os
from pathlib import Path

import numpy as np

from rgbt_seg_ros.bags.writer import BagWriter

START_NS = 1_700_000_000_000_000_000


def rgb_frame(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """uint8 [H, W, 3], noise that differs from frame to frame."""
    return np.random.default_rng([1, index]).integers(0, 256, (height, width, 3), np.uint8)


def thermal_frame(index: int, height: int = 24, width: int = 32) -> np.ndarray:
    """uint16 [H, W], noise that differs from frame to frame."""
    return np.random.default_rng([2, index]).integers(0, 65536, (height, width), np.uint16)


def write_bag(
    path: Path,
    rgb_count: int = 6,
    thermal_count: int = 6,
    rgb_topic: str = "/rgb/image",
    thermal_topic: str = "/thermal/image",
    period_ns: int = 100_000_000,
) -> Path:
    """RGB and 16-bit thermal images at 10 Hz; thermal stamps 3 ms later, everything received 20 ms after its stamp."""
    with BagWriter(path) as bag:
        for index in range(max(rgb_count, thermal_count)):
            stamp = START_NS + index * period_ns
            if index < rgb_count:
                image = bag.image(rgb_frame(index), stamp, "rgb_optical_frame")
                bag.write(rgb_topic, image, stamp + 20_000_000)
            if index < thermal_count:
                image = bag.image(thermal_frame(index), stamp + 3_000_000, "thermal_optical_frame")
                bag.write(thermal_topic, image, stamp + 23_000_000)
    return path


def truncate(bag: Path) -> None:
    """Cut the storage file of a bag in half."""
    (storage,) = bag.glob("*.mcap")
    os.truncate(storage, storage.stat().st_size // 2)
