"""Segment a recording without ROS: every pair, none dropped for time, the same result each time.

The core is the node's: pairing, decoding, segmenter and detections are the same modules with the same defaults.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.stamps import CHOICES
from rgbt_seg_ros.base.cli import command_parser, run_command
from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.masks.labels import LABELS_FOLDER, find_labels
from rgbt_seg_ros.replay.offline_run import segment_recording
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.folder import METRICS
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration, quality
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.verdict import LOST_BEFORE_PAIRING, is_mostly_unpaired, verdict
from rgbt_seg_ros.settings.options import OPTIONS, add_setting_options, read_settings


def _offline(args: argparse.Namespace) -> None:
    prepare_process(deterministic=True)
    recording = Recording(args.bag)
    labels = args.labels
    if labels is None and (args.bag / LABELS_FOLDER).is_dir():
        labels = args.bag / LABELS_FOLDER
    labels_by_stamp = find_labels(labels) if labels else None
    metrics = segment_recording(
        recording,
        read_settings(args),
        args.output,
        args.rgb_topic,
        args.thermal_topic,
        labels_by_stamp,
        args.stamps,
    )
    write_report(args.output, labels_by_stamp)
    pairs = f"{metrics.pairs} pairs" + (f" and {metrics.alone} single images" if metrics.alone else "")
    print(f"{metrics.masks} masks of {pairs}, {metrics.detections} detections")
    if metrics.labelled is not None:
        print(f"mIoU {metrics.labelled.scores.miou:.3f} on {metrics.labelled.count} labels")
    elif worth := quality(metrics):
        print(worth)
    print(f"{args.output / METRICS}\n{args.output / 'report.html'}")
    if is_demonstration(metrics.model):
        print(DEMONSTRATION, file=sys.stderr)
    level, sentence = verdict(metrics)
    if is_mostly_unpaired(metrics):
        raise UserError(f"{sentence.rstrip('.')}: {_pairing_advice(metrics)}")
    if level != "ok":
        print(sentence, file=sys.stderr)


def _pairing_advice(metrics: Summary) -> str:
    """What to do about images without a partner, by the reason that most of them have."""
    lost = metrics.dropped.by_cause
    most = max(LOST_BEFORE_PAIRING, key=lambda drop: lost.get(drop, 0))
    if most in (Drop.DUPLICATE, Drop.OUT_OF_ORDER):
        return "their stamps do not go on, pair them by the time of reception with --stamps receive"
    if most == Drop.OVER_MAX_DT:
        return "their stamps are too far apart, see --max-dt, --thermal-offset and --stamps receive"
    return (
        "look whether both cameras were recorded at the same time, and with one clock (else --stamps receive); "
        "--thermal-on-missing and --rgb-on-missing have images segmented alone"
    )


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
    parser.add_argument(
        "--stamps",
        choices=CHOICES,
        default="auto",
        help="time that images are paired by: their header stamps, the bag's time of reception, or auto (default): the "
        "stamps, but the reception where those are all zero, stand still, or go back and forth",
    )
    add_setting_options(parser, tuple(OPTIONS))
    return run_command(parser, _offline, argv)


if __name__ == "__main__":
    sys.exit(main())
