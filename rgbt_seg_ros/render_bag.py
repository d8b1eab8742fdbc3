"""Make a recording of rendered street scenes: a rosbag2 with exact labels, the same for the same seed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
from rich.progress import track

from rgbt_seg_ros.argument_types import positive_number
from rgbt_seg_ros.bag_writer import BagWriter
from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.make_bag import RGB_FRAME, START_NS, THERMAL_FRAME
from rgbt_seg_ros.recording import LABELS_FOLDER, RGB_TOPIC, THERMAL_TOPIC
from rgbt_seg_ros.scenes import CONDITIONS, render_sequence


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
        labels = path / LABELS_FOLDER
        labels.mkdir()
        for frame in track(frames, f"rendering {path}", total=round(duration_s * (rgb_rate + thermal_rate))):
            stamp = START_NS + frame.stamp_ns
            if frame.label is None:
                bag.write(THERMAL_TOPIC, bag.image(frame.image, stamp, THERMAL_FRAME), stamp)
            else:
                bag.write(RGB_TOPIC, bag.image(frame.image, stamp, RGB_FRAME), stamp)
                cv2.imwrite(str(labels / f"{stamp}.png"), frame.label)


def _render_bag(args: argparse.Namespace) -> None:
    write_rendered_bag(
        args.output,
        args.seed,
        args.duration,
        args.rgb_rate,
        args.thermal_rate,
        thermal_bits=args.thermal_bits,
        conditions=args.conditions,
    )
    print(args.output)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.render_bag`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.render_bag",
        "Make a rosbag2 recording of rendered RGB-thermal street scenes, with labels.",
        """
        python -m rgbt_seg_ros.render_bag -o rendered_bag
        python -m rgbt_seg_ros.render_bag --seed 7 --duration 20 --conditions night smoke --thermal-bits 16 -o night_bag
        """,
    )
    parser.add_argument("--seed", type=int, default=0, help="fixes everything (default 0)")
    parser.add_argument(
        "--duration", type=positive_number, default=12.0, metavar="S", help="seconds (default 12)"
    )
    parser.add_argument(
        "--rgb-rate",
        type=positive_number,
        default=10.0,
        metavar="HZ",
        help="RGB images a second (default 10)",
    )
    parser.add_argument(
        "--thermal-rate",
        type=positive_number,
        default=9.0,
        metavar="HZ",
        help="thermal images a second (default 9)",
    )
    parser.add_argument("--thermal-bits", type=int, choices=(8, 16), default=8, help="depth (default 8)")
    parser.add_argument(
        "--conditions",
        nargs="+",
        choices=CONDITIONS,
        default=CONDITIONS,
        help="one after another (default all)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BAG", help="folder of the new bag"
    )
    return run_command(parser, _render_bag, argv)


if __name__ == "__main__":
    sys.exit(main())
