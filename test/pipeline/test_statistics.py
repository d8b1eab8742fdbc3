"""Counters, rates and percentiles on made-up times."""

import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from rgbt_seg_ros.base.host import memory_mb
from rgbt_seg_ros.pipeline.statistics import WINDOW, RateMeter, Statistics

SECOND = 1_000_000_000


def test_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    for i in range(300):
        meter.add(i * SECOND // 30)
    assert meter.rate(10 * SECOND) == pytest.approx(30.0)
    assert meter.rate(20 * SECOND) == 0.0


def test_rate_of_a_stream_slower_than_the_window_is_steady_until_it_ends() -> None:
    meter = RateMeter()
    for second in range(0, 41, 8):
        meter.add(second * SECOND)
        assert [meter.rate((second + later) * SECOND) for later in range(8)] == (
            [pytest.approx(1 / 8)] * 8 if second else [0.0] * 8
        )
    assert meter.rate(70 * SECOND) == 0.0


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
    assert report["stage_ms.decode.p95"] == pytest.approx(np.percentile(newest, 95))


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


def test_the_memory_of_the_cpu_is_what_the_process_holds() -> None:
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert memory_mb(torch.device("cpu")) == pytest.approx(1024 * int(kilobytes) / 1e6, rel=0.02)
