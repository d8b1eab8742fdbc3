"""Pairing against a brute-force oracle, over rates, jitter, gaps, delays, interleavings and loops."""

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from pairing_oracle import (
    MS,
    SECOND,
    Event,
    Recording,
    add,
    assert_all_accounted_for,
    in_stamp_order,
    regular,
    run,
    stream,
)

from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.pairing.nearest_neighbour import UNPAIRED_FRAMES
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer, Pair

RATES = [(30, 30), (30, 25), (25, 30), (30, 9), (9, 30), (60, 30), (30, 60), (10, 10)]
START_UP_FRAMES = 6

properties = settings(max_examples=60, derandomize=True, deadline=None)


@st.composite
def recordings(draw: st.DrawFn, max_gaps: int = 2) -> Recording:
    rng = random.Random(draw(st.integers(0, 2**32)))
    rates = draw(st.sampled_from(RATES))
    rgb, thermal = (
        stream(
            rng,
            rate,
            draw(st.floats(0, 1)),
            draw(st.floats(0, min(3, 60 / rate))),
            draw(st.integers(0, max_gaps)),
        )
        for rate in rates
    )
    return Recording(rgb, thermal, rates, draw(st.sampled_from([5, 20, 50])) * MS)


def interleave(recording: Recording, loops: int, seed: int, lag_s: float) -> list[Event]:
    """All frames of all loops, each stream in its own order, one stream up to `lag_s` ahead of the other."""
    rng = random.Random(seed)
    length = max(recording.rgb[-1], recording.thermal[-1]) + SECOND // 30
    streams = [
        [
            (loop * length + stamp, (side, stamp, (loop, i)))
            for loop in range(loops)
            for i, stamp in enumerate(side_stamps)
        ]
        for side, side_stamps in enumerate((recording.rgb, recording.thermal))
    ]
    events = []
    while streams[0] and streams[1]:
        ahead = (streams[0][0][0] - streams[1][0][0]) / SECOND
        side = int(ahead > 0) if abs(ahead) >= lag_s else rng.randrange(2)
        events.append(streams[side].pop(0)[1])
    return events + [event for _, event in streams[0] + streams[1]]


@properties
@given(recordings(), st.integers(1, 3), st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.5]))
def test_every_slow_frame_gets_its_nearest_in_any_interleaving_and_each_loop(
    recording: Recording, loops: int, seed: int, lag_s: float
) -> None:
    pairer: NearestPairer = NearestPairer(recording.max_dt)
    pairs = run(pairer, interleave(recording, loops, seed, lag_s))
    expected = [((loop, i), (loop, j)) for loop in range(loops) for i, j in recording.oracle()]
    assert [(pair.rgb, pair.thermal) for pair in pairs] == expected
    assert pairer.rgb_waiting == pairer.thermal_waiting == 0
    assert_all_accounted_for(pairer)


@properties
@given(recordings(max_gaps=0), st.integers(0, 2**32))
def test_frames_overtaken_by_later_ones_are_counted_and_the_others_paired_as_without_them(
    recording: Recording, seed: int
) -> None:
    rng = random.Random(seed)
    streams = (recording.rgb, recording.thermal)
    # Some frames come after their successor, or after two, which come in time themselves.
    late = [set(rng.sample(range(0, len(times) - 2, 3), rng.randint(0, 5))) for times in streams]
    arrivals = []
    for side, times in enumerate(streams):
        for i, stamp in enumerate(times):
            arrival = times[i + rng.randint(1, 2)] + 1 if i in late[side] else stamp
            arrivals.append((arrival, (side, stamp, (0, i))))
    pairer: NearestPairer = NearestPairer(recording.max_dt)
    pairs = run(pairer, [event for _, event in sorted(arrivals)])

    in_time = [[i for i in range(len(times)) if i not in late[side]] for side, times in enumerate(streams)]
    rest = replace(
        recording,
        rgb=[recording.rgb[i] for i in in_time[0]],
        thermal=[recording.thermal[j] for j in in_time[1]],
    )
    expected = [(in_time[0][i], in_time[1][j]) for i, j in rest.oracle()]
    assert [(pair.rgb[1], pair.thermal[1]) for pair in pairs] == expected
    overtaken = [counts.dropped[Drop.OUT_OF_ORDER] for counts in (pairer.rgb_counts, pairer.thermal_counts)]
    assert overtaken == [len(frames) for frames in late]


