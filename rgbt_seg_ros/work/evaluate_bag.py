"""What `rgbt_seg_ros.evaluate_bag` does once its arguments are known to be good."""

import argparse
import gc
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import rclpy

from rgbt_seg_ros.bags.image_topics import find_image_topics, image_transports, recorded_reliability
from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.stamps import useless_stamps
from rgbt_seg_ros.base.diagnostics import Key
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import describe_host
from rgbt_seg_ros.base.interrupts import Interrupted
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.masks.labels import LABELS_FOLDER, find_labels, labels_in
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.ros.graph import StopRequest, join_graph
from rgbt_seg_ros.ros.recorder import Recorder, record
from rgbt_seg_ros.runs.folder import METRICS, read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.runs.verdict import verdict
from rgbt_seg_ros.runs.written import name_run


class EndOfRecording:
    """Tells from the node's reports when a recording has been answered.

    Args:
        rgb, thermal: how many images the recording has.
        idle_s: time without an image or an answer, after the first image, that is also taken for the end [s].
        wait_s: time until the first image [s].
    """

    def __init__(self, rgb: int, thermal: int, idle_s: float, wait_s: float = math.inf) -> None:
        self.wait_s = wait_s
        self._expected = {"rgb": rgb, "thermal": thermal}
        self._idle_s = idle_s
        self._asked_s: float | None = None
        self._progress: tuple[str | None, ...] = ()
        self._changed_s = 0.0

    def reached(self, values: Mapping[str, str], now_s: float) -> bool:
        """Whether this report is the last one.

        Args:
            values: of the node's newest report; empty before the first.
            now_s: a monotonic clock [s].
        """
        progress = tuple(values.get(key) for key in (Key.RGB_IN, Key.THERMAL_IN, Key.UNPAIRED, Key.MASKS))
        if progress != self._progress:
            self._progress, self._changed_s = progress, now_s
        if self.missing(values) == self._expected:
            return False
        if not self.missing(values) and values.get(Key.WAITING) == values.get(Key.UNPAIRED) == "0":
            return True
        return now_s - self._changed_s > self._idle_s

    def never_began(self, values: Mapping[str, str], now_s: float) -> bool:
        """Whether the node has had no image for `wait_s` since the first call; arguments as of `reached`."""
        if self._asked_s is None:
            self._asked_s = now_s
        return now_s - self._asked_s > self.wait_s and self.missing(values) == self._expected

    def missing(self, values: Mapping[str, str]) -> dict[str, int]:
        """How many images the node has not got by this report, ``rgb`` and ``thermal``, where there are any."""
        keys = {"rgb": Key.RGB_IN, "thermal": Key.THERMAL_IN}
        lacking = {
            camera: count - int(values.get(keys[camera], "0")) for camera, count in self._expected.items()
        }
        return {camera: count for camera, count in lacking.items() if count > 0}


def evaluate_bag(
    recording: Recording,
    folder: Path,
    end: EndOfRecording,
    stop: StopRequest,
    labels: Mapping[int, Path] | None = None,
    transports: Mapping[str, str] = MappingProxyType({}),
    reliability: str = "reliable",
) -> Summary:
    """Record what the node makes of a recording, and write numbers and report; rclpy must be initialised.

    Args:
        recording: what somebody plays.
        folder: as in `record`.
        end: of the recording.
        stop: ends it earlier.
        labels: PNG files of true class ids by the RGB image's stamp in nanoseconds.
        transports: as in `record`.
        reliability: as `input_reliability` in `record`.

    Returns:
        What metrics.json holds: `summarize`'s numbers, `recording`, `host`, `settings`, `mask_hash` and `bag_hash` as
        an offline run has them, and `missing`: images of the recording that the node did not get.

    Raises:
        UserError: the folder cannot be written, no image came in time, no mask came, or labels do not fit.
    """
    last: dict[str, str] = {}

    def ended(recorder: Recorder) -> bool:
        now_s = time.monotonic()
        last.update(recorder.node_values)
        if end.never_began(recorder.node_values, now_s):
            raise UserError(
                f"the node got no image of {recording.path} within {end.wait_s:g} s: {_why_not(recorder)}"
            )
        return stop.is_set() or end.reached(recorder.node_values, now_s)

    mask_hash = record(folder, reliability, ended, with_bag=True, transports=transports)
    run = read_run(folder)
    if not run.masks:
        if stop.is_set():
            raise Interrupted(stop.signal_number)
        raise UserError(
            f"no mask came for {recording.path}: look at what the node says in /diagnostics and its log"
        )
    summary = replace(
        summarize(run, labels),
        recording=recording.path.name,
        settings={"mode": "lossless"},
        host=describe_host(last.get(Key.DEVICE, "cpu")),
    )
    summary.write(folder / "summary.json")
    write_report(folder, labels)
    metrics = replace(
        summary,
        mask_hash=mask_hash.hexdigest,
        bag_hash=recording.content_hash(),
        missing=end.missing(last),
    )
    metrics.write(folder / METRICS)
    return metrics


def _why_not(recorder: Recorder) -> str:
    """What is known of why no image came to the node, and what to do."""
    if not recorder.has_images:
        return (
            f"{recorder.describe_cameras()}; play the recording once the node is active, "
            "with the reliability that is asked for (--input-reliability), or wait longer (--wait)"
        )
    if not recorder.node_sentence:
        return (
            "images are played and nothing is heard of a node: start it in mode lossless, and look at its log"
        )
    return f"images are played and the node says {recorder.node_sentence!r}: look at its log and at its topics' names"


def run(args: argparse.Namespace, recording: Recording) -> None:
    """Score what the node makes of a recording that somebody plays."""
    topics = find_image_topics(recording, args.rgb_topic, args.thermal_topic)
    transports = {str(kind): name for kind, name in image_transports(recording, topics).items()}
    if fault := useless_stamps(recording, list(topics.values())):
        print(
            f"{fault}: the node pairs by them, have it played with `python3 -m rgbt_seg_ros.play --stamps receive`",
            file=sys.stderr,
        )
    rgb, thermal = (recording.topics[topics[kind]].count for kind in ("rgb", "thermal"))
    end = EndOfRecording(rgb, thermal, args.idle, args.wait)
    reliability = args.input_reliability
    if reliability == "recorded":
        reliability = recorded_reliability(recording, topics)
    stop = join_graph()
    try:
        print(
            f"waiting up to {args.wait:g} s for {printable(' and '.join(topics.values()))} of {args.bag}",
            flush=True,
        )
        labels_by_stamp = find_labels(args.labels) if args.labels else labels_in(args.bag / LABELS_FOLDER)
        metrics = evaluate_bag(recording, args.output, end, stop, labels_by_stamp, transports, reliability)
    finally:
        rclpy.try_shutdown()
        # As in the node: `ros2 launch` escalates to SIGTERM while Python still looks through torch's objects.
        gc.freeze()
    print(verdict(metrics)[1])
    if metrics.labelled is not None:
        print(f"mIoU {metrics.labelled.scores.miou:.3f} on {metrics.labelled.count} labels")
    name_run(args.output)
    if metrics.missing:
        missing = " and ".join(f"{count} {camera}" for camera, count in metrics.missing.items())
        raise UserError(
            f"{missing} images of {args.bag} never came to the node, the numbers lack them: play all of it, and "
            "give the subscribers time to be found (ros2 bag play --delay 3)"
        )
