"""From messages to results without ROS: what is answered, what is lost, and that all of it is counted."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from rgbt_seg_ros.answer import Answer
from rgbt_seg_ros.class_selection import ClassSelection
from rgbt_seg_ros.image_codec import EncodedImage, encode_image
from rgbt_seg_ros.image_pair import ImagePair
from rgbt_seg_ros.inference import Job, serve
from rgbt_seg_ros.pipeline import Pipeline
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.serving import InferenceThread
from rgbt_seg_ros.settings import Settings

TIMEOUT = 20.0
PERIOD_NS = 33_333_333
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
                self.pipeline.add_rgb(stamp, rgb)
            if thermal is not None:
                self.pipeline.add_thermal(stamp, thermal)
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
        wait_for(lambda: self.unaccounted() == 0)

    def unaccounted(self) -> float:
        """Pairs and single images neither answered nor counted as lost."""
        values = self.pipeline.values()
        causes = ("superseded", "stale", "undecodable", "failed", "unregistered", "overflow", "deactivated")
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
        inference: InferenceThread[Job] = InferenceThread(partial(serve, segmenter))  # type: ignore[arg-type]
        bench = Setup(inference, segmenter, [], [])
        # The images of most tests are all the same.
        unwatched = {"rgb_stale_after": 0.0, "thermal_stale_after": 0.0}
        bench.pipeline = Pipeline(
            Settings(**{"detections_min_area": 1, **unwatched, **settings}),
            inference,
            deliver=bench.results.append,
            report=lambda cause, sentence: bench.reports.append((cause, sentence)),
            clock_ns=lambda: bench.now_ns,
        )
        made.append(bench)
        bench.send_until_rates_are_known()
        return bench

    yield make
    for each in made:
        each.segmenter.open.release(1000)
        each.inference.stop(TIMEOUT)


def test_a_result_answers_its_rgb_message(setup: Callable[..., Setup]) -> None:
    bench = setup()
    own = EncodedImage(RGB.height, RGB.width, RGB.encoding, RGB.is_bigendian, RGB.step, RGB.data)
    bench.segmenter.open.release(1)
    grown = bench.growth(lambda: (bench.send(1, own), bench.wait_until_idle()))
    result = bench.results[-1]
    assert result.message is own
    assert result.segmentation.mask.shape == result.picture.shape[:2] == (16, 20)
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
    bench.pipeline.settings = replace(bench.pipeline.settings, max_age=0.01)
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
    bench.pipeline.settings = replace(bench.pipeline.settings, detections_min_area=1000)
    bench.segmenter.open.release(1)
    grown = bench.growth(lambda: (bench.send(1), bench.wait_until_idle()))
    assert grown["masks"] == 1
    assert bench.results[-1].detections == []


def test_stop_counts_what_it_leaves_and_can_be_repeated(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless")
    bench.send(4)
    assert bench.segmenter.begun.acquire(timeout=TIMEOUT)
    bench.segmenter.open.release(1)
    bench.inference.stop(TIMEOUT)
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
    for _ in range(30):
        bench.now_ns += 10_000_000
        bench.pipeline.poll()
    bench.segmenter.open.release(10)
    assert (bench.pipeline.values()["pairs"] > pairs) == decided


def test_lossless_reports_images_that_wait_for_the_other_camera_in_vain(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless", lossless_depth=64)
    bench.send(70, thermal=None)
    assert bench.pipeline.values()["dropped.overflow"] > 0
    cause, sentence = bench.reports[0]
    assert cause == "overflow"
    assert "rgb images wait for the other camera's" in sentence


@pytest.mark.parametrize(("dead", "mode"), [("thermal", "rgb_only"), ("rgb", "thermal_only")])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_dead_camera_leaves_the_other_one_alone_until_it_returns(
    setup: Callable[..., Setup], dead: str, mode: str, frozen: bool
) -> None:
    bench = setup(**{f"{dead}_on_missing": mode, f"{dead}_stale_after": 0.5, "max_age": 0.0})
    bench.segmenter.open.release(1000)
    live = {"thermal": RGB, "rgb": THERMAL}[dead]
    noisy = noise({"thermal": THERMAL, "rgb": RGB}[dead])
    bench.send_one_by_one(2, **{dead: next(noisy)})
    silence = {dead: next(noisy) if frozen else None}

    # From the last change on: 15 periods are 0.5 s.
    bench.send_one_by_one(18, **silence)
    grown = bench.growth(lambda: bench.send_one_by_one(60, **silence))
    assert bench.pipeline.cameras()[dead] == ("frozen" if frozen else "missing")
    assert grown["masks"] == grown["alone"] == 60
    assert "pairs" not in grown
    alone = bench.results[-1]
    assert alone.message is live
    assert (alone.images.rgb is None, alone.images.thermal is None) == (dead == "rgb", dead == "thermal")
    assert alone.picture.shape == (*alone.segmentation.mask.shape, 3)

    def return_() -> None:
        for _ in range(30):
            bench.send_one_by_one(1, **{dead: next(noisy)})

    grown = bench.growth(return_)
    # Within a few periods; the first images of the camera that has returned find partners that went alone.
    assert grown["pairs"] >= 27
    assert grown["masks"] == grown["pairs"] + grown.get("alone", 0)
    assert bench.unaccounted_images() == 0
    answered = [id(result) for result in bench.results]
    assert len(answered) == len(set(answered))


def test_after_a_pause_of_both_cameras_none_goes_alone(setup: Callable[..., Setup]) -> None:
    bench = setup(
        thermal_on_missing="rgb_only",
        thermal_stale_after=0.5,
        rgb_on_missing="thermal_only",
        rgb_stale_after=0.5,
    )
    bench.segmenter.open.release(1000)
    rgb, thermal = noise(RGB), noise(THERMAL)
    bench.send_one_by_one(2, rgb=next(rgb), thermal=next(thermal))
    for _ in range(60):
        bench.now_ns += PERIOD_NS
        bench.sent += 1
        bench.pipeline.poll()
    assert bench.pipeline.cameras() == {"rgb": "missing", "thermal": "missing"}

    def come_back() -> None:
        for _ in range(20):
            bench.send_one_by_one(1, rgb=next(rgb), thermal=next(thermal))

    grown = bench.growth(come_back)
    assert "alone" not in grown
    assert grown["masks"] >= 18


def test_a_camera_that_never_sends_is_missing_too(setup: Callable[..., Setup]) -> None:
    bench = setup(thermal_on_missing="rgb_only", thermal_stale_after=0.5)
    bench.pipeline = Pipeline(
        bench.pipeline.settings,
        bench.inference,
        deliver=bench.results.append,
        report=lambda cause, sentence: None,
        clock_ns=lambda: bench.now_ns,
    )
    bench.segmenter.open.release(1000)
    assert bench.pipeline.cameras() == {"rgb": "waiting", "thermal": "waiting"}
    bench.send_one_by_one(15, thermal=None)
    assert bench.pipeline.values()["masks"] == 0
    bench.send_one_by_one(15, thermal=None)
    assert bench.pipeline.cameras() == {"rgb": "ok", "thermal": "missing"}
    assert bench.pipeline.values()["masks"] == bench.pipeline.values()["alone"] == 14
    assert bench.unaccounted_images() == 0


@pytest.mark.parametrize("frozen", [False, True])
def test_without_leave_to_go_alone_a_dead_camera_ends_the_masks(
    setup: Callable[..., Setup], frozen: bool
) -> None:
    bench = setup(thermal_stale_after=0.5)
    bench.segmenter.open.release(1000)
    bench.send_one_by_one(30, thermal=THERMAL if frozen else None)
    grown = bench.growth(lambda: bench.send_one_by_one(30, thermal=THERMAL if frozen else None))
    assert "masks" not in grown
    assert grown.get("dropped.frozen", 0) == (30 if frozen else 0)
    assert bench.unaccounted_images() == 0


def test_a_recording_of_still_pictures_is_answered_in_full(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless", rgb_stale_after=0.5, thermal_stale_after=0.5)
    bench.segmenter.open.release(1000)
    grown = bench.growth(lambda: bench.send_one_by_one(60))
    assert grown["masks"] == 60
    assert bench.pipeline.cameras() == {"rgb": "frozen", "thermal": "frozen"}


def noise(image: EncodedImage) -> Iterator[EncodedImage]:
    """The same image with another first pixel each time."""
    for i in range(10**6):
        yield replace(image, data=bytes([i % 256]) + image.data[1:])


def test_images_of_several_pairs_share_a_batch_and_a_bad_one_costs_its_own_pair(
    setup: Callable[..., Setup],
) -> None:
    front = setup()
    rear, wide = (Setup(front.inference, front.segmenter, [], []) for _ in range(2))
    for each in (rear, wide):
        each.pipeline = Pipeline(
            front.pipeline.settings, front.inference, each.results.append, lambda *_: None, lambda: 0
        )
        each.send_until_rates_are_known()
    front.segmenter.error = RuntimeError("not finite")
    front.segmenter.refused = lambda pair: pair.rgb is not None and pair.rgb[0, 0, 0] == 13
    front.segmenter.batches.clear()
    front.send(1)
    assert front.segmenter.begun.acquire(timeout=TIMEOUT)
    benches = (front, rear, wide)
    done = [len(each.results) for each in benches]
    front.send(1)
    rear.send(1, rgb=encode_image(np.full((16, 20, 3), 13, np.uint8)))
    wide.send(1, rgb=encode_image(np.full((16, 30, 3), 90, np.uint8)))
    front.segmenter.open.release(10)
    for each in benches:
        each.wait_until_idle()
    # One before, two of one size together, each of them again as one was refused, and the one of another size.
    assert [len(batch) for batch in front.segmenter.batches] == [1, 2, 1, 1, 1]
    assert [len(each.results) - before for each, before in zip(benches, done, strict=True)] == [2, 0, 1]
    assert rear.pipeline.values()["dropped.failed"] == 1
    assert wide.results[-1].segmentation.mask.shape == (16, 30)


def test_pairs_wait_in_vain_for_their_registration_and_single_images_do_not(
    setup: Callable[..., Setup],
) -> None:
    bench = setup(thermal_on_missing="rgb_only", thermal_stale_after=0.8)
    bench.segmenter.open.release(1000)
    bench.pipeline.responder.unregistered = "waiting for camera_info"
    assert bench.growth(lambda: bench.send_one_by_one(1))["dropped.unregistered"] == 1
    assert bench.reports[-1] == ("unregistered", "waiting for camera_info")
    grown = bench.growth(lambda: bench.send_one_by_one(40, thermal=None))
    assert grown["masks"] == grown["alone"] > 0


def test_a_size_change_is_reported_and_answered(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.open.release(1000)
    wide = encode_image(np.full((8, 12), 30, np.uint8))
    grown = bench.growth(lambda: bench.send_one_by_one(2, thermal=wide))
    assert (grown["masks"], grown["size_changes"]) == (2, 1)
    assert bench.reports == [("size change", "the thermal images are 12x8 now and were 10x8")]


def test_a_registration_that_does_not_fit_costs_its_pair_only(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.open.release(1000)

    def refuse(thermal: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError("the proportions differ")

    bench.pipeline.responder.register = refuse
    assert bench.growth(lambda: bench.send_one_by_one(1))["dropped.unregistered"] == 1
    assert bench.reports == [("unregistered", "the proportions differ")]


def test_thermal_pixels_are_registered_and_their_holes_missing(setup: Callable[..., Setup]) -> None:
    bench = setup()
    bench.segmenter.open.release(1000)

    def register(thermal: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        valid = np.zeros(size, bool)
        valid[:, :5] = True
        return np.full(size, thermal[0, 0]), valid

    bench.pipeline.responder.register = register
    bench.send_one_by_one(1)
    images = bench.results[-1].images
    assert images.thermal is not None
    assert images.thermal_valid is not None
    assert images.thermal.shape == images.thermal_valid.shape == (16, 20)
    assert images.thermal_valid.sum() == 16 * 5
