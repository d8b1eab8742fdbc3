"""What the inference thread does: jobs of one or several camera pairs become answers, in batches; no rclpy."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rgbt_seg_ros.base.diagnostics import Drop, Key, Stage
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.pipeline.answer import (
    Answer,
    Register,
    SeenPalette,
    complete_answer,
    decode_images,
    register_thermal,
)
from rgbt_seg_ros.pipeline.objects import ObjectFinder
from rgbt_seg_ros.pipeline.statistics import Statistics
from rgbt_seg_ros.pipeline.thermal_limits import ThermalFollower
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.segmenter.devices import is_out_of_memory, release_cached_memory
from rgbt_seg_ros.settings import Settings


@dataclass(frozen=True)
class ReceivedImage:
    """An image message, its stamp [ns], and when it came by the monotonic clock [ns]."""

    message: Any
    stamp_ns: int
    arrived_ns: int


class Responder:
    """How the jobs of one camera pair are answered; `open` and `close` are called in the inference thread.

    Attributes:
        settings: may be replaced at any time; live parameters take effect on the next job.
        register: see `register_thermal`; may be replaced at any time.
        unregistered: why a pair cannot be registered yet, in one sentence; pairs are dropped while it is not empty.
        report: told the cause and one sentence of everything that goes wrong.
        inform: told a sentence of what is worth knowing, in the inference thread.

    Args:
        deliver: publishes an answer.
        clock_ns: the node's clock [ns], for rates.
    """

    def __init__(
        self,
        settings: Settings,
        statistics: Statistics,
        deliver: Callable[[Answer], None],
        report: Callable[[str, str], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self.settings = settings
        self.register: Register | None = None
        self.unregistered = ""
        self.report = report
        self.inform: Callable[[str], None] = lambda sentence: None
        self._statistics = statistics
        self._deliver = deliver
        self._clock_ns = clock_ns
        self._sizes: dict[str, str] = {}
        self._follower = ThermalFollower(settings.thermal.normalizer, settings.thermal.time_constant)
        self._defects_said = False
        self._finder = ObjectFinder()
        self._palette = SeenPalette(lambda sentence: self.inform(sentence))

    def open(self, job: "Job") -> "OpenJob | None":
        """Decode and register a job's images; None, and counted, if it is too old or that fails."""
        waited_s = (time.monotonic_ns() - job.arrived_ns) / 1e9
        if not self.settings.is_lossless and 0 < self.settings.max_age < waited_s:
            self._statistics.count(Drop.STALE)
            return None
        if self.unregistered and job.rgb is not None and job.thermal is not None:
            self.lose(Drop.UNREGISTERED, self.unregistered)
            return None
        started = time.perf_counter()
        rgb = job.rgb.message if job.rgb is not None else None
        thermal = job.thermal.message if job.thermal is not None else None
        try:
            images, defects = decode_images(self.settings, rgb, thermal, self._palette)
        except ValueError as error:
            self.lose(Drop.UNDECODABLE, str(error))
            return None
        self._note_sizes(images)
        self._note_defects(images, defects)
        try:
            images = register_thermal(images, self.register)
        except ValueError as error:
            self.lose(Drop.UNREGISTERED, str(error))
            return None
        if job.thermal is not None:
            followed = self._follower.follow(images, job.thermal.stamp_ns)
            if followed is None:
                self._statistics.count(Key.SHUTTER)
                if rgb is None or self.settings.thermal.on_missing == "drop":
                    self._statistics.count(Drop.SHUTTER)
                    return None
            images = followed or ImagePair(images.rgb, None)
        return OpenJob(job, images, 1e3 * (time.perf_counter() - started))

    def close(self, opened: "OpenJob", segmentation: Segmentation) -> None:
        """Make the answer, deliver it and count it."""
        job = opened.job
        try:
            answer = complete_answer(
                self.settings,
                job.answered.message,
                opened.images,
                opened.decode_ms,
                segmentation,
                self._finder,
                job.answered.stamp_ns,
            )
            answered = time.perf_counter()
            self._deliver(answer)
        except Exception as error:
            self.lose(Drop.FAILED, f"{type(error).__name__}: {error}")
            return
        stages = {**answer.stage_ms, Stage.PUBLISH: 1e3 * (time.perf_counter() - answered)}
        # Of all pixels it is computed when it is published, but the model's work it is.
        stages[Stage.PUBLISH] -= segmentation.confidence_ms
        stages[Stage.POSTPROCESS] = stages.get(Stage.POSTPROCESS, 0.0) + segmentation.confidence_ms
        for stage, milliseconds in stages.items():
            self._statistics.record(Key.STAGE_MS.of(stage), milliseconds)
        self._statistics.record(Key.LATENCY_MS, (time.monotonic_ns() - job.arrived_ns) / 1e6)
        self._statistics.tick(Key.MASK_HZ, self._clock_ns())
        self._statistics.count(Key.DETECTIONS, len(answer.detections))
        self._statistics.count(Key.MASKS)

    def lose(self, cause: Drop, sentence: str) -> None:
        """Count and report a job that an error has cost."""
        self._statistics.count(cause)
        self.report(cause.cause, sentence)

    def _note_defects(self, images: ImagePair, defects: int) -> None:
        """Tell how many thermal pixels are no temperatures, and report it the first time."""
        if images.thermal is None:
            return
        self._statistics.note(Key.INVALID_PIXELS, defects)
        if defects and not self._defects_said:
            self._defects_said = True
            self.report(
                "thermal pixels",
                f"{defects} of {images.thermal.size} are no temperatures (telemetry, border, dead or saturated pixels) "
                "and are filled or left out; see thermal.crop and thermal.invalid",
            )

    def _note_sizes(self, images: ImagePair) -> None:
        """Count and report that a camera's images have changed their size, which no living camera does by itself."""
        for camera, image in (("RGB", images.rgb), ("thermal", images.thermal)):
            if image is None:
                continue
            size, before = f"{image.shape[1]}x{image.shape[0]}", self._sizes.get(camera)
            self._sizes[camera] = size
            if before not in (None, size):
                self._statistics.count(Key.SIZE_CHANGES)
                self.report("size change", f"the {camera} images are {size} now and were {before}")