@properties
@given(recordings(), st.integers(-200, 200))
def test_offset_is_added_to_thermal_stamps(recording: Recording, offset_ms: int) -> None:
    offset = offset_ms * MS
    shifted = [(side, stamp - offset * side, item) for side, stamp, item in in_stamp_order(recording)]
    pairs = run(NearestPairer(recording.max_dt, thermal_offset_ns=offset), shifted)
    assert [(pair.rgb[1], pair.thermal[1]) for pair in pairs] == recording.oracle()
    for pair in pairs:
        assert pair.rgb_stamp == recording.rgb[pair.rgb[1]]
        assert pair.thermal_stamp == recording.thermal[pair.thermal[1]] - offset
        assert pair.skew_ns == pair.thermal_stamp + offset - pair.rgb_stamp


@properties
@given(recordings())
def test_a_pair_is_decided_by_the_first_frame_after_which_none_can_be_nearer(recording: Recording) -> None:
    pairer: NearestPairer = NearestPairer(recording.max_dt)
    slow, fast = (1, 0) if recording.slower_is_thermal else (0, 1)
    expected = {pair[slow]: pair for pair in recording.oracle()}
    undecided: set[tuple[int, int]] = set()
    seen = Counter[int]()
    for event in in_stamp_order(recording):
        side, _, (_, i) = event
        seen[side] += 1
        decided = {(pair.rgb[1], pair.thermal[1]) for pair in add(pairer, event)}
        if side == slow and i in expected:
            undecided.add(expected[i])
        if min(seen[0], seen[1]) > START_UP_FRAMES and side == fast:
            assert decided == undecided
        undecided -= decided


