"""Segment a recording without ROS: every pair, none dropped for time, the same result each time.

The core is the node's: pairing, decoding, segmenter and detections are the same modules with the same defaults.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from rgbt_seg_ros.answer import Answer, answer_pair
from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.evaluation import ConfusionMatrix
from rgbt_seg_ros.host import describe_host
from rgbt_seg_ros.image_codec import UndecodableImage
from rgbt_seg_ros.offline_outputs import OfflineOutputs
from rgbt_seg_ros.pairing import Pair
from rgbt_seg_ros.recording import (
    LABELS_FOLDER,
    RecordedImage,
    Recording,
    find_image_topics,
    find_labels,
    read_images,
    read_label,
)
from rgbt_seg_ros.registration import Registration
from rgbt_seg_ros.registration_setup import RegistrationSetup
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.setting_options import OPTIONS, add_setting_options, read_settings
from rgbt_seg_ros.settings import Settings
from rgbt_seg_ros.sync import Pairer, make_pairer

ImagePair = Pair[RecordedImage, RecordedImage]


class OfflineRun:
    """Segments pairs one after another, writes the results and keeps the score."""

    def __init__(
        self, segmenter: Segmenter, settings: Settings, outputs: OfflineOutputs, labels: Mapping[int, Path]
    ) -> None:
        self._segmenter = segmenter
        self._settings = settings
        self._register = _registration(settings)
        self._outputs = outputs
        self._labels = labels
        self._scores = ConfusionMatrix(len(segmenter.class_names))
        self._counts: Counter[str] = Counter()
        self._skew_ms: list[float] = []
        self._stages_ms: list[dict[str, float]] = []

    def answer(self, pair: ImagePair) -> None:
        """Segment one pair; an image that cannot be decoded is said, counted, and costs this pair only.

        Raises:
            UserError: the segmenter or a label refuses the pair.
        """
        self._counts["pairs"] += 1
        self._skew_ms.append(abs(pair.skew_ns) / 1e6)
        try:
            if not self._stages_ms:
                # The first images of a size take longer; that would be the p99 of a short recording.
                self._answer(pair)
            answer = self._answer(pair)
        except UndecodableImage as error:
            self._counts["undecodable"] += 1
            if self._counts["undecodable"] == 1:
                print(f"the pair at {pair.rgb_stamp} ns cannot be decoded: {error}", file=sys.stderr)
            return
        except ValueError as error:
            raise UserError(f"the pair at {pair.rgb_stamp} ns cannot be segmented: {error}") from error
        mask = answer.segmentation.mask
        self._stages_ms.append(answer.stage_ms)
        self._counts["masks"] += 1
        self._counts["detections"] += len(answer.detections)
        self._outputs.add(pair.rgb, answer.picture, mask, answer.detections)
        self._score(pair.rgb_stamp, mask)

    def _answer(self, pair: ImagePair) -> Answer:
        messages = pair.rgb.message, pair.thermal.message
        return answer_pair(self._segmenter, self._settings, *messages, self._register)

    def metrics(self, pairing: Mapping[str, int]) -> dict[str, Any]:
        """Counts, times and scores, as in `segment_recording`; at least one pair must have been answered.

        Args:
            pairing: `Pairer.counts`.
        """
        unused = {cause: n for cause, n in pairing.items() if cause not in ("rgb_in", "thermal_in", "pairs")}
        names = self._stages_ms[0] if self._stages_ms else {}
        stages = {name: [stage[name] for stage in self._stages_ms] for name in names}
        metrics: dict[str, Any] = {
            "pairs": self._counts["pairs"],
            "masks": self._counts["masks"],
            "detections": self._counts["detections"],
            "dropped": {**unused, "undecodable": self._counts["undecodable"]},
            "latency_ms": _percentiles([sum(stage.values()) for stage in self._stages_ms]),
            "skew_ms": {"p50": _round(np.median(self._skew_ms)), "max": _round(max(self._skew_ms))},
            "stages_ms": {name: _percentiles(values) for name, values in stages.items()},
        }
        if self._counts["labels"]:
            scores = self._scores.as_dict(self._segmenter.class_names)
            metrics |= {
                "miou": scores["miou"],
                "iou": scores["iou"],
                "labelled_masks": self._counts["labels"],
            }
        return metrics

    def _score(self, stamp_ns: int, mask: np.ndarray) -> None:
        if stamp_ns not in self._labels:
            return
        try:
            self._scores.update(read_label(self._labels[stamp_ns]), mask)
        except ValueError as error:
            raise UserError(f"label {self._labels[stamp_ns]} does not fit its mask: {error}") from error
        self._counts["labels"] += 1


def _registration(settings: Settings) -> Registration | None:
    setup = RegistrationSetup(settings, {"rgb": "rgb/camera_info", "thermal": "thermal/camera_info"})
    if setup.unavailable:
        raise UserError(
            "registration plane needs the camera_infos, which are not read here: "
            "choose homography, or play the recording to the node (evaluate_bag.launch.py)"
        )
    return setup.registration


def pair_images(images: Iterator[RecordedImage], pairer: Pairer) -> Iterator[ImagePair]:
    """Pairs of a recording's images, in the order in which they are decided."""
    for image in images:
        add = pairer.add_rgb if image.kind == "rgb" else pairer.add_thermal
        yield from add(image.stamp_ns, image)
    yield from pairer.flush()


