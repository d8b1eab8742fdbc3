"""Which header stamps are useless, and what is used instead."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from bags import START_NS
from field_bags import (
    ROS1_STORE,
    compressed_message,
    header,
    image_message,
    own_time,
    pair_messages,
    rgb_frame,
    write_ros1,
    write_rosbag2,
)
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores, get_typestore

from rgbt_seg_ros.bags.image_topics import find_image_topics
from rgbt_seg_ros.bags.reader import Recording, read_topics
from rgbt_seg_ros.bags.stamps import Stamps, choose_stamps, restamped, stamp_fault, useless_stamps
from rgbt_seg_ros.base.errors import UserError

PERIOD = 100_000_000
RECEIVED = [START_NS + index * PERIOD for index in range(40)]
BOTH = {"rgb": "/rgb/image", "thermal": "/thermal/image"}

Stamp = Callable[[int], int]


def shuffled(index: int) -> int:
    return random.Random(3).sample(RECEIVED, 40)[index % 40]


ZERO, STAND, SWING = "are all zero", "stand still", "go back and forth"
USELESS: dict[str, tuple[Stamp, str]] = {
    "zero": (lambda index: 0, ZERO),
    "constant": (lambda index: START_NS, STAND),
    "constant after a start": (lambda index: START_NS + min(index, 2) * PERIOD, STAND),
    "stuck for many images": (lambda index: START_NS + index // 5 * PERIOD, STAND),
    "whole seconds": (lambda index: (START_NS + index * PERIOD) // 10**9 * 10**9, STAND),
    "counter in nanoseconds": (lambda index: index + 1, STAND),
    "two clocks in turn": (lambda index: own_time(index) - index % 2 * 10**10, SWING),
    "two stamps in turn": (lambda index: START_NS + index % 2, SWING),
    "two images swapped": (lambda index: own_time(index ^ 1), SWING),
    "shuffled": (shuffled, SWING),
    "backwards": (lambda index: own_time(100 - index), SWING),
}
USEFUL: dict[str, Stamp] = {
    "own": own_time,
    "of another clock": lambda index: 5 + index * PERIOD,
    "simulated slowly": lambda index: index * PERIOD // 100,
    "with gaps": lambda index: own_time(index + index // 5 * 10),
    "a loop": lambda index: own_time(index % 20),
    "one in ten doubled": lambda index: own_time(index - (index % 10 == 9)),
    "one in ten late": lambda index: own_time(index) - (index % 10 == 9) * 3 * PERIOD,
    "zero at first": lambda index: own_time(index) if index > 5 else 0,
}


@pytest.mark.parametrize("name", USELESS)
def test_useless_stamps_are_told(name: str) -> None:
    stamp, fault = USELESS[name]
    assert stamp_fault([stamp(index) for index in range(40)], RECEIVED) == fault


@pytest.mark.parametrize("name", USEFUL)
def test_other_stamps_are_believed(name: str) -> None:
    assert stamp_fault([USEFUL[name](index) for index in range(40)], RECEIVED) == ""


@pytest.mark.parametrize(
    ("stamps", "fault"),
    [([], ""), ([0], ZERO), ([5], ""), ([5, 5], STAND), ([6, 5], SWING), ([5, 10**9], "")],
)
def test_few_images_tell_little(stamps: list[int], fault: str) -> None:
    assert stamp_fault(stamps, RECEIVED[: len(stamps)]) == fault


def write_stamped(path: Path, rgb: Stamp, thermal: Stamp, storage: str) -> Recording:
    if storage == "ros1":
        messages = pair_messages(range(12), rgb, thermal, types=ROS1_STORE.types)
        return Recording(write_ros1(path.with_suffix(".bag"), messages))
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    return Recording(write_rosbag2(path, pair_messages(range(12), rgb, thermal), plugin))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3", "ros1"])
@pytest.mark.parametrize("name", ["zero", "constant", "two clocks in turn"])
def test_reception_is_taken_where_stamps_are_useless(tmp_path: Path, name: str, storage: str) -> None:
    stamp, fault = USELESS[name]
    recording = write_stamped(tmp_path / "bag", stamp, stamp, storage)
    topics = find_image_topics(recording)
    stamps = choose_stamps(recording, topics)
    assert stamps == Stamps(
        True,
        frozenset(topics),
        f"the header stamps of /rgb/image and /thermal/image {fault}: "
        "images are paired by the time at which the bag received them",
    )
    for image in read_topics(recording, topics, stamps):
        assert image.time_ns == image.stamp_ns == image.received_ns
    assert choose_stamps(recording, topics, "header") == Stamps()
    for index, image in enumerate(read_topics(recording, topics)):
        assert image.time_ns == image.stamp_ns == stamp(index // 2)


def test_an_image_keeps_its_stamp_where_only_the_other_cameras_are_useless(tmp_path: Path) -> None:
    """Labels are named by them."""
    recording = write_stamped(tmp_path / "bag", own_time, lambda index: 0, "mcap")
    stamps = choose_stamps(recording, BOTH)  # type: ignore[arg-type]
    assert (stamps.by_reception, stamps.replaced) == (True, {"thermal"})
    assert stamps.note.startswith("the header stamps of /thermal/image are all zero: ")
    for image in read_topics(recording, BOTH, stamps):  # type: ignore[arg-type]
        assert image.time_ns == image.received_ns
        assert image.stamp_ns == image.received_ns - (20_000_000 if image.kind == "rgb" else 0)


def test_different_faults_are_told_apart(tmp_path: Path) -> None:
    recording = write_stamped(tmp_path / "bag", lambda index: 0, lambda index: START_NS, "mcap")
    told = "the header stamps of /rgb/image are all zero, those of /thermal/image stand still"
    assert useless_stamps(recording, list(BOTH.values())) == told
    assert choose_stamps(recording, BOTH).note.startswith(f"{told}: ")  # type: ignore[arg-type]


def test_good_stamps_are_used_and_reception_if_it_is_asked_for(tmp_path: Path) -> None:
    recording = write_stamped(tmp_path / "bag", own_time, own_time, "mcap")
    assert choose_stamps(recording, BOTH) == Stamps()  # type: ignore[arg-type]
    assert useless_stamps(recording, list(BOTH.values())) == ""
    assert choose_stamps(recording, BOTH, "receive") == Stamps(True)  # type: ignore[arg-type]


@pytest.mark.parametrize(("choice", "stamp"), [("auto", lambda index: 0), ("receive", own_time)])
def test_a_reception_that_stands_still_is_no_way_out(tmp_path: Path, choice: str, stamp: Stamp) -> None:
    messages = [(topic, 77, message) for topic, _, message in pair_messages(range(5), stamp, stamp)]
    recording = Recording(write_rosbag2(tmp_path / "bag", messages))
    with pytest.raises(UserError, match=r"the times at which .* received /rgb/image stand still"):
        choose_stamps(recording, BOTH, choice)  # type: ignore[arg-type]


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_message_gets_another_stamp(little_endian: bool, compressed: bool) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    message = (compressed_message if compressed else image_message)(rgb_frame(1), 3)
    data = bytes(store.serialize_cdr(message, message.__msgtype__, little_endian=little_endian))
    read = store.deserialize_cdr(restamped(data, own_time(2) + 7), message.__msgtype__)
    assert read.header == header(own_time(2) + 7)
    assert read.data.tobytes() == message.data.tobytes()
