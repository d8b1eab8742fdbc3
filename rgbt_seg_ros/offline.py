"""Segment a recording without ROS: every pair, none dropped for time, the same result each time.

The core is the node's: pairing, decoding, segmenter and detections are the same modules with the same defaults.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.bags.reader import Recording
from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.masks.labels import LABELS_FOLDER, find_labels
from rgbt_seg_ros.replay.offline_run import segment_recording
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.folder import METRICS
from rgbt_seg_ros.settings.options import OPTIONS, add_setting_options, read_settings


def _offline(args: argparse.Namespace) -> None:
    recording = Recording(args.bag)
    labels = args.labels
    if labels is None and (args.bag / LABELS_FOLDER).is_dir():
        labels = args.bag / LABELS_FOLDER
    labels_by_stamp = find_labels(labels) if labels else None
    metrics = segment_recording(
        recording, read_settings(args), args.output, args.rgb_topic, args.thermal_topic, labels_by_stamp
    )
    write_report(args.output, labels_by_stamp)
    print(f"{metrics.masks} masks of {metrics.pairs} pairs, {metrics.detections} detections")
    if metrics.labelled is not None:
        print(f"mIoU {metrics.labelled.scores.miou:.3f} on {metrics.labelled.count} labels")
    print(f"{args.output / METRICS}\n{args.output / 'report.html'}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.offline`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.offline",
        "Segment every pair of a rosbag2 recording without ROS; masks, an mcap, numbers and a report come out.",
        """
        python -m rgbt_seg_ros.offline my_bag --output out/my_bag
        python -m rgbt_seg_ros.offline my_bag --model my.safetensors --labels labels --output out/my_bag
        python -m rgbt_seg_ros.offline my.mcap --rgb-topic /cam/image_raw --thermal-topic /boson/image_raw --output out
        """,
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, or .mcap, .db3 or .bag file")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="label PNGs named by RGB stamp in nanoseconds (default: labels/ in the bag, if there)",
    )
    parser.add_argument(
        "--rgb-topic", metavar="TOPIC", help="default /rgb/image, else the only one with rgb or color"
    )
    parser.add_argument(
        "--thermal-topic",
        metavar="TOPIC",
        help="default /thermal/image, else the only one with thermal or lwir",
    )
    add_setting_options(parser, tuple(OPTIONS))
    return run_command(parser, _offline, argv)


if __name__ == "__main__":
    sys.exit(main())
