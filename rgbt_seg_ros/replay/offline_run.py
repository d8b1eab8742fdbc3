"""Every pair of a recording through the node's own pipeline, without ROS."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.progress import track

from rgbt_seg_ros.bags.image_topics import Kind, image_transports
from rgbt_seg_ros.bags.reader import RecordedImage, Recording, read_topics
from rgbt_seg_ros.bags.stamps import choose_stamps
from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import describe_host
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.images.codec import UndecodableImage
from rgbt_seg_ros.masks.tracking import check_tracking
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer, Pair
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.pipeline.answer import SeenPalette, answer_pair
from rgbt_seg_ros.pipeline.loading import load_segmenter
from rgbt_seg_ros.pipeline.objects import ObjectFinder
from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.pipeline.thermal_limits import ThermalFollower
from rgbt_seg_ros.registration.rules import Registration
from rgbt_seg_ros.replay.alone import alone_after, mark_alone
from rgbt_seg_ros.replay.gaps import RecordingGaps
from rgbt_seg_ros.replay.outputs import OfflineOutputs, open_outputs
from rgbt_seg_ros.replay.topics import topics_of
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
        self._finder = ObjectFinder()
        if settings.tracking.enabled:
            check_tracking()
        self._outputs = outputs
        self._counts: Counter[Key | Drop] = Counter()
        self._reported_ns: int | None = None

    def answer(self, pair: RecordedPair) -> None:
        """Segment one pair; an image that cannot be decoded is said, counted, and costs this pair only.

        Raises:
            UserError: the segmenter refuses the pair.
        """
        rgb, thermal = pair.rgb, pair.thermal
        self._answer("pair", rgb, rgb.message, thermal.message, pair.skew_ns / 1e6, thermal.stamp_ns)

    def answer_alone(self, image: RecordedImage) -> None:
        """Segment an image while the other camera is missing, as `answer` does with a pair."""
        self._counts[Key.ALONE] += 1
        self._counts[Key.RGB_IN if image.kind == "rgb" else Key.THERMAL_IN] += 1
        rgb, thermal = (image.message, None) if image.kind == "rgb" else (None, image.message)
        self._answer(f"{image.kind} image", image, rgb, thermal, None, image.stamp_ns)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to answer."""
        return not (self._counts[Key.MASKS] or self._counts[Drop.UNDECODABLE])

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
            Key.RUNTIME: self._segmenter.runtime,
            **{key: number + self._counts[key] for key, number in pairing.items() if isinstance(key, Key)},
            **({Key.ALONE: self._counts[Key.ALONE]} if self._counts[Key.ALONE] else {}),
            Key.MASKS: self._counts[Key.MASKS],
            Key.DETECTIONS: self._counts[Key.DETECTIONS],
            **{cause: number for cause, number in pairing.items() if isinstance(cause, Drop)},
            Drop.UNDECODABLE: self._counts[Drop.UNDECODABLE],
            Drop.SHUTTER: self._counts[Drop.SHUTTER],
        }
        self._outputs.add_counts(stamp_ns, values)

    def _answer(
        self,
        what: str,
        source: RecordedImage,
        rgb: Any,
        thermal: Any,
        skew_ms: float | None,
        thermal_stamp_ns: int,
    ) -> None:
        try:
            if self._counts[Key.MASKS] == 0:
                # The first images of a size take longer; that would be the p99 of a short recording.
                answer_pair(self._segmenter, self._settings, rgb, thermal, self._register)
            follow = partial(self._follower.follow, stamp_ns=thermal_stamp_ns)
            answer = answer_pair(
                self._segmenter,
                self._settings,
                rgb,
                thermal,
                self._register,
                follow,
                self._palette,
                self._finder,
                source.stamp_ns,
            )
        except UndecodableImage as error:
            self._counts[Drop.UNDECODABLE] += 1
            if self._counts[Drop.UNDECODABLE] == 1:
                print(f"the {what} at {source.stamp_ns} ns cannot be decoded: {error}", file=sys.stderr)
            return
        except ValueError as error:
            raise UserError(f"the {what} at {source.stamp_ns} ns cannot be segmented: {error}") from error
        if answer is None:
            self._counts[Drop.SHUTTER] += 1
            return
        self._counts[Key.MASKS] += 1
        self._counts[Key.DETECTIONS] += len(answer.detections)
        self._outputs.add(source, answer, skew_ms)


def _registration(settings: Settings) -> Registration | None:
    setup = RegistrationSetup(settings, {"rgb": "rgb/camera_info", "thermal": "thermal/camera_info"})
    if setup.unavailable:
        raise UserError(
            "registration plane needs the camera_infos, which are not read here: "
            "choose homography, or play the recording to the node (evaluate_bag.launch.py)"
        )
    return setup.registration


