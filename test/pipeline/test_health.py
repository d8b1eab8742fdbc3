"""The verdict on a camera pair, on made-up values and times."""

import pytest
from settings_of import settings_of

from rgbt_seg_ros.base.diagnostics import ERROR, OK, WARN
from rgbt_seg_ros.pipeline.health import Health
from rgbt_seg_ros.pipeline.missing_camera import CameraState

SECOND = 1_000_000_000


class Robot:
    """A camera pair's values as they grow, one report a second."""

    def __init__(self, **settings: str) -> None:
        self.health = Health({"rgb": "/cam", "thermal": "/boson"}, settings_of(**settings))
        self.values = {"rgb_in": 0.0, "thermal_in": 0.0, "pairs": 0.0, "masks": 0.0, "mask_hz": 10.0}
        self.cameras = {"rgb": CameraState.OK, "thermal": CameraState.OK}
        self.unregistered = ""
        self.paused = False
        self.now_ns = 0

    def second(self, **grown: float) -> tuple[int, str]:
        """The verdict after a second in which the given values grew (``dropped_stale`` is ``dropped.stale``)."""
        for key, by in grown.items():
            key = key.replace("dropped_", "dropped.")
            self.values[key] = self.values.get(key, 0.0) + by
        self.now_ns += SECOND
        return self.health.assess(self.values, self.cameras, self.now_ns, self.unregistered, self.paused)

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


def test_images_lost_on_their_way_are_a_warning_and_missing_ones_a_number() -> None:
    robot = Robot()
    level, sentence = robot.good_second(dropped_lost=12)
    assert (level, sentence[:19]) == (WARN, "12 images were lost")
    assert robot.good_second(dropped_missing_estimated=5)[0] == OK


def test_a_dead_camera_is_an_error_by_its_topic_until_it_returns() -> None:
    robot = Robot()
    robot.good_second()
    robot.cameras["thermal"] = CameraState.MISSING
    assert robot.second(rgb_in=30) == (ERROR, "no images on /boson for 1 s: no masks, see thermal.on_missing")
    for _ in range(3):
        level, sentence = robot.second(rgb_in=30)
    assert (level, sentence[:27]) == (ERROR, "no images on /boson for 4 s")
    robot.cameras["thermal"] = CameraState.OK
    # The time without pairs is not held against cameras that send.
    assert robot.second(rgb_in=30, thermal_in=9)[0] == OK
    assert robot.good_second()[0] == OK


def test_a_silent_camera_is_an_error_even_where_it_is_not_watched() -> None:
    robot = Robot(thermal__on_missing="rgb_only")
    robot.good_second()
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30)
    assert (level, sentence) == (ERROR, "no images on /boson for 4 s: no masks, see thermal.on_missing")


def test_with_one_camera_alone_a_dead_one_is_a_warning() -> None:
    robot = Robot(thermal__on_missing="rgb_only", rgb__on_missing="thermal_only")
    robot.good_second()
    robot.cameras["thermal"] = CameraState.MISSING
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, alone=30, masks=30)
    assert (level, sentence) == (WARN, "no images on /boson for 4 s: masks come from /cam alone")
    robot.cameras = {"rgb": CameraState.FROZEN, "thermal": CameraState.OK}
    level, sentence = robot.second(rgb_in=30, thermal_in=9, alone=9, masks=9)
    assert level == WARN
    assert sentence == "the same image again and again on /cam for 1 s: masks come from /boson alone"


def test_one_camera_alone_without_masks_is_an_error() -> None:
    robot = Robot(thermal__on_missing="rgb_only")
    robot.good_second()
    robot.cameras["thermal"] = CameraState.MISSING
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, alone=30)
    assert level == ERROR
    assert sentence == "no images on /boson for 4 s, and no mask from /cam alone for 4 s"


