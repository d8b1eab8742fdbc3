"""Images that stamps say are missing: exact on regular streams, nothing where gaps mean something else."""

import itertools
import math
import random
from collections.abc import Iterable

import pytest

from rgbt_seg_ros.pairing.stamp_gaps import StampGaps

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


def missing(stamps: Iterable[float]) -> int:
    gaps = StampGaps()
    for stamp in stamps:
        gaps.add(round(stamp))
    return gaps.missing


def regular(images: int, hz: float, jitter: float = 0.0, seed: int = 0) -> list[float]:
    """Stamps around a regular grid, each off by up to this share of the period."""
    draw = random.Random(seed)
    return [START_NS + (i + draw.uniform(-jitter, jitter)) * SECOND_NS / hz for i in range(images)]


def of_periods(periods_s: Iterable[float]) -> list[float]:
    return list(itertools.accumulate((period * SECOND_NS for period in periods_s), initial=float(START_NS)))


@pytest.mark.parametrize("hz", [9, 30, 60, 120])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.25])
@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_every_missing_image_of_a_regular_stream_is_counted(hz: float, share: float, jitter: float) -> None:
    for seed in range(5):
        draw = random.Random(seed)
        stamps = regular(600, hz, jitter, seed)
        # The first image starts the count, and the last gap needs an image after it.
        kept = [s for i, s in enumerate(stamps) if i in (0, 597, 598, 599) or draw.random() >= share]
        assert missing(kept) == len(stamps) - len(kept)


@pytest.mark.parametrize("hz", [0.5, 1, 5])
def test_slow_cameras_are_counted_as_well(hz: float) -> None:
    stamps = regular(40, hz)
    del stamps[20:22]
    del stamps[3]
    assert missing(stamps) == 3


@pytest.mark.parametrize("jitter", [0.1, 0.15, 0.2])
def test_jitter_alone_is_no_loss(jitter: float) -> None:
    assert [missing(regular(2000, 30, jitter, seed)) for seed in range(10)] == [0] * 10


def test_a_gap_of_most_of_a_second_is_counted_to_the_image() -> None:
    stamps = regular(200, 30, 0.03)
    del stamps[100:125]
    assert missing(stamps) == 25


def test_changes_of_the_rate_are_no_loss() -> None:
    rates = (30, 15, 30, 10, 5, 60, 30, 25, 20, 1, 0.5, 30)
    assert missing(of_periods(1 / rate for rate in rates for _ in range(40))) == 0


def test_losses_after_a_change_of_the_rate_are_counted() -> None:
    stamps = of_periods(1 / rate for rate in (30, 10, 60) for _ in range(60))
    for index in (160, 100, 40):
        del stamps[index]
    assert missing(stamps) == 3


@pytest.mark.parametrize("frames", [10, 20, 60, 300])
@pytest.mark.parametrize("depth", [0.1, 0.3, 0.6])
def test_a_period_that_swings_as_with_auto_exposure_is_no_loss(frames: int, depth: float) -> None:
    periods = (0.05 * (1 + depth * math.sin(2 * math.pi * i / frames)) for i in range(2000))
    assert missing(of_periods(periods)) == 0


def test_steps_of_auto_exposure_are_no_loss() -> None:
    draw = random.Random(0)
    steps = [
        period
        for _ in range(60)
        for period in [draw.choice([0.0333, 0.04, 0.05, 0.0667, 0.1])] * draw.randint(10, 60)
    ]
    assert missing(of_periods(steps)) == 0


def test_a_camera_that_was_off_has_lost_nothing() -> None:
    stamps = regular(200, 30)
    assert missing([*stamps[:100], *(stamp + 20 * SECOND_NS for stamp in stamps[100:])]) == 0


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_is_no_loss_and_gaps_count_afterwards(hours: int) -> None:
    stamps = regular(200, 30)
    later = [stamp + hours * 3600 * SECOND_NS for stamp in stamps[100:]]
    assert missing([*stamps[:100], *later]) == 0
    assert missing([*stamps[:100], *later[:50], *later[52:]]) == 2


def test_each_pass_of_a_recording_counts_its_own_gaps() -> None:
    stamps = regular(100, 30)
    assert missing(stamps * 3) == 0
    with_gap = [*stamps[:50], *stamps[55:]]
    assert missing(with_gap * 3) == 15


@pytest.mark.parametrize("images", [1, 2, 5])
@pytest.mark.parametrize("late", [1, 4, 20])
def test_what_comes_late_is_not_missing(images: int, late: int) -> None:
    stamps = regular(200, 30)
    delayed = stamps[100 : 100 + images]
    del stamps[100 : 100 + images]
    stamps[100 + late : 100 + late] = delayed
    assert missing(stamps) == 0


def test_duplicates_count_for_nothing() -> None:
    assert missing(stamp for stamp in regular(100, 30) for _ in range(2)) == 0


def test_a_stamp_that_is_late_by_itself_is_no_gap() -> None:
    stamps = regular(100, 30)
    stamps[50] += 0.9 * SECOND_NS / 30
    assert missing(stamps) == 0
    # A driver that was held up stamps a whole row of images when it goes on.
    stamps[60:65] = [stamps[65] - (5 - i) * 1_000_000 for i in range(5)]
    assert missing(stamps) == 0


def test_hardly_anything_is_counted_in_a_stream_without_a_period() -> None:
    draw = random.Random(1)
    assert missing(of_periods(draw.expovariate(30) for _ in range(1000))) < 10


@pytest.mark.parametrize(
    ("images", "apart_ms", "pause_ms"), [(10, 1.0, 91.0), (10, 2.0, 402.0), (9, 1e-6, 33.0)]
)
def test_bursts_with_pauses_between_them_are_no_loss(images: int, apart_ms: float, pause_ms: float) -> None:
    bursts = ([apart_ms / 1e3] * (images - 1) + [pause_ms / 1e3]) * 100
    assert missing(of_periods(bursts)) == 0


def test_a_long_gap_soon_after_the_first_images_is_counted() -> None:
    stamps = regular(60, 30)
    assert missing([*stamps[:10], *stamps[30:]]) == 20


def test_what_is_known_to_be_lost_is_not_counted_twice() -> None:
    gaps = StampGaps()
    stamps = [round(stamp) for stamp in regular(300, 30)]
    del stamps[200:204]
    lost = {100: 90, 200: 3}
    for i, stamp in enumerate(stamps):
        shift = 3 * SECOND_NS if i >= 100 else 0
        gaps.add(stamp + shift, lost.get(i, 0))
    # Three of the four that are missing at the second place were told of, all of those at the first.
    assert gaps.missing == 1
