"""A rosbag2 of a rendered street, with labels; no ROS."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from rgbt_seg_ros.bags.from_images import RGB_FRAME, START_NS, THERMAL_FRAME
from rgbt_seg_ros.bags.reader import RGB_TOPIC, THERMAL_TOPIC
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.base.image_bytes import png
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.labels import LABELS_FOLDER
from rgbt_seg_ros.scenes.conditions import CONDITIONS
from rgbt_seg_ros.scenes.sequence import render_sequence


def write_rendered_bag(
    path: Path,
    seed: int,
    duration_s: float,
    rgb_rate: float = 10.0,
    thermal_rate: float = 9.0,
    size: tuple[int, int] = (480, 640),
    thermal_size: tuple[int, int] = (240, 320),
    thermal_bits: int = 8,
    conditions: Sequence[str] = CONDITIONS,
) -> None:
    """Write a drive through a street under conditions that follow each other; labels (MFNet ids) in `labels/`.

    Args:
        path: the new bag's folder.
        seed, duration_s, rgb_rate, thermal_rate, size, thermal_size, thermal_bits: as in `render_sequence`.
        conditions: some of `CONDITIONS`, for equal times each.

    Raises:
        UserError: the path exists already, or an argument is out of range.
    """
    frames = render_sequence(
        seed, duration_s, rgb_rate, thermal_rate, size, thermal_size, thermal_bits, condition=conditions
    )
    with BagWriter(path) as bag:
        labels = bag.folder / LABELS_FOLDER
        for frame in track(frames, f"rendering {path}", total=round(duration_s * (rgb_rate + thermal_rate))):
            stamp = START_NS + frame.stamp_ns
            if frame.label is None:
                bag.write(THERMAL_TOPIC, bag.image(frame.image, stamp, THERMAL_FRAME), stamp)
            else:
                bag.write(RGB_TOPIC, bag.image(frame.image, stamp, RGB_FRAME), stamp)
                write_file(labels / f"{stamp}.png", png(frame.label))