def test_a_frozen_camera_is_called_so() -> None:
    robot = Robot()
    robot.good_second()
    robot.cameras["thermal"] = CameraState.FROZEN
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, thermal_in=9)
    assert level == ERROR
    assert sentence.startswith("the same image again and again on /boson for 3 s: no masks")


def test_no_image_at_all_is_a_warning_and_losing_both_cameras_an_error() -> None:
    robot = Robot()
    robot.second()
    for _ in range(4):
        level, sentence = robot.second()
    assert (level, sentence) == (WARN, "no images on /cam for 4 s and no images on /boson for 4 s")
    robot.good_second()
    for _ in range(4):
        level, sentence = robot.second()
    assert (level, sentence) == (ERROR, "no images on /cam for 4 s and no images on /boson for 4 s")


def test_the_end_of_a_recording_and_its_still_pictures_are_no_errors() -> None:
    robot = Robot(mode="lossless")
    robot.good_second()
    robot.cameras = {"rgb": CameraState.OK, "thermal": CameraState.FROZEN}
    assert robot.good_second()[0] == WARN
    robot.cameras = {"rgb": CameraState.MISSING, "thermal": CameraState.MISSING}
    assert robot.second()[0] == WARN


def test_pairs_that_cannot_be_registered_are_an_error() -> None:
    robot = Robot()
    robot.good_second()
    robot.unregistered = "registration.mode plane waits for /boson_info"
    assert robot.good_second() == (ERROR, robot.unregistered)


def test_cameras_that_never_pair_are_an_error_that_names_the_remedy() -> None:
    robot = Robot()
    robot.second(rgb_in=30, thermal_in=30)
    robot.values["newest_skew_ms"] = 1500.0
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, thermal_in=30)
    assert level == ERROR
    assert "+1.500 s" in sentence
    assert "sync.thermal_time_offset" in sentence


def test_slow_cameras_are_given_the_images_that_the_first_pair_takes() -> None:
    """As in a recording that is played slowly: the pairer must know both rates first."""
    robot = Robot(mode="lossless")
    assert [robot.second(rgb_in=1, thermal_in=1) for _ in range(6)] == [(WARN, "no mask yet")] * 6
    level, sentence = robot.second(rgb_in=1, thermal_in=1)
    assert (level, sentence.partition(", ")[2]) == (ERROR, "see dropped.*")
    assert robot.second(rgb_in=1, thermal_in=1, pairs=8, masks=8)[0] == OK
    # Time jumps back: the rates are to be found anew.
    assert [robot.second(rgb_in=1, thermal_in=1)[0] for _ in range(2)] == [OK] * 2
    assert all("no pair" not in robot.second(rgb_in=1, thermal_in=1)[1] for _ in range(4))
    assert robot.second(rgb_in=1, thermal_in=1, dropped_over_max_dt=1)[1].endswith(
        "see sync.max_dt and sync.thermal_time_offset"
    )


def test_clocks_far_apart_are_a_warning_even_where_stamps_pair() -> None:
    robot = Robot()
    robot.values["newest_skew_ms"] = -2004.0
    levels = [robot.good_second()[0] for _ in range(2)]
    level, sentence = robot.good_second()
    assert (levels, level) == ([OK, OK], WARN)
    assert sentence.startswith(
        "the newest thermal stamp is -2.004 s from the newest RGB stamp: the cameras' clocks"
    )
    robot.values |= {"rgb_hz": 30.0, "thermal_hz": 0.5}
    assert robot.good_second()[0] == OK
    robot.values |= {"thermal_hz": 30.0, "newest_skew_ms": 16.0}
    assert robot.good_second()[0] == OK


def test_a_clock_that_stands_still_while_images_come_is_a_warning() -> None:
    robot = Robot()
    robot.good_second()
    robot.now_ns -= SECOND
    level, sentence = robot.good_second()
    assert (level, sentence[-6:]) == (WARN, "/clock")


def test_a_size_change_is_a_warning_once() -> None:
    robot = Robot()
    robot.good_second()
    assert robot.good_second(size_changes=1) == (WARN, "the size of the images has changed, see the log")
    assert robot.good_second()[0] == OK


