"""What `rgbt_seg_ros.offline` does once its arguments are known to be good."""

import argparse
import sys

from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.masks.labels import LABELS_FOLDER, find_labels
from rgbt_seg_ros.replay.offline_run import segment_recording
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration, quality
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.verdict import LOST_BEFORE_PAIRING, is_mostly_unpaired, verdict
from rgbt_seg_ros.runs.written import name_run
from rgbt_seg_ros.settings import Settings


def run(args: argparse.Namespace, settings: Settings, recording: Recording) -> None:
    """Segment a recording, and write numbers and report."""
    prepare_process(deterministic=True)
    labels = args.labels
    if labels is None and (args.bag / LABELS_FOLDER).is_dir():
        labels = args.bag / LABELS_FOLDER
    labels_by_stamp = find_labels(labels) if labels else None
    metrics = segment_recording(
        recording,
        settings,
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
    name_run(args.output)
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
