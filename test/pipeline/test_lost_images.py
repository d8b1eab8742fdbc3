"""Images lost between publisher and receiver, by numbers and by events."""

import pytest

from rgbt_seg_ros.pipeline.lost_images import LostImages


class Topic:
    """Counts what is lost on a topic whose publishers are known."""

    def __init__(self, *publishers: str) -> None:
        self.publishers = set(publishers)
        self.lost = 0
        self.images = LostImages(lambda: frozenset(self.publishers), self._count)

    def _count(self, number: int) -> None:
        assert number > 0
        self.lost += number

    def receive(self, *numbers: int | None) -> list[int]:
        return [self.images.note_received(number) for number in numbers]


def test_gaps_in_the_numbers_are_counted_where_they_are() -> None:
    topic = Topic("camera")
    assert topic.receive(7, 8, 9, 29, 30, 32) == [0, 0, 0, 19, 0, 1]
    assert topic.lost == 20


def test_without_numbers_the_events_count() -> None:
    topic = Topic("camera")
    assert topic.receive(None, None) == [0, 0]
    topic.images.note_told(3)
    assert topic.lost == 3


@pytest.mark.parametrize("event_first", [True, False])
def test_a_loss_of_which_both_tell_counts_once(event_first: bool) -> None:
    topic = Topic("camera")
    topic.receive(1)
    if event_first:
        topic.images.note_told(4)
        assert topic.receive(7) == [5]
    else:
        topic.receive(7)
        topic.images.note_told(4)
    assert topic.lost == 5


@pytest.mark.parametrize("number", [2**32 - 2, 2**64 - 2, 2**31, -2, 0])
def test_a_counter_that_has_wrapped_is_not_believed(number: int) -> None:
    topic = Topic("camera")
    topic.receive(1, 2)
    topic.images.note_told(number)
    assert topic.lost == 0
    topic.receive(4)
    assert topic.lost == 1


def test_numbers_that_jump_by_more_than_anybody_sends_are_no_loss() -> None:
    topic = Topic("camera")
    assert topic.receive(1, 2**63, 2**63 + 2) == [0, 0, 1]
    assert topic.lost == 1


def test_a_camera_that_starts_again_has_lost_nothing() -> None:
    topic = Topic("camera")
    topic.receive(100, 101)
    # The graph may list a killed process for a while.
    topic.publishers.add("camera again")
    assert topic.receive(1, 2, 4) == [0, 0, 1]
    topic.publishers.remove("camera")
    assert topic.receive(5, 99, 105, 106) == [0, 93, 5, 0]
    assert topic.lost == 99


def test_two_publishers_of_one_topic_are_told_apart() -> None:
    topic = Topic("one", "other")
    assert topic.receive(1000, 5, 1001, 6, 1002, 9, 1004, 10) == [0, 0, 0, 0, 0, 2, 1, 0]
    assert topic.lost == 3


def test_the_first_number_of_a_new_publisher_is_no_gap() -> None:
    topic = Topic("one")
    topic.receive(1, 2)
    topic.publishers.add("other")
    assert topic.receive(50, 3, 51, 4) == [0, 0, 0, 0]
    assert topic.lost == 0


def test_losses_of_an_earlier_publisher_do_not_hide_those_of_the_next() -> None:
    topic = Topic("camera")
    topic.receive(100)
    topic.images.note_told(3)
    topic.publishers = {"camera again"}
    topic.receive(1, 5)
    assert topic.lost == 6
