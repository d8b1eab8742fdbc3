"""The thread that pairs what is handed over to it: in order, bounded, and alive after an error."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pipeline_bench import PERIOD_NS, RGB, THERMAL, Setup, setups
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.pipeline.pairing_thread import PairingThread
from rgbt_seg_ros.pipeline.pipeline import Arrival

CAPACITY = 8


class Busy:
    """In place of a pipeline: keeps the thread until it may go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def add(self, *_: object) -> None:
        self.begun.set()
        self.go_on.wait(TIMEOUT_S)


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    with setups() as make:
        yield make


@pytest.fixture
def bench(setup: Callable[..., Setup]) -> Setup:
    return setup()


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def thread(errors: list[str]) -> Iterator[PairingThread]:
    thread = PairingThread(0.01, CAPACITY, errors.append)
    yield thread
    thread.stop(TIMEOUT_S)
    assert not thread.alive


def hand_over(thread: PairingThread, bench: Setup, rgb: Any = RGB, thermal: Any = THERMAL) -> None:
    """The next pair, which has come at its stamp."""
    stamp = bench.sent * PERIOD_NS
    bench.sent += 1
    bench.now_ns += PERIOD_NS
    for camera, image in (("rgb", rgb), ("thermal", thermal)):
        thread.hand_over(bench.pipeline, camera, stamp, image, Arrival(bench.now_ns, bench.now_ns))


def test_what_is_handed_over_is_paired(thread: PairingThread, bench: Setup) -> None:
    pairs, images = (bench.pipeline.values()[key] for key in ("pairs", "rgb_in"))
    for _ in range(3):
        hand_over(thread, bench)
    wait_for(lambda: bench.pipeline.values()["pairs"] == pairs + 3, "pairs")
    assert bench.pipeline.values()["rgb_in"] == images + 3


def test_images_without_room_are_counted_once(thread: PairingThread, bench: Setup) -> None:
    before = bench.pipeline.values()
    busy: Any = Busy()
    thread.hand_over(busy, "rgb", 0, RGB, Arrival(0, 0))
    assert busy.begun.wait(TIMEOUT_S)
    for _ in range(CAPACITY):
        hand_over(thread, bench)
    busy.go_on.set()
    wait_for(lambda: bench.pipeline.values()["pairs"] == before["pairs"] + CAPACITY / 2, "pairs of what fits")
    for sent in range(1, CAPACITY + 1):
        hand_over(thread, bench)
        # The thread takes it later: until it has come, the accounts are those of before.
        came = before["thermal_in"] + CAPACITY + sent
        wait_for(lambda came=came: bench.pipeline.values()["thermal_in"] == came, "the pair")
        wait_for(
            lambda: bench.unaccounted_images() == bench.pipeline.values()["dropped.overflow"], "an account"
        )
    values = bench.pipeline.values()
    assert values["rgb_in"] - before["rgb_in"] == values["thermal_in"] - before["thermal_in"] == 2 * CAPACITY
    assert values["dropped.overflow"] == CAPACITY
    # Neither lost nor missing.
    assert values["dropped.missing_estimated"] == values["dropped.lost"] == 0


def test_an_error_costs_its_image_and_is_said(thread: PairingThread, bench: Setup, errors: list[str]) -> None:
    pairs = bench.pipeline.values()["pairs"]
    hand_over(thread, bench, rgb=SimpleNamespace(data=None))
    hand_over(thread, bench)
    wait_for(lambda: bench.pipeline.values()["pairs"] > pairs, "a pair")
    assert len(errors) == 1
    assert errors[0].startswith("TypeError: ")
    assert thread.alive


def test_what_waits_is_paired_before_the_end(bench: Setup, errors: list[str]) -> None:
    thread = PairingThread(10.0, CAPACITY, errors.append)
    pairs = bench.pipeline.values()["pairs"]
    for _ in range(3):
        hand_over(thread, bench)
    thread.stop(TIMEOUT_S)
    thread.stop(TIMEOUT_S)
    assert not thread.alive
    assert bench.pipeline.values()["pairs"] == pairs + 3


def test_time_passes_for_what_waits_in_a_pipeline(thread: PairingThread, bench: Setup) -> None:
    thread.serve(bench.pipeline)
    hand_over(thread, bench)
    stamp = bench.sent * PERIOD_NS
    thread.hand_over(bench.pipeline, "rgb", stamp, RGB, Arrival(bench.now_ns, bench.now_ns))

    def decided() -> bool:
        bench.now_ns += PERIOD_NS // 2
        return bench.pipeline.values()["unpaired"] == 0

    wait_for(decided, "the end of the wait for a thermal image")


class Counted:
    """In place of a pipeline: counts how often it sees time, of which it needs `polls` times after an image."""

    def __init__(self, needed: int) -> None:
        self.polls, self.left, self._needed = 0, 0, needed

    @property
    def idle(self) -> bool:
        return self.left <= 0

    def add(self, *_: object) -> None:
        self.left = self._needed

    def poll(self) -> None:
        self.polls += 1
        self.left -= 1


def test_a_thread_sleeps_while_time_decides_nothing(thread: PairingThread) -> None:
    pipeline: Any = Counted(needed=3)
    thread.serve(pipeline)
    for images in (1, 2):
        thread.hand_over(pipeline, "rgb", 0, RGB, Arrival(0, 0))
        wait_for(lambda images=images: pipeline.polls == 3 * images, "what time decides")
        time.sleep(0.1)
        assert pipeline.polls == 3 * images
