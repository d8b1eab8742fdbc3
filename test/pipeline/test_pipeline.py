"""From messages to results without ROS: what is answered, what is lost, and that all of it is counted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from pipeline_bench import MAX_DT_NS, PERIOD_NS, RGB, THERMAL, TIMEOUT, Setup, setups
from settings_of import settings_of

from rgbt_seg_ros.images.codec import EncodedImage, encode_image
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer
from rgbt_seg_ros.pipeline.pipeline import Pipeline


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    with setups() as make:
        yield make


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
    bench = setup(mode="lossless", lossless__depth=20, max_age=0.001)
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


def test_an_image_above_the_limit_costs_its_pair_only(setup: Callable[..., Setup]) -> None:
    bench = setup(max_pixels=RGB.width * RGB.height)
    large = EncodedImage(RGB.height + 1, RGB.width, "rgb8", 0, RGB.step, RGB.data + bytes(RGB.step))
    grown = bench.growth(lambda: (bench.send(1, large), bench.wait_until_idle()))
    assert grown["dropped.undecodable"] == 1
    assert "is 20 x 17 pixels, more than max_pixels (320)" in bench.reports[-1][1]
    bench.segmenter.open.release(2)
    assert bench.growth(lambda: (bench.send(1), bench.wait_until_idle()))["masks"] == 1
    # The parameter is live.
    bench.pipeline.settings = replace(bench.pipeline.settings, max_pixels=1000)
    assert bench.growth(lambda: (bench.send(1, large), bench.wait_until_idle()))["masks"] == 1


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
    bench.pipeline.settings = settings_of(detections__min_area=1000)
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
    bench.pipeline.add("rgb", bench.sent * PERIOD_NS, RGB)
    bench.pipeline.add("thermal", bench.sent * PERIOD_NS - 5_000_000, THERMAL)
    for _ in range(30):
        bench.now_ns += 10_000_000
        bench.pipeline.poll()
    bench.segmenter.open.release(10)
    assert (bench.pipeline.values()["pairs"] > pairs) == decided


def test_lossless_reports_images_that_wait_for_the_other_camera_in_vain(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless", lossless__depth=64)
    bench.send(70, thermal=None)
    assert bench.pipeline.values()["dropped.overflow"] > 0
    cause, sentence = bench.reports[0]
    assert cause == "overflow"
    assert "rgb images wait for the other camera's" in sentence


def test_images_of_several_pairs_share_a_batch_and_a_bad_one_costs_its_own_pair(
    setup: Callable[..., Setup],
) -> None:
    front = setup()
    rear, wide = (Setup(front.inference, front.segmenter, [], []) for _ in range(2))
    for each in (rear, wide):
        each.pipeline = Pipeline(
            front.pipeline.settings,
            NearestPairer(MAX_DT_NS),
            front.inference,
            each.results.append,
            lambda *_: None,
            lambda: 0,
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
    bench = setup(thermal__on_missing="rgb_only", thermal__stale_after=0.8)
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


def test_paused_and_surplus_pairs_are_counted_and_cost_nothing(setup: Callable[..., Setup]) -> None:
    bench = setup()
    asked = len(bench.segmenter.batches)
    bench.pipeline.paused = True
    grown = bench.growth(lambda: bench.send(5))
    assert (grown["pairs"], grown["dropped.paused"]) == (5, 5)
    bench.pipeline.paused = False
    # One an hour: the first one passes.
    bench.pipeline.settings = replace(bench.pipeline.settings, max_rate=1 / 3600)
    bench.segmenter.open.release(10)
    grown = bench.growth(lambda: (bench.send(5), bench.wait_until_idle()))
    assert (grown["masks"], grown["dropped.over_max_rate"]) == (1, 4)
    assert len(bench.segmenter.batches) == asked + 1
    assert bench.unaccounted() == 0