def segment_recording(
    recording: Recording,
    settings: Settings,
    output: Path,
    rgb_topic: str | None = None,
    thermal_topic: str | None = None,
    labels: Mapping[int, Path] | None = None,
) -> dict[str, Any]:
    """Segment every pair of a recording.

    Args:
        recording: a rosbag2 with RGB and thermal images.
        settings: the node's parameters; those about time and queues have no meaning here.
        output: folder for masks, mcap and metrics.json, see `rgbt_seg_ros.offline_outputs`.
        rgb_topic: and thermal_topic: as in `recording.find_image_topics`.
        labels: label PNGs by the stamp of the RGB image in nanoseconds.

    Returns:
        What metrics.json holds. `latency_ms` is the time from an RGB and a thermal message to mask and detections,
        the sum of `stages_ms`; nothing waits here. `miou`, `iou` and `labelled_masks` are there with labels only.

    Raises:
        UserError: no topics, a damaged recording, no mask, labels of another recording, an output that is in the way.
    """
    topics = find_image_topics(recording, rgb_topic, thermal_topic)
    segmenter = Segmenter.load(
        settings.model, settings.device, settings.precision, thermal=settings.normalization
    )
    # Some CUDA convolutions add up in an order that changes from run to run unless they are told not to.
    torch.backends.cudnn.deterministic = True
    print(
        f"{recording.path}: {topics['rgb']} and {topics['thermal']}, {settings.model} on {segmenter.device}"
    )
    # As in mode lossless, one camera's messages may come far ahead of the other's.
    pairer: Pairer[RecordedImage, RecordedImage] = make_pairer(replace(settings, mode="lossless"))
    images = track(
        read_images(recording, rgb_topic, thermal_topic),
        "segmenting",
        total=sum(recording.topics[name].count for name in topics.values()),
    )
    with OfflineOutputs(output, segmenter.class_names) as outputs:
        run = OfflineRun(segmenter, settings, outputs, labels or {})
        for pair in pair_images(iter(images), pairer):
            run.answer(pair)
        _require_pairs(recording, pairer.counts)
        metrics = {
            **run.metrics(pairer.counts),
            "model": settings.model,
            "model_hash": segmenter.model_hash,
            "host": describe_host(segmenter.device) | {"precision": segmenter.precision},
            "mask_hash": outputs.mask_hash,
            "bag_hash": recording.content_hash(),
        }
        if metrics["masks"] == 0:
            raise UserError(f"no image pair of {recording.path} could be decoded: see the message above")
        if labels and "miou" not in metrics:
            raise UserError(f"none of the {len(labels)} labels has the stamp of a pair's RGB image")
    outputs.write_metrics(metrics)
    return metrics


def _require_pairs(recording: Recording, counts: Mapping[str, int]) -> None:
    if counts["pairs"] > 0:
        return
    causes = ", ".join(f"{cause} {n}" for cause, n in counts.items() if n)
    raise UserError(
        f"no RGB image of {recording.path} has a thermal partner ({causes}): look at the stamps, "
        "or set --max-dt and --thermal-offset"
    )


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None, "p99": None}
    return {f"p{percent}": _round(np.percentile(values, percent)) for percent in (50, 95, 99)}


def _round(milliseconds: Any) -> float:
    return round(float(milliseconds), 3)


def _offline(args: argparse.Namespace) -> None:
    recording = Recording(args.bag)
    labels = args.labels
    if labels is None and (args.bag / LABELS_FOLDER).is_dir():
        labels = args.bag / LABELS_FOLDER
    metrics = segment_recording(
        recording,
        read_settings(args),
        args.output,
        args.rgb_topic,
        args.thermal_topic,
        find_labels(labels) if labels else None,
    )
    print(f"{metrics['masks']} masks of {metrics['pairs']} pairs, {metrics['detections']} detections")
    if "miou" in metrics:
        print(f"mIoU {metrics['miou']:.3f} on {metrics['labelled_masks']} labels")
    print(f"{args.output}/metrics.json")


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.offline`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.offline",
        "Segment every RGB-thermal pair of a rosbag2 recording without ROS; masks, an mcap and metrics.json come out.",
        """
        python -m rgbt_seg_ros.offline my_bag --output out/my_bag
        python -m rgbt_seg_ros.offline my_bag --model my.safetensors --labels labels --output out/my_bag
        python -m rgbt_seg_ros.offline my.mcap --rgb-topic /cam/image_raw --thermal-topic /boson/image_raw --output out
        """,
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, or .mcap or .db3 file")
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
