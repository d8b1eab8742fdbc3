"""What a pipeline without ROS makes of cameras that die, freeze, pause and return."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pipeline_bench import MAX_DT_NS, PERIOD_NS, RGB, THERMAL, Setup, noise, setups

from rgbt_seg_ros.images.codec import encode_image
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer
from rgbt_seg_ros.pipeline.pipeline import Pipeline


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    with setups() as make:
        yield make


@pytest.mark.parametrize(("dead", "mode"), [("thermal", "rgb_only"), ("rgb", "thermal_only")])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_dead_camera_leaves_the_other_one_alone_until_it_returns(
    setup: Callable[..., Setup], dead: str, mode: str, frozen: bool
) -> None:
    bench = setup(**{f"{dead}__on_missing": mode, f"{dead}__stale_after": 0.5})
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
        thermal__on_missing="rgb_only",
        thermal__stale_after=0.5,
        rgb__on_missing="thermal_only",
        rgb__stale_after=0.5,
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
    bench = setup(thermal__on_missing="rgb_only", thermal__stale_after=0.5)
    bench.pipeline = Pipeline(
        bench.pipeline.settings,
        NearestPairer(MAX_DT_NS),
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
    bench = setup(thermal__stale_after=0.5)
    bench.segmenter.open.release(1000)
    bench.send_one_by_one(30, thermal=THERMAL if frozen else None)
    grown = bench.growth(lambda: bench.send_one_by_one(30, thermal=THERMAL if frozen else None))
    assert "masks" not in grown
    assert grown.get("dropped.frozen", 0) == (30 if frozen else 0)
    assert bench.unaccounted_images() == 0


def test_telemetry_that_goes_on_does_not_hide_a_frozen_picture(setup: Callable[..., Setup]) -> None:
    bench = setup(thermal__stale_after=0.5, thermal__crop__top=1)
    bench.segmenter.open.release(1000)
    counting = noise(encode_image(np.full((9, 10), 30, np.uint8)))
    grown = bench.growth(lambda: [bench.send_one_by_one(1, thermal=next(counting)) for _ in range(30)])
    assert bench.pipeline.cameras()["thermal"] == "frozen"
    assert grown["dropped.frozen"] > 0
    assert bench.unaccounted_images() == 0


def test_a_recording_of_still_pictures_is_answered_in_full(setup: Callable[..., Setup]) -> None:
    bench = setup(mode="lossless", rgb__stale_after=0.5, thermal__stale_after=0.5)
    bench.segmenter.open.release(1000)
    grown = bench.growth(lambda: bench.send_one_by_one(60))
    assert grown["masks"] == 60
    assert bench.pipeline.cameras() == {"rgb": "frozen", "thermal": "frozen"}


@pytest.mark.parametrize("repeats", [False, True], ids=["silent", "repeating"])
def test_the_shutter_pause_of_a_thermal_camera_is_no_fault(
    setup: Callable[..., Setup], repeats: bool
) -> None:
    bench = setup(thermal__on_missing="rgb_only", thermal__stale_after=1.0, rgb__stale_after=1.0)
    bench.segmenter.open.release(1000)
    rgb, thermal = noise(RGB), noise(THERMAL)

    still = next(thermal) if repeats else None
    states: set[str] = set()

    def send(periods: int, open_shutter: bool) -> dict[str, float]:
        def each() -> None:
            for _ in range(periods):
                bench.send_one_by_one(1, rgb=next(rgb), thermal=next(thermal) if open_shutter else still)
                states.add(bench.pipeline.cameras()["thermal"])

        return bench.growth(each)

    send(60, open_shutter=True)
    # Half a second.
    pause = send(15, open_shutter=False)
    after = send(30, open_shutter=True)
    assert states == {"ok"}
    assert "alone" not in pause | after
    assert "dropped.frozen" not in pause | after
    if repeats:
        assert (pause["pairs"], after["pairs"]) == (15, 30)
    else:
        # The last thermal image is near enough to the first RGB image without one of its own; the first RGB image
        # after the silence does not wait for the thermal one that comes just after it.
        assert (pause["pairs"], after["pairs"]) == (1, 29)
    assert after["masks"] == after["pairs"]
    assert bench.unaccounted_images() == 0
