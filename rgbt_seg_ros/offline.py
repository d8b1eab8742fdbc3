"""Segment recordings without ROS: every pair, none dropped for time, the same result each time.

The core is the node's: pairing, decoding, segmenter and detections are the same modules with the same defaults.
Of several recordings each has a folder of its own in the output, and there is one report of all; torchrun's processes
share them.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rgbt_seg_ros.bags.choices import STAMPS
from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import resolve_model
from rgbt_seg_ros.settings import Settings
from rgbt_seg_ros.settings.options import OPTIONS, add_setting_options, read_settings


def _prepare(args: argparse.Namespace) -> Work:
    settings = read_settings(args)
    resolve_model(settings.model)
    if len(args.bag) > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _prepare_several(args, settings)
    (args.bag,) = args.bag
    from rgbt_seg_ros.bags.recording import Recording

    with interrupts.raised():
        # It may be unpacked.
        recording = Recording(args.bag)
    announce(f"segmenting {args.bag} with the model {settings.model}")
    from rgbt_seg_ros.work.offline import run

    return partial(run, settings=settings, recording=recording)


def _prepare_several(args: argparse.Namespace, settings: Settings) -> Work:
    for bag in args.bag:
        if not bag.exists():
            raise UserError(
                f"there is no recording {bag}: give rosbag2 folders, or .mcap, .db3 or .bag files"
            )
    if args.labels is not None and not args.labels.is_dir():
        raise UserError(
            f"there is no folder {args.labels}: give one that holds a folder of labels for each recording"
        )
    bags = distinct_names(args.bag)
    announce(f"segmenting {len(bags)} recordings with the model {settings.model}")
    from rgbt_seg_ros.work.offline import run_several

    return partial(run_several, settings=settings, bags=bags)


def distinct_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Recordings by what they are called, in order: the name of each, after those of its folders where that is needed.

    Raises:
        UserError: one is given twice.
    """
    parts = [path.resolve().parts[1:] for path in paths]
    repeated = next((path for path, own in zip(paths, parts, strict=True) if parts.count(own) > 1), None)
    if repeated is not None:
        raise UserError(f"the recording {repeated} is given twice: give each once")
    names = {}
    for path, own in zip(paths, parts, strict=True):
        # As few folders as tell it from all others.
        length = next(
            n for n in range(1, len(own) + 1) if sum(other[-n:] == own[-n:] for other in parts) == 1
        )
        names["_".join(own[-length:])] = path
    if len(names) < len(paths):
        raise UserError("two of the recordings would be called the same: rename one of them")
    return names


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.offline`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.offline",
        "Segment every pair of rosbag2 recordings without ROS; masks, an mcap, numbers and a report come out.",
        """
        python -m rgbt_seg_ros.offline my_bag --output out/my_bag
        python -m rgbt_seg_ros.offline my_bag --model my.safetensors --labels labels --output out/my_bag
        python -m rgbt_seg_ros.offline my.mcap --rgb-topic /cam/image_raw --thermal-topic /boson/image_raw --output out
        torchrun --nproc-per-node 2 -m rgbt_seg_ros.offline drive_1 drive_2 drive_3 --output out/drives
        """,
    )
    parser.add_argument(
        "bag",
        type=Path,
        nargs="+",
        metavar="BAG",
        help="rosbag2 folder, or .mcap, .db3 or .bag file; of several, each has its folder in OUT",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="label PNGs named by RGB stamp in nanoseconds (default: labels/ in the bag, if there); of several "
        "bags, a folder with one for each by its name",
    )
    parser.add_argument(
        "--rgb-topic", metavar="TOPIC", help="default /rgb/image, else the only one with rgb or color"
    )
    parser.add_argument(
        "--thermal-topic",
        metavar="TOPIC",
        help="default /thermal/image, else the only one with thermal or lwir",
    )
    parser.add_argument(
        "--stamps",
        choices=STAMPS,
        default="auto",
        help="time that images are paired by: their header stamps, the bag's time of reception, or auto (default): the "
        "stamps, but the reception where those are all zero, stand still, or go back and forth",
    )
    add_setting_options(parser, tuple(OPTIONS))
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