@dataclass(frozen=True)
class Job:
    """Images of one camera pair that are answered together; one of them is None where its camera is missing."""

    responder: Responder
    rgb: ReceivedImage | None
    thermal: ReceivedImage | None

    @property
    def answered(self) -> ReceivedImage:
        """The image that the answer belongs to: RGB, or thermal without it."""
        image = self.thermal if self.rgb is None else self.rgb
        assert image is not None
        return image

    @property
    def arrived_ns(self) -> int:
        """When the last of its images came, by the monotonic clock."""
        return max(image.arrived_ns for image in (self.rgb, self.thermal) if image is not None)


@dataclass(frozen=True)
class OpenJob:
    """A job with its images decoded."""

    job: Job
    images: ImagePair
    decode_ms: float


def answer_jobs(segmenter: Segmenter, jobs: Sequence[Job]) -> None:
    """Answer jobs, those with images of one size in one batch; whatever goes wrong with a job costs that job only.

    The answers are those of each job by itself but for the rounding of sums, which a batch orders differently.
    """
    batches: dict[tuple[int, int], list[OpenJob]] = defaultdict(list)
    for job in jobs:
        try:
            opened = job.responder.open(job)
        except Exception as error:
            job.responder.lose(Drop.FAILED, f"{type(error).__name__}: {error}")
            continue
        if opened is not None:
            batches[opened.images.size].append(opened)
    for batch in batches.values():
        _answer(segmenter, batch)


def _answer(segmenter: Segmenter, batch: Sequence[OpenJob]) -> None:
    try:
        segmentations = segmenter.segment([opened.images for opened in batch])
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
        out_of_memory = is_out_of_memory(error)
    else:
        for opened, segmentation in zip(batch, segmentations, strict=True):
            opened.job.responder.close(opened, segmentation)
        return
    # The error is gone here, and with it the tensors of the failed run.
    if out_of_memory:
        release_cached_memory()
    if len(batch) == 1:
        batch[0].job.responder.lose(Drop.FAILED, failure)
        return
    for opened in batch:
        _answer(segmenter, [opened])
