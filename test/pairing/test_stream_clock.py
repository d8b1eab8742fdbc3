"""The present in stamp time: old stamps, slow playback, bursts, jumps back."""

from rgbt_seg_ros.pairing.stream_clock import StreamClock

MS = 1_000_000
OLD = 1_500_000_000 * 1000 * MS
NOW = 1_790_000_000 * 1000 * MS


def play(clock: StreamClock, frames: int, stamp_ms: float, received_ms: float) -> None:
    for i in range(frames):
        clock.add(OLD + int(i * stamp_ms * MS), NOW + int(i * received_ms * MS))


def test_there_is_no_present_before_the_first_image() -> None:
    assert StreamClock().now(NOW) is None


def test_a_single_image_starts_the_clock() -> None:
    clock = StreamClock()
    clock.add(OLD, NOW)
    assert clock.now(NOW + 500 * MS) == OLD + 500 * MS


def test_old_stamps_in_real_time() -> None:
    clock = StreamClock()
    play(clock, frames=50, stamp_ms=33, received_ms=33)
    assert clock.now(NOW + (49 * 33 + 20) * MS) == OLD + (49 * 33 + 20) * MS


def test_slow_playback_slows_the_present() -> None:
    clock = StreamClock()
    play(clock, frames=50, stamp_ms=30, received_ms=120)
    assert clock.now(NOW + (49 * 120 + 100) * MS) == OLD + (49 * 30 + 25) * MS


def test_a_burst_does_not_run_ahead_of_the_camera() -> None:
    clock = StreamClock()
    play(clock, frames=50, stamp_ms=30, received_ms=1)
    assert clock.now(NOW + (49 + 10) * MS) == OLD + (49 * 30 + 10) * MS


def test_a_jump_back_starts_again() -> None:
    clock = StreamClock()
    play(clock, frames=100, stamp_ms=30, received_ms=30)
    later = NOW + 4000 * MS
    clock.add(OLD, later)
    assert clock.now(later) == OLD
    clock.add(OLD + 30 * MS, later + 30 * MS)
    assert clock.now(later + 40 * MS) == OLD + 40 * MS


def test_a_late_frame_of_the_other_stream_changes_nothing() -> None:
    clock = StreamClock()
    play(clock, frames=10, stamp_ms=30, received_ms=30)
    before = clock.now(NOW + 300 * MS)
    clock.add(OLD + 200 * MS, NOW + 300 * MS)
    assert clock.now(NOW + 300 * MS) == before