def pair_images(
    images: Iterator[RecordedImage], pairer: Pairer, alone_after_ns: Mapping[Kind, int] = MappingProxyType({})
) -> Iterator[RecordedPair | RecordedImage]:
    """Pairs of a recording's images, in the order in which they are decided, and images that are answered alone.

    Args:
        images: in order of reception.
        pairer: gets all images but those alone.
        alone_after_ns: as in `mark_alone`.
    """
    for image, is_alone in mark_alone(images, alone_after_ns):
        if is_alone:
            yield image
        else:
            add = pairer.add_rgb if image.kind == "rgb" else pairer.add_thermal
            yield from add(image.time_ns, image)
    yield from pairer.flush()


def segment_recording(
    recording: Recording,
    settings: Settings,
    output: Path,
    rgb_topic: str | None = None,
    thermal_topic: str | None = None,
    labels: Mapping[int, Path] | None = None,
    stamps: str = "auto",
    segmenter: Segmenter | None = None,
    quiet: bool = False,
) -> Summary:
    """Segment every pair of a recording, and the images of a camera alone where the settings say so.

    Args:
        recording: with RGB and thermal images.
        settings: the node's parameters; those about queues and transports have no meaning here.
        output: folder for masks, mcap and metrics.json, see `rgbt_seg_ros.replay.outputs`.
        rgb_topic: and thermal_topic: as in `find_image_topics`.
        labels: label PNGs by the stamp of the RGB image in nanoseconds.
        stamps: one of `rgbt_seg_ros.bags.choices.STAMPS`.
        segmenter: of these settings, loaded for a recording before; None: it is loaded.
        quiet: show no progress.

    Returns:
        What metrics.json holds: `summarize`'s numbers, `host`, and the hashes. `latency_ms` is the time from an RGB
        and a thermal message to mask and detections, the sum of `stages_ms`; nothing waits here.

    Raises:
        UserError: no topics, a damaged recording, no mask, labels of another recording, an output that is in the way.
    """
    topics = topics_of(recording, settings, rgb_topic, thermal_topic)
    times = choose_stamps(recording, topics, stamps)
    if times.note:
        print(printable(times.note), file=sys.stderr)
    transports = image_transports(recording, topics)
    settings = replace(
        settings,
        rgb_transport=transports.get("rgb", "raw"),
        thermal_transport=transports.get("thermal", "raw"),
    )
    segmenter = segmenter or load_segmenter(settings)
    if segmenter.runtime_note:
        print(printable(segmenter.runtime_note), file=sys.stderr)
    names = " and ".join(topics.values())
    print(printable(f"{recording.path}: {names}, {settings.model} on {segmenter.device}"))
    pairer: NearestPairer[RecordedImage, RecordedImage] = NearestPairer(
        round(settings.sync.max_dt * 1e9),
        round(settings.sync.thermal_time_offset * 1e9),
        # As in mode lossless, one camera's messages may come far ahead of the other's.
        capacity=settings.lossless.depth,
    )
    gaps = RecordingGaps()
    images = track(
        gaps.watch(read_topics(recording, topics, times)),
        "segmenting",
        total=sum(recording.topics[name].count for name in topics.values()),
        disable=quiet,
    )
    with open_outputs(output, segmenter.class_names) as outputs:
        run = OfflineRun(segmenter, settings, outputs)
        stamp_ns = 0
        for found in pair_images(iter(images), pairer, alone_after(settings, topics)):
            if isinstance(found, Pair):
                run.answer(found)
                stamp_ns = found.rgb.stamp_ns
            else:
                run.answer_alone(found)
                stamp_ns = found.stamp_ns
            run.report({**pairer.counts, **gaps.counts}, stamp_ns)
        if run.is_empty:
            raise _no_pairs(recording, pairer.counts)
        run.report({**pairer.counts, **gaps.counts}, stamp_ns, last=True)
    written = read_run(output)
    if not written.masks:
        raise UserError(f"no image pair of {recording.path} could be decoded: see the message above")
    notes = [note for note in (*recording.notes, times.note) if note]
    metrics = replace(
        summarize(written, labels),
        recording=recording.path.name,
        note=" ".join(f"{note}." for note in notes) or None,
        host=describe_host(segmenter.device)
        | {"precision": segmenter.precision, "runtime": segmenter.runtime},
        mask_hash=outputs.mask_hash,
        bag_hash=recording.content_hash(),
    )
    outputs.write_metrics(metrics)
    return metrics


def _no_pairs(recording: Recording, counts: Mapping[Key | Drop, int]) -> UserError:
    causes = ", ".join(
        f"{key.cause if isinstance(key, Drop) else key} {number}" for key, number in counts.items() if number
    )
    return UserError(
        f"no RGB image of {recording.path} has a thermal partner ({causes}): look at the stamps, "
        "or set --max-dt and --thermal-offset, or pair by the time of reception with --stamps receive"
    )
