"""Silent and frozen cameras."""

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbt_seg_ros.pipeline.missing_camera import Camera, CameraState

MS = 1_000_000
STALE_AFTER = 500 * MS


def image(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(640 * 480)


def camera_after(payloads: list[bytes], period_ns: int = 100 * MS, start_ns: int = 0) -> tuple[Camera, int]:
    """A camera that sent these payloads, one a period, and when the last came."""
    camera, now_ns = Camera("thermal", STALE_AFTER / 1e9), start_ns
    for i, payload in enumerate(payloads):
        now_ns = start_ns + i * period_ns
        camera.saw(0, payload, now_ns)
    return camera, now_ns


def test_a_camera_that_never_came_is_waited_for() -> None:
    camera = Camera("thermal", STALE_AFTER / 1e9)
    assert [camera.state(now_ns) for now_ns in (0, 3_600_000 * MS)] == [
        CameraState.WAITING,
        CameraState.WAITING,
    ]


def test_a_silent_camera_is_missing_until_it_is_back() -> None:
    camera, last_ns = camera_after([image(0), image(1)])
    assert camera.state(last_ns + STALE_AFTER) == CameraState.OK
    assert camera.state(last_ns + STALE_AFTER + 1) == CameraState.MISSING
    camera.saw(0, image(2), last_ns + 5_000 * MS)
    assert camera.state(last_ns + 5_000 * MS) == CameraState.OK


def test_a_camera_that_repeats_its_image_is_frozen_until_it_changes() -> None:
    camera, last_ns = camera_after([image(0)] * 6)
    assert camera.state(last_ns) == CameraState.OK
    camera.saw(0, image(0), last_ns + 100 * MS)
    assert camera.state(last_ns + 100 * MS) == CameraState.FROZEN
    camera.saw(0, image(1), last_ns + 200 * MS)
    assert camera.state(last_ns + 200 * MS) == CameraState.OK


def test_a_frozen_camera_that_falls_silent_is_missing() -> None:
    camera, last_ns = camera_after([image(0)] * 20)
    assert camera.state(last_ns + STALE_AFTER + 1) == CameraState.MISSING


@pytest.mark.parametrize("position", [0, 1, 12_345, 640 * 480 - 1])
def test_one_changed_byte_anywhere_is_life(position: int) -> None:
    changed = bytearray(image(0))
    changed[position] ^= 1
    camera, last_ns = camera_after([image(0), bytes(changed)] * 10)
    assert camera.state(last_ns) == CameraState.OK


def test_another_length_is_a_change_and_no_data_is_an_image_like_others() -> None:
    camera, last_ns = camera_after([b"\0" * (10 + i % 2) for i in range(20)])
    assert camera.state(last_ns) == CameraState.OK
    camera, last_ns = camera_after([b""] * 20)
    assert camera.state(last_ns) == CameraState.FROZEN


def test_any_buffer_is_a_payload() -> None:
    plain = image(0)
    kinds = [plain, array.array("B", plain), np.frombuffer(plain, np.uint8), memoryview(plain)]
    camera, last_ns = camera_after(kinds * 3)
    assert camera.state(last_ns) == CameraState.FROZEN


@pytest.mark.parametrize("back_ns", [1, 1_000 * MS, 86_400_000 * MS])
def test_after_a_clock_jumped_back_waiting_starts_anew(back_ns: int) -> None:
    start_ns = 100_000_000 * MS
    camera, last_ns = camera_after([image(i) for i in range(20)], start_ns=start_ns)
    jumped_ns = last_ns - back_ns
    assert camera.state(jumped_ns) == CameraState.OK
    assert camera.state(jumped_ns + STALE_AFTER + 1) == CameraState.MISSING
    camera, last_ns = camera_after([image(0)] * 20, start_ns=start_ns)
    jumped_ns = last_ns - back_ns
    camera.saw(0, image(0), jumped_ns)
    assert camera.state(jumped_ns) == CameraState.OK
    camera.saw(0, image(0), jumped_ns + STALE_AFTER + 1)
    assert camera.state(jumped_ns + STALE_AFTER + 1) == CameraState.FROZEN


def test_zero_watches_nothing() -> None:
    camera = Camera("thermal", 0.0)
    for i in range(10):
        camera.saw(0, image(0), i * 100 * MS)
    assert camera.state(3_600_000 * MS) == CameraState.OK


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(0, 1)), min_size=1, max_size=40), st.integers(0, 900)
)
def test_states_are_those_of_the_definition(events: list[tuple[int, int]], later_ms: int) -> None:
    """Against the whole history: when the last image came, and since when all of them are the same."""
    camera, now_ns, history = Camera("thermal", STALE_AFTER / 1e9), 0, []
    for gap_ms, content in events:
        now_ns += gap_ms * MS
        camera.saw(0, bytes([content]) * 8, now_ns)
        history.append((now_ns, content))
    changed_ns = next(
        time for i, (time, content) in enumerate(history) if all(later == content for _, later in history[i:])
    )
    at_ns = now_ns + later_ms * MS
    if at_ns - now_ns > STALE_AFTER:
        assert camera.state(at_ns) == CameraState.MISSING
    else:
        assert camera.state(at_ns) == (
            CameraState.FROZEN if now_ns - changed_ns > STALE_AFTER else CameraState.OK
        )
