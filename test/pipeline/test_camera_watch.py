"""Silent and frozen cameras."""

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbt_seg_ros.pipeline.camera import FROZEN, MISSING, OK, WAITING, CameraWatch

MS = 1_000_000
STALE_AFTER = 500 * MS


def image(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(640 * 480)


def watch_after(
    payloads: list[bytes], period_ns: int = 100 * MS, start_ns: int = 0
) -> tuple[CameraWatch, int]:
    """A watch that saw these payloads, one a period, and when the last came."""
    watch, now_ns = CameraWatch(STALE_AFTER), start_ns
    for i, payload in enumerate(payloads):
        now_ns = start_ns + i * period_ns
        watch.saw(now_ns, payload)
    return watch, now_ns


def test_a_camera_that_never_came_is_waited_for() -> None:
    watch = CameraWatch(STALE_AFTER)
    assert [watch.state(now_ns) for now_ns in (0, 3_600_000 * MS)] == [WAITING, WAITING]


def test_a_silent_camera_is_missing_until_it_is_back() -> None:
    watch, last_ns = watch_after([image(0), image(1)])
    assert watch.state(last_ns + STALE_AFTER) == OK
    assert watch.state(last_ns + STALE_AFTER + 1) == MISSING
    watch.saw(last_ns + 5_000 * MS, image(2))
    assert watch.state(last_ns + 5_000 * MS) == OK


def test_a_camera_that_repeats_its_image_is_frozen_until_it_changes() -> None:
    watch, last_ns = watch_after([image(0)] * 6)
    assert watch.state(last_ns) == OK
    watch.saw(last_ns + 100 * MS, image(0))
    assert watch.state(last_ns + 100 * MS) == FROZEN
    watch.saw(last_ns + 200 * MS, image(1))
    assert watch.state(last_ns + 200 * MS) == OK


def test_a_frozen_camera_that_falls_silent_is_missing() -> None:
    watch, last_ns = watch_after([image(0)] * 20)
    assert watch.state(last_ns + STALE_AFTER + 1) == MISSING


@pytest.mark.parametrize("position", [0, 1, 12_345, 640 * 480 - 1])
def test_one_changed_byte_anywhere_is_life(position: int) -> None:
    changed = bytearray(image(0))
    changed[position] ^= 1
    watch, last_ns = watch_after([image(0), bytes(changed)] * 10)
    assert watch.state(last_ns) == OK


def test_another_length_is_a_change_and_no_data_is_an_image_like_others() -> None:
    watch, last_ns = watch_after([b"\0" * (10 + i % 2) for i in range(20)])
    assert watch.state(last_ns) == OK
    watch, last_ns = watch_after([b""] * 20)
    assert watch.state(last_ns) == FROZEN


def test_any_buffer_is_a_payload() -> None:
    plain = image(0)
    kinds = [plain, array.array("B", plain), np.frombuffer(plain, np.uint8), memoryview(plain)]
    watch, last_ns = watch_after(kinds * 3)
    assert watch.state(last_ns) == FROZEN


@pytest.mark.parametrize("back_ns", [1, 1_000 * MS, 86_400_000 * MS])
def test_after_a_clock_jumped_back_waiting_starts_anew(back_ns: int) -> None:
    start_ns = 100_000_000 * MS
    watch, last_ns = watch_after([image(i) for i in range(20)], start_ns=start_ns)
    jumped_ns = last_ns - back_ns
    assert watch.state(jumped_ns) == OK
    assert watch.state(jumped_ns + STALE_AFTER + 1) == MISSING
    watch, last_ns = watch_after([image(0)] * 20, start_ns=start_ns)
    jumped_ns = last_ns - back_ns
    watch.saw(jumped_ns, image(0))
    assert watch.state(jumped_ns) == OK
    watch.saw(jumped_ns + STALE_AFTER + 1, image(0))
    assert watch.state(jumped_ns + STALE_AFTER + 1) == FROZEN


def test_zero_watches_nothing() -> None:
    watch = CameraWatch(0)
    for i in range(10):
        watch.saw(i * 100 * MS, image(0))
    assert watch.state(3_600_000 * MS) == OK


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 1)), min_size=1, max_size=40), st.integers(0, 900)
)
def test_states_are_those_of_the_definition(events: list[tuple[int, int]], later_ms: int) -> None:
    """Against the whole history: when the last image came, and since when all of them are the same."""
    watch, now_ns, history = CameraWatch(STALE_AFTER), 0, []
    for gap_ms, content in events:
        now_ns += gap_ms * MS
        watch.saw(now_ns, bytes([content]) * 8)
        history.append((now_ns, content))
    changed_ns = next(
        time for i, (time, content) in enumerate(history) if all(later == content for _, later in history[i:])
    )
    at_ns = now_ns + later_ms * MS
    if at_ns - now_ns > STALE_AFTER:
        assert watch.state(at_ns) == MISSING
    else:
        assert watch.state(at_ns) == (FROZEN if now_ns - changed_ns > STALE_AFTER else OK)
