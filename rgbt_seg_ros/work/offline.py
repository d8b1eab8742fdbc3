"""What `rgbt_seg_ros.offline` does once its arguments are known to be good."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.labels import LABELS_FOLDER, find_labels, labels_in
from rgbt_seg_ros.pipeline.loading import load_segmenter
from rgbt_seg_ros.replay.offline_run import segment_recording
from rgbt_seg_ros.replay.shared_work import SharedWork
from rgbt_seg_ros.report_page.bags import render_bags
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.joint import BAGS, BagResult, Joint, join
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration, quality
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.verdict import LOST_BEFORE_PAIRING, is_mostly_unpaired, verdict
from rgbt_seg_ros.runs.written import name_run
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.devices import device_of_process
from rgbt_seg_ros.settings import Settings


def run(args: argparse.Namespace, settings: Settings, recording: Recording) -> None:
    """Segment a recording, and write numbers and report."""
    prepare_process(deterministic=True)
    labels_by_stamp = find_labels(args.labels) if args.labels else labels_in(args.bag / LABELS_FOLDER)
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


def run_several(args: argparse.Namespace, settings: Settings, bags: Mapping[str, Path]) -> None:
    """Segment all, each into a folder of its name in the output, and write bags.json and report.html beside these.

    Raises:
        UserError: a recording could not be segmented; the others are, and the report says which it was.
    """
    prepare_process(deterministic=True)
    work = SharedWork("offline")
    settings = replace(settings, device=device_of_process(settings.device))
    segmenter = load_segmenter(settings)
    results = work.do(
        list(bags),
        lambda name: _segment_one(
            args, settings, segmenter, name, bags[name], quiet=work.processes > 1
        ).encode(),
    )
    if not work.is_first:
        return
    joint = join([BagResult.decode(result) for result in results])
    write_file(args.output / BAGS, encode_json(joint.to_json(), indent=2) + "\n")
    write_file(args.output / "report.html", render_bags(joint))
    _say_all(joint, args.output)


def _segment_one(
    args: argparse.Namespace, settings: Settings, segmenter: Segmenter, name: str, bag: Path, quiet: bool
) -> BagResult:
    """What became of one recording, which costs no other one what is wrong with it."""
    try:
        recording = Recording(bag)
        labels_by_stamp = labels_in(args.labels / name if args.labels else bag / LABELS_FOLDER)
        folder = args.output / name
        metrics = segment_recording(
            recording,
            settings,
            folder,
            args.rgb_topic,
            args.thermal_topic,
            labels_by_stamp,
            args.stamps,
            segmenter,
            quiet,
        )
        write_report(folder, labels_by_stamp)
    except UserError as error:
        print(printable(f"{bag}: {error}"), file=sys.stderr)
        return BagResult(name, error=str(error))
    confusion = () if metrics.labelled is None else metrics.labelled.confusion
    return BagResult(name, metrics, confusion, segmenter.class_names)


def _say_all(joint: Joint, output: Path) -> None:
    masks, detections = joint.counts["masks"], joint.counts["detections"]
    print(f"{masks} masks of {len(joint.bags)} recordings, {detections} detections")
    if joint.scores is not None and joint.scores.miou is not None:
        print(f"mIoU {joint.scores.miou:.3f} on {joint.labelled} labels")
    name_files(("report", output / "report.html"), ("numbers", output / BAGS), ("all files", output))
    if joint.failed:
        raise UserError(
            f"{len(joint.failed)} of {len(joint.bags)} recordings could not be segmented "
            f"({', '.join(joint.failed)}): the report says why, the others are complete"
        )
