"""Pairing when cameras die, pause, change their rate or send senseless stamps, and what is counted then."""

import weakref
from collections import Counter

import pytest
from pairing_oracle import (
    MS,
    SECOND,
    Recording,
    assert_all_accounted_for,
    in_stamp_order,
    regular,
    run,
)

from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer, Pair


class Cameras:
    """Two cameras at 30 Hz, thermal 5 ms after RGB, and a pairer polled every 10 ms between their frames."""

    def __init__(self, max_dt_ms: int = 20) -> None:
        self.pairer: NearestPairer[int, int] = NearestPairer(max_dt_ms * MS)
        self.now = 0

    def run(self, seconds: float, rgb: bool = True, thermal: bool = True) -> list[Pair[int, int]]:
        pairs = []
        for _ in range(round(seconds * 100 / 3)):
            if rgb:
                pairs += self.pairer.add_rgb(self.now, self.now)
            if thermal:
                pairs += self.pairer.add_thermal(self.now + 5 * MS, self.now)
            for _ in range(3):
                self.now += 10 * MS
                pairs += self.pairer.poll(self.now)
        return pairs


def test_a_dead_camera_is_not_waited_for_and_is_used_again_when_it_returns() -> None:
    cameras = Cameras()
    assert len(cameras.run(3)) == 100
    assert cameras.run(3, thermal=False) == []
    assert cameras.pairer.rgb_waiting <= 1
    assert cameras.pairer.counts[Drop.NO_PARTNER] >= 98
    # RGB is no longer held up, so the frame just before the first thermal one has gone.
    assert len(cameras.run(3)) == 99
    cameras.run(3, rgb=False)
    assert cameras.pairer.thermal_waiting <= 1
    assert len(cameras.run(3)) == 100
    assert_all_accounted_for(cameras.pairer)


def test_frames_wait_two_periods_for_a_silent_stream() -> None:
    cameras = Cameras()
    cameras.run(1)
    decided_at = None
    pairer, start = cameras.pairer, cameras.now
    pairer.add_rgb(start - 15 * MS, 0)
    for now in range(start, start + 200 * MS, MS):
        if pairer.poll(now) and decided_at is None:
            decided_at = now - (start - 30 * MS)
    assert decided_at is not None
    assert 60 * MS <= decided_at <= 71 * MS


def test_a_pause_of_both_cameras_costs_no_pair() -> None:
    cameras = Cameras()
    cameras.run(1)
    cameras.run(5, rgb=False, thermal=False)
    assert len(cameras.run(1)) == 33


def test_a_caller_that_was_held_up_does_not_take_waiting_frames_for_missing_ones() -> None:
    cameras = Cameras()
    cameras.run(1)
    pairer, now = cameras.pairer, cameras.now
    pairer.add_rgb(now, now)
    assert pairer.poll(now + 2 * SECOND) == []
    assert [pair.rgb for pair in pairer.add_thermal(now + 5 * MS, now)] == [now]


def test_a_frame_that_comes_after_its_stream_was_given_up_is_stale() -> None:
    cameras = Cameras()
    cameras.run(1)
    last = cameras.now
    cameras.run(1, thermal=False)
    cameras.pairer.add_thermal(last, 0)
    cameras.run(1)
    assert cameras.pairer.thermal_counts.dropped[Drop.LATE] == 1


def test_causes_tell_a_wrong_max_dt_from_missing_frames_and_from_different_rates() -> None:
    def counts(recording: Recording) -> tuple[Counter[Drop], Counter[Drop]]:
        pairer: NearestPairer = NearestPairer(recording.max_dt)
        run(pairer, in_stamp_order(recording))
        return +Counter(pairer.rgb_counts.dropped), +Counter(pairer.thermal_counts.dropped)

    rgb = regular(0, 30, 60)
    too_far = Recording(rgb, regular(15, 30, 60), (30, 30), 10 * MS)
    assert counts(too_far) == ({Drop.OVER_MAX_DT: 60}, {Drop.SURPLUS: 60})
    missing = Recording(rgb, [t for i, t in enumerate(regular(5, 30, 60)) if i % 10 != 9], (30, 30), 10 * MS)
    assert counts(missing) == ({Drop.NO_PARTNER: 6}, {})
    faster = Recording(rgb, regular(5, 10, 20), (30, 10), 10 * MS)
    assert counts(faster) == ({Drop.SURPLUS: 40}, {})
    alone = Recording(rgb, [], (30, 30), 10 * MS)
    assert counts(alone) == ({Drop.NO_PARTNER: 60}, {})


def test_late_and_repeated_frames_are_dropped_without_harm() -> None:
    rgb = [(0, t, (0, i)) for i, t in enumerate(regular(0, 30, 40))]
    thermal = [(1, t, (0, i)) for i, t in enumerate(regular(5, 30, 40))]
    rgb[20], rgb[21] = rgb[21], rgb[20]
    thermal.insert(30, thermal[29])
    pairer: NearestPairer = NearestPairer(10 * MS)
    pairs = run(pairer, [event for both in zip(rgb, thermal, strict=False) for event in both] + thermal[-1:])
    assert [pair.rgb[1] for pair in pairs] == [i for i in range(40) if i != 20]
    assert (pairer.counts[Drop.OUT_OF_ORDER], pairer.counts[Drop.DUPLICATE]) == (1, 1)


