"""Every pair of a recording through the node's own pipeline, without ROS."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.progress import track

from rgbt_seg_ros.bags.reader import RecordedImage, Recording, find_image_topics, read_images
from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import describe_host
from rgbt_seg_ros.images.codec import UndecodableImage
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer, Pair
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.pipeline.answer import Answer, SeenPalette, answer_pair
from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.pipeline.thermal_limits import ThermalFollower
from rgbt_seg_ros.registration.rules import Registration
from rgbt_seg_ros.replay.outputs import OfflineOutputs, open_outputs
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings import Settings

RecordedPair = Pair[RecordedImage, RecordedImage]

REPORT_PERIOD_NS = 1_000_000_000


class OfflineRun:
    """Segments pairs one after another, writes the results and counts them."""

    def __init__(self, segmenter: Segmenter, settings: Settings, outputs: OfflineOutputs) -> None:
        self._segmenter = segmenter
        self._settings = settings
        self._register = _registration(settings)
        self._follower = ThermalFollower(settings.thermal.normalizer, settings.thermal.time_constant)
        self._palette = SeenPalette(print)
        self._outputs = outputs
        self._counts: Counter[Key | Drop] = Counter()
        self._reported_ns: int | None = None

    def answer(self, pair: RecordedPair) -> None:
        """Segment one pair; an image that cannot be decoded is said, counted, and costs this pair only.

        Raises:
            UserError: the segmenter refuses the pair.
        """
        try:
            if self._counts[Key.MASKS] == 0:
                # The first images of a size take longer; that would be the p99 of a short recording.
                self._answer(pair)
            answer = self._answer(pair, partial(self._follower.follow, stamp_ns=pair.thermal.stamp_ns))
        except UndecodableImage as error:
            self._counts[Drop.UNDECODABLE] += 1
            if self._counts[Drop.UNDECODABLE] == 1:
                print(f"the pair at {pair.rgb_stamp} ns cannot be decoded: {error}", file=sys.stderr)
            return
        except ValueError as error:
            raise UserError(f"the pair at {pair.rgb_stamp} ns cannot be segmented: {error}") from error
        if answer is None:
            self._counts[Drop.SHUTTER] += 1
            return
        self._counts[Key.MASKS] += 1
        self._counts[Key.DETECTIONS] += len(answer.detections)
        self._outputs.add(pair.rgb, answer, pair.skew_ns / 1e6)

    def report(self, pairing: Mapping[Key | Drop, int], stamp_ns: int, last: bool = False) -> None:
        """Note the counts so far, by the keys of /diagnostics and at its rate: once a second of the recording.

        Args:
            pairing: `Pairer.counts`.
            stamp_ns: of the newest RGB image.
            last: note them in any case.
        """
        reported = self._reported_ns
        if not last and reported is not None and 0 <= stamp_ns - reported < REPORT_PERIOD_NS:
            return
        self._reported_ns = stamp_ns
        values: dict[str, object] = {
            Key.MODEL: self._settings.model,
            Key.MODEL_HASH: self._segmenter.model_hash,
            Key.DEVICE: self._segmenter.device,
            **{key: number for key, number in pairing.items() if isinstance(key, Key)},
            Key.MASKS: self._counts[Key.MASKS],
            Key.DETECTIONS: self._counts[Key.DETECTIONS],
            **{cause: number for cause, number in pairing.items() if isinstance(cause, Drop)},
            Drop.UNDECODABLE: self._counts[Drop.UNDECODABLE],
            Drop.SHUTTER: self._counts[Drop.SHUTTER],
        }
        self._outputs.add_counts(stamp_ns, values)

    def _answer(
        self, pair: RecordedPair, follow: Callable[[ImagePair], ImagePair | None] | None = None
    ) -> Answer | None:
        messages = pair.rgb.message, pair.thermal.message
        return answer_pair(self._segmenter, self._settings, *messages, self._register, follow, self._palette)


def _registration(settings: Settings) -> Registration | None:
    setup = RegistrationSetup(settings, {"rgb": "rgb/camera_info", "thermal": "thermal/camera_info"})
    if setup.unavailable:
        raise UserError(
            "registration plane needs the camera_infos, which are not read here: "
            "choose homography, or play the recording to the node (evaluate_bag.launch.py)"
        )
    return setup.registration


def pair_images(images: Iterator[RecordedImage], pairer: Pairer) -> Iterator[RecordedPair]:
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
) -> Summary:
    """Segment every pair of a recording.

    Args:
        recording: a rosbag2 with RGB and thermal images.
        settings: the node's parameters; those about time and queues have no meaning here.
        output: folder for masks, mcap and metrics.json, see `rgbt_seg_ros.replay.outputs`.
        rgb_topic: and thermal_topic: as in `recording.find_image_topics`.
        labels: label PNGs by the stamp of the RGB image in nanoseconds.

    Returns:
        What metrics.json holds: `summarize`'s numbers, `host`, and the hashes. `latency_ms` is the time from an RGB
        and a thermal message to mask and detections, the sum of `stages_ms`; nothing waits here.

    Raises:
        UserError: no topics, a damaged recording, no mask, labels of another recording, an output that is in the way.
    """
    topics = find_image_topics(recording, rgb_topic, thermal_topic)
    segmenter = Segmenter.load(
        settings.model, settings.device, settings.precision, thermal=settings.thermal.normalizer
    )
    print(
        f"{recording.path}: {topics['rgb']} and {topics['thermal']}, {settings.model} on {segmenter.device}"
    )
    pairer: NearestPairer[RecordedImage, RecordedImage] = NearestPairer(
        round(settings.sync.max_dt * 1e9),
        round(settings.sync.thermal_time_offset * 1e9),
        # As in mode lossless, one camera's messages may come far ahead of the other's.
        capacity=settings.lossless.depth,
    )
    images = track(
        read_images(recording, rgb_topic, thermal_topic),
        "segmenting",
        total=sum(recording.topics[name].count for name in topics.values()),
    )
    with open_outputs(output, segmenter.class_names) as outputs:
        run = OfflineRun(segmenter, settings, outputs)
        stamp_ns = 0
        for pair in pair_images(iter(images), pairer):
            run.answer(pair)
            stamp_ns = pair.rgb_stamp
            run.report(pairer.counts, stamp_ns)
        _require_pairs(recording, pairer.counts)
        run.report(pairer.counts, stamp_ns, last=True)
    written = read_run(output)
    if not written.masks:
        raise UserError(f"no image pair of {recording.path} could be decoded: see the message above")
    metrics = replace(
        summarize(written, labels),
        recording=recording.path.name,
        host=describe_host(segmenter.device) | {"precision": segmenter.precision},
        mask_hash=outputs.mask_hash,
        bag_hash=recording.content_hash(),
    )
    outputs.write_metrics(metrics)
    return metrics


def _require_pairs(recording: Recording, counts: Mapping[Key | Drop, int]) -> None:
    if counts[Key.PAIRS] > 0:
        return
    causes = ", ".join(
        f"{key.cause if isinstance(key, Drop) else key} {number}" for key, number in counts.items() if number
    )
    raise UserError(
        f"no RGB image of {recording.path} has a thermal partner ({causes}): look at the stamps, "
        "or set --max-dt and --thermal-offset"
    )
