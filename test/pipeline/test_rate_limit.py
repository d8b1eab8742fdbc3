"""How many of an even stream pass, on made-up times."""

import numpy as np
import pytest

from rgbt_seg_ros.pipeline.rate_limit import RateLimit

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("camera_hz", "limit_hz", "passed_hz"), [(30, 0, 30), (30, 30, 30), (30, 10, 10), (30, 7, 7), (9, 20, 9)]
)
def test_so_many_pass_and_evenly(camera_hz: float, limit_hz: float, passed_hz: float) -> None:
    draw = np.random.default_rng(5)
    limit, start = RateLimit(), 10**15
    times = [start + i * SECOND / camera_hz + draw.uniform(-0.004, 0.004) * SECOND for i in range(600)]
    passed = [now for now in times if limit.passes(round(now), limit_hz)]
    assert len(passed) * camera_hz / 600 == pytest.approx(passed_hz, rel=0.02)
    assert np.diff(passed).max() < 1.5 * SECOND / passed_hz + SECOND / camera_hz


def test_a_new_limit_holds_at_once_and_a_pause_is_not_made_up_for() -> None:
    limit = RateLimit()
    assert limit.passes(0, 0.1)
    assert not limit.passes(SECOND // 10, 0.1)
    assert not limit.passes(SECOND // 10, 10.0)
    assert limit.passes(SECOND // 5, 10.0)
    burst = [limit.passes(60 * SECOND + i * SECOND // 100, 10.0) for i in range(21)]
    assert sum(burst) <= 4
