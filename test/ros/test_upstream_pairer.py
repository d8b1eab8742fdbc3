"""Pairing by upstream message_filters, where it is installed (it is not on PyPI), and beside the nearest neighbour."""

import random
from dataclasses import replace
from importlib.util import find_spec
from statistics import mean

import pytest
from pairing_oracle import MS, SECOND, Event, Recording, add, in_stamp_order, regular, run, stream
from settings_of import settings_of

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.pairing.nearest_pairer import Pair
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.ros.pairers import pairer_maker

INSTALLED = find_spec("message_filters") is not None
needs_upstream = pytest.mark.skipif(
    not INSTALLED, reason="needs message_filters: apt install ros-jazzy-message-filters"
)


def pairer(method: str, max_dt_ms: float = 50, offset_ms: float = 0) -> Pairer:
    return pairer_maker(
        settings_of(
            sync__method=method, sync__max_dt=max_dt_ms / 1e3, sync__thermal_time_offset=offset_ms / 1e3
        )
    )()


def indices(pairs: list[Pair]) -> list[tuple[int, int]]:
    return [(pair.rgb[1], pair.thermal[1]) for pair in pairs]


def assert_all_accounted_for(pairer: Pairer) -> None:
    counts, waiting = pairer.counts, pairer.rgb_waiting + pairer.thermal_waiting
    assert counts["rgb_in"] + counts["thermal_in"] == 2 * counts["pairs"] + counts["no_partner"] + waiting


@pytest.mark.skipif(INSTALLED, reason="message_filters is installed")
@pytest.mark.parametrize("method", ["approximate", "exact"])
def test_a_missing_upstream_package_is_named(method: str) -> None:
    with pytest.raises(
        UserError, match=rf"parameter sync\.method: {method} .*apt install ros-jazzy-message-filters"
    ) as info:
        pairer(method)
    assert info.value.__suppress_context__


def test_in_lossless_mode_one_camera_may_run_ahead_by_all_that_may_wait() -> None:
    settings = settings_of(mode="lossless", lossless__depth=100)
    rgb = [(0, stamp, (0, i)) for i, stamp in enumerate(regular(0, 30, 100))]
    thermal = [(1, stamp, (0, i)) for i, stamp in enumerate(regular(5, 30, 100))]
    assert len(run(pairer_maker(settings)(), rgb + thermal)) == 100
    assert len(run(pairer_maker(replace(settings, mode="latest"))(), rgb + thermal)) < 100


@needs_upstream
def test_exact_pairs_equal_stamps_only() -> None:
    recording = Recording(regular(0, 30, 60), regular(0, 10, 20), (30, 10), 0)
    upstream = pairer("exact")
    assert indices(run(upstream, in_stamp_order(recording))) == [(3 * i, i) for i in range(20)]
    late = replace(recording, thermal=regular(1, 10, 20))
    assert run(pairer("exact"), in_stamp_order(late)) == []
    assert_all_accounted_for(upstream)


@needs_upstream
@pytest.mark.parametrize("method", ["exact", "approximate"])
@pytest.mark.parametrize("offset_ms", [-40, 7])
def test_the_offset_is_added_to_thermal_stamps(method: str, offset_ms: int) -> None:
    rgb = regular(0, 30, 20)
    events = [(0, stamp, (0, i)) for i, stamp in enumerate(rgb)]
    # From stamp 0 on where the offset is negative: no stamp may become negative.
    events += [(1, stamp - offset_ms * MS, (0, i)) for i, stamp in enumerate(rgb) if stamp >= offset_ms * MS]
    pairs = run(pairer(method, 1, offset_ms), sorted(events, key=lambda event: event[1]))
    assert len(pairs) >= 19
    for pair in pairs:
        assert pair.rgb == pair.thermal
        assert (pair.skew_ns, pair.rgb_stamp) == (0, rgb[pair.rgb[1]])
        assert pair.thermal_stamp == pair.rgb_stamp - offset_ms * MS


@needs_upstream
@pytest.mark.parametrize("max_dt_ms", [0, 10])
def test_the_largest_distance_is_included(max_dt_ms: int) -> None:
    at = Recording(regular(0, 10, 20), regular(max_dt_ms, 10, 20), (10, 10), 0)
    over = Recording(regular(0, 10, 20), [stamp + 1 for stamp in at.thermal], (10, 10), 0)
    assert len(run(pairer("approximate", max_dt_ms), in_stamp_order(at))) == 20
    assert run(pairer("approximate", max_dt_ms), in_stamp_order(over)) == []


@needs_upstream
@pytest.mark.parametrize("rates", [(30, 30), (30, 25), (30, 9), (60, 30)])
def test_every_loop_of_a_recording_gives_the_same_pairs(rates: tuple[int, int]) -> None:
    rng = random.Random(1)
    rgb, thermal = (stream(rng, rate, 0.4, 60 / rate) for rate in rates)
    recording = Recording(rgb, thermal, rates, 20 * MS)
    upstream = pairer("approximate", 20)
    loops = []
    for _ in range(3):
        loops.append(indices([pair for event in in_stamp_order(recording) for pair in add(upstream, event)]))
        assert_all_accounted_for(upstream)
    assert len(loops[0]) > 0
    assert loops[0] == loops[1] == loops[2]


@needs_upstream
@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_a_dead_camera_or_a_senseless_stamp_stops_nothing_and_fills_no_memory(method: str) -> None:
    upstream = pairer(method)
    events: list[Event] = [(0, stamp, (0, i)) for i, stamp in enumerate(regular(0, 30, 300))]
    assert run(upstream, events) == []
    assert upstream.rgb_waiting == 0, "after the end of a recording nothing waits"
    for senseless in (0, 2**31 * SECOND):
        for side in (0, 1):
            add(upstream, (side, senseless, (0, -1)))
            start = 100_000 + 10_000 * side
            after = Recording(regular(start, 30, 60), regular(start, 30, 60), (30, 30), 0)
            pairs = [pair for event in in_stamp_order(after) for pair in add(upstream, event)]
            assert indices(pairs) == [(i, i) for i in range(60)]
            assert_all_accounted_for(upstream)
    for event in events:
        add(upstream, event)
        assert upstream.rgb_waiting <= 64


@needs_upstream
@pytest.mark.parametrize("rates", [(30, 30), (30, 25), (30, 9), (60, 30)])
@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_neighbour_is_no_farther_than_upstreams_choice(rates: tuple[int, int], seed: int) -> None:
    rng = random.Random(seed)
    rgb, thermal = (stream(rng, rate, rng.random(), 60 / rate) for rate in rates)
    events = in_stamp_order(Recording(rgb, thermal, rates, 50 * MS))
    nearest, upstream = (run(pairer(method), events) for method in ("nearest", "approximate"))
    assert mean(abs(pair.skew_ns) for pair in nearest) <= mean(abs(pair.skew_ns) for pair in upstream)
    assert len(nearest) >= len(upstream)