@st.composite
def unsteady_streams(draw: st.DrawFn) -> list[int]:
    """Stamps of a stream that changes its rate, now and then by little."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    stamp, times = draw(st.integers(0, 300)) * MS, []
    for rate in draw(st.lists(st.sampled_from([8, 10, 11, 12, 20, 30]), min_size=1, max_size=4)):
        for _ in range(draw(st.integers(1, 20))):
            stamp += int(SECOND / rate * rng.uniform(0.8, 1.2))
            times.append(stamp)
    return times


@settings(properties, max_examples=200)
@given(unsteady_streams(), unsteady_streams(), st.integers(0, 2**32))
def test_pairs_of_any_two_streams_do_not_depend_on_the_interleaving(
    rgb: list[int], thermal: list[int], seed: int
) -> None:
    capacity = len(rgb) + len(thermal) + 8
    streams = [
        [(side, stamp, (0, i)) for i, stamp in enumerate(times)] for side, times in enumerate((rgb, thermal))
    ]
    in_order = run(
        NearestPairer(50 * MS, capacity=capacity), sorted(streams[0] + streams[1], key=lambda e: e[1])
    )
    shuffled: list[Event] = []
    rng = random.Random(seed)
    bias = rng.random()
    while streams[0] or streams[1]:
        side = int(rng.random() < bias)
        shuffled.append((streams[side] or streams[1 - side]).pop(0))
    assert run(NearestPairer(50 * MS, capacity=capacity), shuffled) == in_order


@properties
@given(
    st.lists(
        st.tuples(st.sampled_from(["rgb", "thermal", "poll", "flush"]), st.integers(-30, 60)), max_size=300
    )
)
def test_any_input_is_accounted_for_in_bounded_memory(steps: list[tuple[str, int]]) -> None:
    capacity = 8
    pairer: NearestPairer = NearestPairer(40 * MS, thermal_offset_ns=7 * MS, capacity=capacity)
    now = Counter[str]()
    pairs: list[Pair] = []
    for i, (kind, step_20ms) in enumerate(steps):
        now[kind] += step_20ms * 20 * MS
        if kind == "rgb":
            pairs += pairer.add_rgb(now[kind], i)
        elif kind == "thermal":
            pairs += pairer.add_thermal(now[kind], i)
        else:
            pairs += pairer.poll(now[kind]) if kind == "poll" else pairer.flush()
        assert_all_accounted_for(pairer)
        assert max(pairer.rgb_waiting, pairer.thermal_waiting) <= 2 * (capacity + 1)
    pairs += pairer.flush()
    kinds = Counter(kind for kind, _ in steps)
    assert pairer.counts["rgb_in"] == kinds["rgb"]
    assert pairer.counts["thermal_in"] == kinds["thermal"]
    assert pairer.counts["pairs"] == len(pairs)
    assert pairer.rgb_counts.used == len({pair.rgb for pair in pairs})
    assert pairer.thermal_counts.used == len({pair.thermal for pair in pairs})
    assert len({(pair.rgb, pair.thermal) for pair in pairs}) == len(pairs)
    assert all(abs(pair.thermal_stamp + 7 * MS - pair.rgb_stamp) <= 40 * MS for pair in pairs)
    assert sum(pairer.counts[cause] for cause in UNPAIRED_FRAMES) == (
        kinds["rgb"] + kinds["thermal"] - pairer.rgb_counts.used - pairer.thermal_counts.used
    )


@properties
@given(
    st.sampled_from(RATES),
    st.integers(0, 30),
    st.tuples(st.integers(0, 150), st.integers(0, 150)),
    st.sampled_from([5, 10, 30]),
)
def test_a_constant_delay_is_no_silence(
    rates: tuple[int, int], phase_ms: int, delays_ms: tuple[int, int], poll_ms: int
) -> None:
    recording = Recording(regular(0, rates[0], 60), regular(phase_ms, rates[1], 60), rates, 20 * MS)
    arrivals = sorted((event[1] + delays_ms[event[0]] * MS, event) for event in in_stamp_order(recording))
    pairer: NearestPairer = NearestPairer(recording.max_dt)
    pairs: list[Pair] = []
    now = 0
    while arrivals:
        while arrivals and arrivals[0][0] <= now:
            pairs += add(pairer, arrivals.pop(0)[1])
        if {event[0] for _, event in arrivals} == {0, 1}:
            pairs += pairer.poll(now)
        now += poll_ms * MS
    pairs += pairer.flush()
    assert [(pair.rgb[1], pair.thermal[1]) for pair in pairs] == recording.oracle()


def test_a_pairer_is_idle_once_time_decides_nothing_more() -> None:
    pairer: NearestPairer[int, int] = NearestPairer(20 * MS)
    assert not pairer.idle
    for i in range(20):
        pairer.add_rgb(i * 33 * MS, i)
        pairer.add_thermal(i * 33 * MS + 4 * MS, i)
    pairer.add_rgb(20 * 33 * MS, 20)
    now = 20 * 33 * MS
    while not pairer.idle:
        now += 10 * MS
        pairer.poll(now)
    assert now < SECOND
    counts = (pairer.counts, pairer.rgb_waiting, pairer.thermal_waiting)
    for _ in range(100):
        now += 10 * MS
        assert pairer.poll(now) == []
    assert (pairer.counts, pairer.rgb_waiting, pairer.thermal_waiting) == counts
    pairer.add_thermal(21 * 33 * MS, 21)
    assert not pairer.idle


@properties
@given(recordings(), st.floats(0.2, 3.0))
def test_polls_left_out_while_idle_change_nothing(recording: Recording, pause_s: float) -> None:
    first = in_stamp_order(recording)
    shift = first[-1][1] + int(pause_s * SECOND)
    events = first + [(side, stamp + shift, (1, index)) for side, stamp, (_, index) in first]

    def pairs(sleeps: bool) -> tuple[list[Pair], int]:
        pairer: NearestPairer = NearestPairer(recording.max_dt)
        made: list[Pair] = []
        now, slept = events[0][1], 0
        for event in events:
            while now + 20 * MS < event[1]:
                now += 20 * MS
                if sleeps and pairer.idle:
                    slept += 1
                else:
                    made += pairer.poll(now)
            made += add(pairer, event)
        return made, slept

    made, slept = pairs(sleeps=True)
    assert made == pairs(sleeps=False)[0]
    assert slept > 0 or pause_s < 2