def test_stamps_that_stand_still_are_named() -> None:
    robot = Robot()
    for _ in range(4):
        level, sentence = robot.second(rgb_in=30, thermal_in=30, dropped_duplicate=30)
    assert (level, sentence) == (ERROR, "no pair for 3 s: the stamps of a camera stand still")


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
    robot = Robot(mode="lossless")
    robot.good_second(dropped_overflow=1)
    level, sentence = robot.good_second()
    assert level == ERROR
    assert "lost 1" in sentence


@pytest.mark.parametrize("stale_after", [0.0, 20.0])
def test_a_slow_camera_is_judged_by_its_own_period(stale_after: float) -> None:
    robot = Robot(thermal__stale_after=stale_after)
    robot.cameras["thermal"] = CameraState.WAITING
    levels, sentences = [], []
    for second in range(1, 41):
        image = second % 4 == 3
        robot.values["newest_skew_ms"] = -1000.0 * ((second - 3) % 4)
        if image:
            robot.cameras["thermal"] = CameraState.OK
        robot.values["mask_hz"] = 0.25
        verdict = robot.second(rgb_in=10, thermal_in=int(image), pairs=int(image), masks=int(image))
        levels.append(verdict[0])
        sentences.append(verdict[1])
    assert ERROR not in levels[2:]
    assert not any("clocks" in sentence for sentence in sentences)
    assert levels[12:] == [OK] * 28
    # Then it stops for good.
    silence = [robot.second(rgb_in=10) for _ in range(12)]
    assert [level for level, _ in silence[:9]] == [OK] * 9
    assert silence[-1] == (ERROR, "no images on /boson for 13 s: no masks, see thermal.on_missing")


def test_an_unjudged_camera_that_never_sent_is_an_error_only_after_a_minute() -> None:
    robot = Robot(thermal__stale_after=0.0)
    robot.cameras["thermal"] = CameraState.WAITING
    verdicts = [robot.second(rgb_in=10) for _ in range(70)]
    assert verdicts[5] == (WARN, "no images on /boson for 5 s: no masks, see thermal.on_missing")
    assert verdicts[-1][0] == ERROR


def test_a_camera_slower_than_stale_after_is_told_the_parameter() -> None:
    robot = Robot(thermal__stale_after=1.0)
    for second in range(20):
        image = second % 4 == 0
        robot.cameras["thermal"] = CameraState.OK if image else CameraState.MISSING
        verdict = robot.second(rgb_in=10, thermal_in=int(image), pairs=int(image), masks=int(image))
    assert verdict == (
        ERROR,
        "no images on /boson for 3 s (they come every 4 s, see thermal.stale_after): "
        "no masks, see thermal.on_missing",
    )


def test_one_slow_camera_alone_is_given_its_period() -> None:
    robot = Robot(thermal__on_missing="rgb_only", rgb__stale_after=0.0)
    levels = []
    for second in range(30):
        image = int(second % 4 == 0)
        robot.cameras["thermal"] = CameraState.MISSING if second > 8 else CameraState.OK
        levels.append(robot.second(rgb_in=image, thermal_in=int(second <= 8), alone=image, masks=image)[0])
    assert levels[12:] == [WARN] * 18


def test_a_pause_is_ok_and_hides_no_fault() -> None:
    robot = Robot()
    robot.good_second()
    robot.paused = True
    paused = (OK, "paused: inference is switched off by ~/enable")
    assert [robot.second(rgb_in=30, thermal_in=9, pairs=9, dropped_paused=9) for _ in range(5)] == [
        paused
    ] * 5
    robot.cameras["thermal"] = CameraState.MISSING
    assert robot.second(rgb_in=30)[0] == ERROR
    robot.cameras["thermal"] = CameraState.OK
    robot.paused = False
    assert robot.good_second()[0] == OK