@pytest.mark.parametrize("side", ["rgb", "thermal"])
@pytest.mark.parametrize("stamp", [0, 10_000 * SECOND])
def test_pairing_goes_on_after_a_senseless_stamp(side: str, stamp: int) -> None:
    cameras = Cameras()
    cameras.now = 100 * SECOND
    cameras.run(2)
    getattr(cameras.pairer, f"add_{side}")(stamp, -1)
    pairs = cameras.run(2)
    assert len(pairs) >= 65
    assert all(pair.rgb == pair.thermal for pair in pairs)
    assert_all_accounted_for(cameras.pairer)


@pytest.mark.parametrize(("before", "after"), [(30, 10), (10, 30)])
def test_a_change_of_rate_changes_which_frames_are_paired(before: int, after: int) -> None:
    thermal = regular(5, before, 3 * before) + regular(3005, after, 5 * after)
    settled = 3 * before + 2 * after
    # Only RGB, where it takes the slower one's part, has a frame that now shares its neighbour's partner.
    del thermal[settled + after]
    recording = Recording(regular(0, 30, 240), thermal, (30, after), 40 * MS)
    pairer: NearestPairer = NearestPairer(recording.max_dt)
    pairs = [(pair.rgb[1], pair.thermal[1]) for pair in run(pairer, in_stamp_order(recording))]
    assert len(set(pairs)) == len(pairs)
    # No thermal frame goes without a pair meanwhile, and two seconds after the change all is as if ever so.
    assert {thermal for _, thermal in pairs} == set(range(len(thermal)))
    expected = [pair for pair in recording.oracle() if pair[1] >= settled]
    assert [pair for pair in pairs if pair[1] >= settled] == expected


def test_a_stream_too_slow_to_show_its_rate_in_time_is_taken_for_the_slower_one() -> None:
    recording = Recording(regular(0, 30, 300), regular(5, 1, 10), (30, 1), 50 * MS)
    pairs = run(NearestPairer(recording.max_dt), in_stamp_order(recording))
    assert [(pair.rgb[1], pair.thermal[1]) for pair in pairs] == recording.oracle()


def test_the_last_frames_are_decided_when_the_stream_they_wait_for_jumps_back() -> None:
    cameras = Cameras(max_dt_ms=30)
    cameras.now = 100 * SECOND
    cameras.run(1)
    last = cameras.now
    assert cameras.pairer.add_rgb(last, last) == []
    assert [pair.rgb for pair in cameras.pairer.add_thermal(0, 0)] == [last]


def test_a_camera_that_died_before_a_jump_back_may_return_at_the_time_it_died() -> None:
    cameras = Cameras()
    cameras.run(6)
    last_thermal = cameras.now - 25 * MS
    cameras.run(3, thermal=False)
    cameras.now = 2 * MS
    while cameras.now + 5 * MS < last_thermal:
        cameras.run(0.03, thermal=False)
    # Its next frame is 2 ms after its last one: less than the 5 ms between its frame and RGB's.
    assert cameras.now + 5 * MS == last_thermal + 2 * MS
    assert len(cameras.run(3)) == 99


def test_the_earlier_of_two_equally_near_frames_is_taken() -> None:
    recording = Recording(regular(20, 25, 20), regular(0, 25, 21), (25, 25), 20 * MS)
    pairs = run(NearestPairer(recording.max_dt), in_stamp_order(recording))
    assert [(pair.rgb[1], pair.thermal[1]) for pair in pairs] == [(i, i) for i in range(20)]


class Payload:
    """Raises where it is compared or hashed."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("payloads are the caller's")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("side", ["rgb", "thermal"])
def test_payloads_are_neither_compared_nor_kept_beyond_capacity(side: str) -> None:
    pairer: NearestPairer[Payload, Payload] = NearestPairer(20 * MS, capacity=8)
    add = getattr(pairer, f"add_{side}")
    other = pairer.add_thermal if side == "rgb" else pairer.add_rgb
    alive: weakref.WeakValueDictionary[int, Payload] = weakref.WeakValueDictionary()
    for i, t in enumerate(regular(0, 30, 200)):
        alive[i] = frame = Payload()
        add(t, frame)
        if i >= 100:
            other(t, frame)
        del frame
        # Eight wait, and the last decided one may yet be the next frame's nearest.
        assert len(alive) <= 9
    pairer.flush()
    assert len(alive) == 0
    assert pairer.counts["pairs"] == 100


@pytest.mark.parametrize(("max_dt", "capacity", "name"), [(-1, 64, "max_dt_ns"), (0, 7, "capacity")])
def test_senseless_settings_are_refused(max_dt: int, capacity: int, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        NearestPairer(max_dt, capacity=capacity)
