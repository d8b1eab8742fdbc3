"""From messages to results without ROS: what is answered, what is lost, and that all of it is counted."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rgbt_seg_ros.answer import Answer
from rgbt_seg_ros.class_selection import ClassSelection
from rgbt_seg_ros.image_codec import EncodedImage, encode_image
from rgbt_seg_ros.pipeline import Pipeline
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.settings import Settings

TIMEOUT = 20.0
PERIOD_NS = 33_333_333
RGB = encode_image(np.full((6, 8, 3), 90, np.uint8))
THERMAL = encode_image(np.full((3, 4), 30, np.uint8))


class GatedSegmenter:
    """Calls every pixel a person once it is let through; raises where told."""

    class_names = ("unlabeled", "person")
    thing_classes = ("person",)

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Semaphore(0)
        self.error: Exception | None = None

    def __call__(self, rgb: np.ndarray, thermal: np.ndarray) -> Segmentation:
        self.begun.release()
        assert self.open.acquire(timeout=TIMEOUT)
        if self.error is not None:
            raise self.error
        ones = np.ones(rgb.shape[:2], np.uint8)
        classes = ClassSelection(self.class_names, self.thing_classes)
        return Segmentation(ones, ones.astype(np.float32), {"inference": 1.0}, classes)


@dataclass
class Setup:
    """A pipeline, its segmenter, and what came out of it."""

    pipeline: Pipeline
    segmenter: GatedSegmenter
    results: list[Answer]
    reports: list[tuple[str, str]]
    sent: int = 0

    def send(self, pairs: int, rgb: Any = RGB) -> None:
        """Send pairs with equal stamps, which are decided as soon as both images are there."""
        for _ in range(pairs):
            stamp = self.sent * PERIOD_NS
            self.sent += 1
            self.pipeline.add_rgb(stamp, rgb)
            self.pipeline.add_thermal(stamp, THERMAL)

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
        wait_for(lambda: self.unaccounted() == 0)

    def unaccounted(self) -> float:
        """Pairs neither answered nor counted as lost."""
        values = self.pipeline.values()
        causes = ("superseded", "stale", "undecodable", "failed", "overflow", "deactivated")
        return values["pairs"] - values["masks"] - sum(values.get(f"dropped.{cause}", 0) for cause in causes)

    def growth(self, action: Callable[[], None]) -> dict[str, float]:
        """What an action adds to the counters."""
        before = self.pipeline.values()
        action()
        after = self.pipeline.values()
        return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    made: list[Setup] = []

    def make(**settings: Any) -> Setup:
        segmenter = GatedSegmenter()
        results: list[Answer] = []
        reports: list[tuple[str, str]] = []
        pipeline = Pipeline(
            segmenter,  # type: ignore[arg-type]
            Settings(detections_min_area=1, **settings),
            deliver=results.append,
            report=lambda cause, sentence: reports.append((cause, sentence)),
            clock_ns=time.monotonic_ns,
        )
        made.append(Setup(pipeline, segmenter, results, reports))
        made[-1].send_until_rates_are_known()
        return made[-1]

    yield make
    for each in made:
        each.segmenter.open.release(1000)
        each.pipeline.stop()


def test_a_result_answers_its_rgb_message(setup: Callable[..., Setup]) -> None:
    bench = setup()
    own = EncodedImage(RGB.height, RGB.width, RGB.encoding, RGB.is_bigendian, RGB.step, RGB.data)
    bench.segmenter.open.release(1)
    grown = bench.growth(lambda: (bench.send(1, own), bench.wait_until_idle()))
    result = bench.results[-1]
    assert result.rgb_message is own
    assert result.segmentation.mask.shape == result.rgb.shape[:2] == (6, 8)
    assert [detection.class_name for detection in result.detections] == ["person"]
    assert (grown["masks"], grown["detections"]) == (1, 1)


def test_under_overload_the_newest_pair_is_answered_and_the_others_counted(
    setup: Callable[..., Setup],
) -> None:
    bench = setup()
    done = len(bench.results)
    bench.send(1)
    assert bench.segmenter.begun.acquire(timeout=TIMEOUT)
    grown = bench.growth(lambda: bench.send(7))
    assert grown["dropped.superseded"] == 6
    # The one under way and the one in the mailbox.
    assert bench.pipeline.values()["waiting"] == 2
    bench.segmenter.open.release(2)
    bench.wait_until_idle()
    assert len(bench.results) == done + 2


def test_a_pair_that_waited_too_long_is_stale(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.send(1)
    assert bench.segmenter.begun.acquire(timeout=TIMEOUT)
    bench.pipeline.settings = Settings(max_age=0.01)
    bench.send(1)
    time.sleep(0.02)
    bench.segmenter.open.release(2)
    grown = bench.growth(bench.wait_until_idle)
    assert (grown["masks"], grown["dropped.stale"]) == (1, 1)


def test_lossless_keeps_all_in_order_and_reports_what_does_not_fit(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless", lossless_depth=20, max_age=0.001)
    done = len(bench.results)
    bench.send(1)
    assert bench.segmenter.begun.acquire(timeout=TIMEOUT)
    grown = bench.growth(lambda: bench.send(22))
    assert grown["dropped.overflow"] == 2
    assert [cause for cause, _ in bench.reports] == ["overflow", "overflow"]
    bench.segmenter.open.release(100)
    bench.wait_until_idle()
    assert len(bench.results) == done + 21


def test_an_undecodable_image_costs_its_pair_only(setup: Callable[..., Setup]) -> None:
    bench = setup()
    broken = EncodedImage(RGB.height, RGB.width, "yuv422", 0, RGB.step, RGB.data)
    grown = bench.growth(lambda: (bench.send(1, broken), bench.wait_until_idle()))
    assert grown["dropped.undecodable"] == 1
    assert "yuv422" in bench.reports[-1][1]
    bench.segmenter.open.release(1)
    assert bench.growth(lambda: (bench.send(1), bench.wait_until_idle()))["masks"] == 1


def test_a_failing_network_costs_its_pair_only(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.error = RuntimeError("out of memory")
    bench.segmenter.open.release(1)
    grown = bench.growth(lambda: (bench.send(1), bench.wait_until_idle()))
    assert grown["dropped.failed"] == 1
    assert bench.reports[-1] == ("failed", "RuntimeError: out of memory")
    bench.segmenter.error = None
    bench.segmenter.open.release(1)
    assert bench.growth(lambda: (bench.send(1), bench.wait_until_idle()))["masks"] == 1


def test_live_settings_act_on_the_next_pair(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.pipeline.settings = Settings(detections_min_area=100)
    bench.segmenter.open.release(1)
    grown = bench.growth(lambda: (bench.send(1), bench.wait_until_idle()))
    assert grown["masks"] == 1
    assert bench.results[-1].detections == []


def test_stop_counts_what_it_leaves_and_can_be_repeated(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless")
    bench.send(4)
    assert bench.segmenter.begun.acquire(timeout=TIMEOUT)
    bench.segmenter.open.release(1)
    bench.pipeline.stop()
    assert bench.pipeline.values()["dropped.deactivated"] == 3
    assert bench.unaccounted() == 0
    bench.pipeline.stop()
    assert bench.pipeline.values()["dropped.deactivated"] == 3


def test_images_lost_by_the_middleware_are_errors_in_lossless_mode_only(setup: Callable[..., Setup]) -> None:
    for mode, reports in (("latest", 0), ("lossless", 1)):
        bench = setup(mode=mode)
        bench.pipeline.add_lost(3)
        assert bench.pipeline.values()["dropped.lost"] == 3
        assert len(bench.reports) == reports


@pytest.mark.parametrize(("mode", "decided"), [("latest", True), ("lossless", False)])
def test_only_latest_mode_decides_before_the_successors_come(
    setup: Callable[..., Setup], mode: str, decided: bool
) -> None:
    bench = setup(mode=mode)
    pairs = bench.pipeline.values()["pairs"]
    # The partner may still come, as far as stamps tell, but it does not.
    bench.pipeline.add_rgb(bench.sent * PERIOD_NS, RGB)
    bench.pipeline.add_thermal(bench.sent * PERIOD_NS - 5_000_000, THERMAL)
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        bench.pipeline.poll()
        time.sleep(0.01)
    bench.segmenter.open.release(10)
    assert (bench.pipeline.values()["pairs"] > pairs) == decided
