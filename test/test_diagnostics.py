"""Statistics and the verdict on them, on made-up times."""

import threading

import numpy as np
import pytest

from rgbt_seg_ros.diagnostics import ERROR, OK, WARN, WINDOW, Health, RateMeter, Statistics

SECOND = 1_000_000_000


def test_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    for i in range(300):
        meter.add(i * SECOND // 30)
    assert meter.rate(10 * SECOND) == pytest.approx(30.0)
    assert meter.rate(20 * SECOND) == 0.0


def test_rate_survives_a_clock_that_jumps_back() -> None:
    meter = RateMeter()
    for now in (100 * SECOND, 101 * SECOND, 0, SECOND // 2):
        meter.add(now)
    assert meter.rate(SECOND // 2) == pytest.approx(2.0)


def test_percentiles_are_numpys_over_the_newest_values() -> None:
    statistics = Statistics()
    values = np.random.default_rng(3).gamma(2.0, 20.0, size=2 * WINDOW)
    for value in values:
        statistics.record("latency_ms", value)
        statistics.record("skew_ms", value)
        statistics.record("stage_ms.decode", value)
    newest = values[-WINDOW:]
    report = statistics.values(0)
    for q in (50, 95, 99):
        assert report[f"latency_ms.p{q}"] == pytest.approx(np.percentile(newest, q))
    assert report["skew_ms.max"] == pytest.approx(newest.max())
    assert report["stage_ms.decode.p50"] == pytest.approx(np.percentile(newest, 50))


def test_counts_from_several_threads_add_up() -> None:
    statistics = Statistics()
    threads = [
        threading.Thread(target=lambda: [statistics.count("dropped.stale") for _ in range(2000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statistics.values(0)["dropped.stale"] == 8000


class Robot:
    """A node's values as they grow, one report a second."""

    def __init__(self, lossless: bool = False) -> None:
        self.health = Health("/cam", "/boson", lossless)
        self.values = {"rgb_in": 0.0, "thermal_in": 0.0, "pairs": 0.0, "masks": 0.0, "mask_hz": 10.0}
        self.now_ns = 0

    def second(self, **grown: float) -> tuple[int, str]:
        """The verdict after a second in which the given values grew (``dropped_stale`` is ``dropped.stale``)."""
        for key, by in grown.items():
            key = key.replace("dropped_", "dropped.")
            self.values[key] = self.values.get(key, 0.0) + by
        self.now_ns += SECOND
        return self.health.assess(self.values, self.now_ns)

    def good_second(self, **grown: float) -> tuple[int, str]:
        return self.second(rgb_in=30, thermal_in=9, pairs=9, masks=9, **grown)


def test_a_good_stream_is_ok() -> None:
    robot = Robot()
    verdicts = [robot.good_second() for _ in range(5)]
    assert all(level == OK for level, _ in verdicts)
    assert "masks/s" in verdicts[-1][1]


def test_superseding_is_normal_and_staleness_a_warning() -> None:
    robot = Robot()
    assert robot.good_second(dropped_superseded=20)[0] == OK
    level, sentence = robot.good_second(dropped_stale=3)
    assert (level, sentence[:7]) == (WARN, "3 pairs")
    assert robot.good_second()[0] == OK


def test_a_dead_camera_is_an_error_by_its_topic_until_it_returns() -> None:
    robot = Robot()
    robot.good_second()
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30)
    assert (level, sentence) == (ERROR, "no images on /boson for 4 s")
    assert robot.good_second()[0] == OK


def test_no_image_at_all_is_a_warning() -> None:
    robot = Robot()
    robot.second()
    for _ in range(4):
        level, sentence = robot.second()
    assert (level, sentence) == (WARN, "no images on /cam and /boson for 4 s")


def test_cameras_that_never_pair_are_an_error_that_names_the_remedy() -> None:
    robot = Robot()
    robot.second(rgb_in=30, thermal_in=30)
    robot.values["newest_skew_ms"] = 1500.0
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, thermal_in=30)
    assert level == ERROR
    assert "+1.500 s" in sentence
    assert "sync.thermal_time_offset" in sentence


def test_pairs_without_masks_are_a_warning() -> None:
    robot = Robot()
    robot.good_second()
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, thermal_in=9, pairs=9)
    assert (level, sentence) == (WARN, "no mask for 4 s although pairs arrive")


@pytest.mark.parametrize("jump_s", [1_700_000_000, -5])
def test_a_clock_that_is_set_is_no_silence(jump_s: int) -> None:
    robot = Robot()
    for _ in range(10):
        robot.good_second()
    robot.now_ns += jump_s * SECOND
    assert robot.second(rgb_in=30, thermal_in=9)[0] == OK


@pytest.mark.parametrize("cause", ["failed", "undecodable"])
def test_errors_of_the_last_second_are_errors(cause: str) -> None:
    robot = Robot()
    robot.good_second()
    assert robot.good_second(**{f"dropped_{cause}": 2})[0] == ERROR
    assert robot.good_second()[0] == OK


def test_a_loss_in_lossless_mode_stays_an_error() -> None:
    robot = Robot(lossless=True)
    robot.good_second(dropped_overflow=1)
    level, sentence = robot.good_second()
    assert level == ERROR
    assert "lost 1" in sentence
