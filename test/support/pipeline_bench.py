"""A pipeline without ROS between a hand that sends and a segmenter that waits to be let through.

So each order of things between its two threads can be made, in milliseconds; `node_bench` surrounds a whole node.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from settings_of import settings_of
from waiting import wait_for

from rgbt_seg_ros.images.codec import EncodedImage, encode_image
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer
from rgbt_seg_ros.pipeline.answer import Answer
from rgbt_seg_ros.pipeline.inference_thread import InferenceThread
from rgbt_seg_ros.pipeline.pipeline import Pipeline
from rgbt_seg_ros.pipeline.responder import Job, answer_jobs
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.segmenter.class_selection import ClassSelection

TIMEOUT = 20.0
PERIOD_NS = 33_333_333
MAX_DT_NS = 50_000_000
RGB = encode_image(np.full((16, 20, 3), 90, np.uint8))
THERMAL = encode_image(np.full((8, 10), 30, np.uint8))
CLASSES = ClassSelection(("unlabeled", "person"), ("person",))


class GatedSegmenter:
    """Calls every pixel a person once it is let through; raises where told. `batches` lists what it was asked."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Semaphore(0)
        self.error: Exception | None = None
        self.refused: Callable[[ImagePair], bool] = lambda pair: True
        self.batches: list[Sequence[ImagePair]] = []

    def segment(self, pairs: Sequence[ImagePair]) -> list[Segmentation]:
        self.begun.release()
        assert self.open.acquire(timeout=TIMEOUT)
        self.batches.append(pairs)
        if self.error is not None and any(self.refused(pair) for pair in pairs):
            raise self.error
        ones = [np.ones(pair.size, np.uint8) for pair in pairs]
        return [Segmentation(mask, mask.astype(np.float32), {"inference": 1.0}, CLASSES) for mask in ones]


@dataclass
class Setup:
    """A pipeline, its segmenter, and what came out of it; the node's clock goes on by a period with each pair."""

    inference: InferenceThread[Job]
    segmenter: GatedSegmenter
    results: list[Answer]
    reports: list[tuple[str, str]]
    pipeline: Pipeline = None  # type: ignore[assignment]
    sent: int = 0
    now_ns: int = 0

    def send(self, pairs: int, rgb: Any = RGB, thermal: Any = THERMAL) -> None:
        """Send pairs with equal stamps, which are decided as soon as both images are there; None sends none."""
        for _ in range(pairs):
            stamp = self.sent * PERIOD_NS
            self.sent += 1
            self.now_ns += PERIOD_NS
            if rgb is not None:
                self.pipeline.add("rgb", stamp, rgb)
            if thermal is not None:
                self.pipeline.add("thermal", stamp, thermal)
            self.pipeline.poll()

    def send_one_by_one(self, pairs: int, **images: Any) -> None:
        """Send pairs and wait for each to be answered or lost."""
        for _ in range(pairs):
            self.send(1, **images)
            self.wait_until_idle()

    def send_until_rates_are_known(self) -> None:
        """The pairer holds the first images back; send and answer enough for later pairs to be decided at once."""
        self.segmenter.open.release(1000)
        self.send(20)
        self.wait_until_idle()
        while self.segmenter.open.acquire(blocking=False):
            pass
        while self.segmenter.begun.acquire(blocking=False):
            pass

    def wait_until_idle(self) -> None:
        wait_for(lambda: self.unaccounted() == 0, "an answer to everything")

    def unaccounted(self) -> float:
        """Pairs and single images neither answered nor counted as lost."""
        values = self.pipeline.values()
        causes = (
            *("superseded", "stale", "undecodable", "failed", "unregistered", "overflow", "deactivated"),
            *("paused", "over_max_rate"),
        )
        lost = sum(values.get(f"dropped.{cause}", 0) for cause in causes)
        return values["pairs"] + values["alone"] - values["masks"] - lost

    def unaccounted_images(self) -> float:
        """Images neither in a pair, nor answered alone, nor counted as lost, nor waiting."""
        values = self.pipeline.values()
        causes = ("no_partner", "over_max_dt", "surplus", "late", "duplicate", "out_of_order", "frozen")
        used = 2 * values["pairs"] - values["reused"] + values["alone"] + values["unpaired"]
        lost = sum(values.get(f"dropped.{cause}", 0) for cause in causes)
        return values["rgb_in"] + values["thermal_in"] - used - lost

    def growth(self, action: Callable[[], None]) -> dict[str, float]:
        """What an action adds to the counters."""
        before = self.pipeline.values()
        action()
        after = self.pipeline.values()
        return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


@contextmanager
def setups() -> Iterator[Callable[..., Setup]]:
    """``make(parameter=value, ...)`` gives a pipeline with these settings; all end with the context."""
    made: list[Setup] = []

    def make(**settings: Any) -> Setup:
        segmenter = GatedSegmenter()
        inference: InferenceThread[Job] = InferenceThread(partial(answer_jobs, segmenter))  # type: ignore[arg-type]
        bench = Setup(inference, segmenter, [], [])
        # The images of most tests are all the same, and a busy machine may keep a pair from its turn.
        unwatched = {"rgb__stale_after": 0.0, "thermal__stale_after": 0.0, "max_age": 0.0}
        bench.pipeline = Pipeline(
            settings_of(**{"detections__min_area": 1, **unwatched, **settings}),
            NearestPairer(MAX_DT_NS),
            inference,
            deliver=bench.results.append,
            report=lambda cause, sentence: bench.reports.append((cause, sentence)),
            clock_ns=lambda: bench.now_ns,
        )
        made.append(bench)
        bench.send_until_rates_are_known()
        return bench

    try:
        yield make
    finally:
        for each in made:
            each.segmenter.open.release(1000)
            each.inference.stop(TIMEOUT)


def noise(image: EncodedImage) -> Iterator[EncodedImage]:
    """The same image with another first pixel each time."""
    for i in range(10**6):
        yield replace(image, data=bytes([i % 256]) + image.data[1:])
