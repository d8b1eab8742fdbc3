"""The player in a process of its own, over DDS, heard by a subscriber in this one."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import rgb_frame, thermal_frame, truncate, write_bag
from field_bags import (
    ROS1_STORE,
    compressed_message,
    header,
    own_time,
    pair_messages,
    write_ros1,
    write_rosbag2,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from rgbt_seg_ros.bags.reader import read_images
from rgbt_seg_ros.bags.writer import BagWriter

rclpy = pytest.importorskip("rclpy", reason="needs rclpy: the player is a ROS 2 program")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from vision_msgs.msg import LabelInfo  # noqa: E402

Start = Callable[..., "subprocess.Popen[str]"]
TIMEOUT_S = 60


class Listener:
    """Subscribes and keeps (topic, message) in order of arrival."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def listen(self, topic: str, kind: type = Image, **qos: Any) -> None:
        """Subscribe, reliable unless said otherwise."""
        profile = QoSProfile(depth=200, **qos)
        self.node.create_subscription(
            kind, topic, lambda message: self.heard.append((topic, message)), profile
        )

    def hear(self, player: "subprocess.Popen[str]") -> tuple[int, str]:
        """Spin until the player has ended and nothing is left to hear; its exit code and output."""
        while player.poll() is None:
            self.executor.spin_once(timeout_sec=0.05)
        heard = -1
        while heard != len(self.heard):
            heard = len(self.heard)
            self.executor.spin_once(timeout_sec=0.5)
        assert player.stdout is not None
        return player.returncode, player.stdout.read()

    def stamps_ns(self, topic: str) -> list[int]:
        """Header stamps of what was heard on a topic."""
        stamps = [message.header.stamp for name, message in self.heard if name == topic]
        return [stamp.sec * 1_000_000_000 + stamp.nanosec for stamp in stamps]


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.executor.shutdown()
    listener.node.destroy_node()
    rclpy.shutdown(context=listener.context)


def test_everything_arrives_as_recorded(tmp_path: Path, start: Start, listener: Listener) -> None:
    bag = write_bag(tmp_path / "bag", rgb_count=20, thermal_count=20)
    listener.listen("/rgb/image")
    listener.listen("/thermal/image")
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag)))
    assert code == 0, output
    recorded = list(read_images(bag))
    for topic in ("/rgb/image", "/thermal/image"):
        heard = [message for name, message in listener.heard if name == topic]
        for message, image in zip(heard, [i for i in recorded if i.topic == topic], strict=True):
            original = image.message
            assert (message.header.stamp.sec, message.header.stamp.nanosec) == divmod(image.stamp_ns, 10**9)
            assert message.header.frame_id == image.frame_id
            for field in ("height", "width", "encoding", "is_bigendian", "step"):
                assert getattr(message, field) == getattr(original, field)
            np.testing.assert_array_equal(np.frombuffer(message.data, np.uint8), original.data)
    # It cannot have been faster than the recording, which spans 1.903 s.
    played = re.search(r"played 40 messages in ([\d.]+) s", output)
    assert played, output
    assert float(played[1]) >= 1.9


def test_compressed_images_arrive_as_recorded(tmp_path: Path, start: Start, listener: Listener) -> None:
    message = compressed_message(thermal_frame(3), own_time(3))
    bag = write_rosbag2(tmp_path / "bag", [("/thermal/image/compressed", own_time(3), message)])
    listener.listen("/thermal/image/compressed", CompressedImage)
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag)))
    assert code == 0, output
    ((_, heard),) = listener.heard
    assert (heard.format, bytes(heard.data)) == (message.format, message.data.tobytes())
    assert listener.stamps_ns("/thermal/image/compressed") == [own_time(3)]


def test_a_ros1_bag_is_played_in_messages_of_ros2(tmp_path: Path, start: Start, listener: Listener) -> None:
    """What has no like in ROS 2 is named."""
    types = ROS1_STORE.types
    log = types["rosgraph_msgs/msg/Log"](
        header(own_time(0), types), 2, "node", "text", "file", "function", 3, []
    )
    messages = [*pair_messages(range(5), types=types), ("/rosout", own_time(9), log)]
    bag = write_ros1(tmp_path / "drive.bag", messages)
    listener.listen("/rgb/image")
    listener.listen("/thermal/image")
    options = ["--rate", "5", "--subscriptions", "2"]
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), *options))
    assert code == 0, output
    assert "not played: /rosout (rosgraph_msgs/msg/Log of ROS 1)" in output
    assert "played 10 messages" in output
    for topic, frame in (("/rgb/image", rgb_frame), ("/thermal/image", thermal_frame)):
        assert listener.stamps_ns(topic) == [own_time(index) for index in range(5)]
        heard = [message for name, message in listener.heard if name == topic]
        for index, image in enumerate(heard):
            assert bytes(image.data) == frame(index).tobytes()


@pytest.mark.parametrize("choice", ["header", "auto", "receive"])
def test_useless_stamps_are_said_and_replaced_if_asked_for(
    tmp_path: Path, start: Start, listener: Listener, choice: str
) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(5), lambda index: 0, own_time))
    listener.listen("/rgb/image")
    listener.listen("/thermal/image")
    code, output = listener.hear(
        start("-m", "rgbt_seg_ros.play", str(bag), "--rate", "5", "--stamps", choice)
    )
    assert code == 0, output
    is_said = "the header stamps of /rgb/image are all zero" in output
    assert is_said == (choice != "receive"), output
    received = [own_time(index) + 20_000_000 for index in range(5)]
    assert listener.stamps_ns("/rgb/image") == ([0] * 5 if choice == "header" else received)
    if choice == "header":
        assert "see --stamps receive" in output
        assert listener.stamps_ns("/thermal/image") == [own_time(index) for index in range(5)]
    else:
        assert listener.stamps_ns("/thermal/image") == [time + 1_000_000 for time in received]
    for _, image in listener.heard:
        assert image.header.frame_id == "camera"


def test_loop_repeats_the_stamps(tmp_path: Path, start: Start, listener: Listener) -> None:
    bag = write_bag(tmp_path / "bag")
    listener.listen("/rgb/image")
    listener.listen("/thermal/image")
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), "--loop", "3", "--rate", "5"))
    assert code == 0, output
    for topic, kind in (("/rgb/image", "rgb"), ("/thermal/image", "thermal")):
        once = [image.stamp_ns for image in read_images(bag) if image.kind == kind]
        assert listener.stamps_ns(topic) == once * 3


def test_playback_duration_ends_early(tmp_path: Path, start: Start, listener: Listener) -> None:
    bag = write_bag(tmp_path / "bag")
    listener.listen("/rgb/image")
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), "--playback-duration", "0.25"))
    assert code == 0, output
    assert (
        listener.stamps_ns("/rgb/image")
        == [image.stamp_ns for image in read_images(bag) if image.kind == "rgb"][:3]
    )


def test_clock_runs_with_the_recording(tmp_path: Path, start: Start, listener: Listener) -> None:
    """From the first message to the last, in steps of at most rate / 40 Hz, and back at each loop."""
    bag = write_bag(tmp_path / "bag")
    listener.listen("/rgb/image")
    listener.listen("/clock", Clock)
    code, output = listener.hear(
        start("-m", "rgbt_seg_ros.play", str(bag), "--clock", "--loop", "2", "--rate", "2")
    )
    assert code == 0, output
    clocks = [message.clock for topic, message in listener.heard if topic == "/clock"]
    times = [clock.sec * 10**9 + clock.nanosec for clock in clocks]
    received = [image.received_ns for image in read_images(bag)]
    jump = next(i for i in range(1, len(times)) if times[i] < times[i - 1])
    for one_pass in (times[:jump], times[jump:]):
        assert one_pass == sorted(one_pass)
        assert (one_pass[0], one_pass[-1]) == (received[0], received[-1])
        assert max(np.diff(one_pass)) <= 2 / 40 * 1e9
        assert set(received) <= set(one_pass)


def test_topics_are_remapped(tmp_path: Path, start: Start, listener: Listener) -> None:
    bag = write_bag(tmp_path / "bag")
    listener.listen("/camera/image_raw")
    remap = ["--ros-args", "-r", "/rgb/image:=/camera/image_raw"]
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), "--rate", "5", *remap))
    assert code == 0, output
    assert len(listener.heard) == 6


def test_latched_topics_stay_latched(tmp_path: Path, start: Start, listener: Listener) -> None:
    """A transient-local subscription is only matched by a transient-local publisher."""
    with BagWriter(tmp_path / "bag") as bag:
        entry = bag.messages.types["vision_msgs/msg/VisionClass"](3, "car")
        message = bag.messages.types["vision_msgs/msg/LabelInfo"](bag.header(5, "camera"), [entry], 0.0)
        bag.write("/label_info", message, 5, latched=True)
    listener.listen("/label_info", LabelInfo, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(tmp_path / "bag")))
    assert code == 0, output
    ((_, heard),) = listener.heard
    assert [(entry.class_id, entry.class_name) for entry in heard.class_map] == [(3, "car")]


def test_best_effort_serves_best_effort_subscribers_only(
    tmp_path: Path, start: Start, listener: Listener
) -> None:
    bag = write_bag(tmp_path / "bag")
    options = ["--best-effort", "--rate", "5", "--wait-for-subscribers", "3"]
    listener.listen("/rgb/image")
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), *options))
    assert code == 1
    assert "nobody subscribed to /rgb/image, /thermal/image within 3 s" in output
    listener.listen("/thermal/image", reliability=ReliabilityPolicy.BEST_EFFORT)
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), *options))
    assert code == 0, output
    assert {topic for topic, _ in listener.heard} == {"/thermal/image"}


def test_playing_to_nobody_must_be_asked_for(tmp_path: Path, start: Start) -> None:
    bag = write_bag(tmp_path / "bag")
    player = start("-m", "rgbt_seg_ros.play", str(bag), "--wait-for-subscribers", "0", "--rate", "5")
    output, _ = player.communicate(timeout=TIMEOUT_S)
    assert player.returncode == 0, output
    assert "played 12 messages" in output


def test_too_few_subscriptions_are_said(tmp_path: Path, start: Start, listener: Listener) -> None:
    bag = write_bag(tmp_path / "bag")
    listener.listen("/rgb/image")
    options = ["--subscriptions", "2", "--wait-for-subscribers", "5"]
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(bag), *options))
    assert code == 1
    assert "error: only 1 of 2 subscriptions to /rgb/image, /thermal/image within 5 s" in output
    assert listener.heard == []


def test_unknown_types_are_said_and_left_out(tmp_path: Path, start: Start, listener: Listener) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("int32 x", "made_up_msgs/msg/Thing"))
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        thing = writer.add_connection("/thing", "made_up_msgs/msg/Thing", typestore=store)
        text = writer.add_connection("/clock", "rosgraph_msgs/msg/Clock", typestore=store)
        writer.write(thing, 1, store.serialize_cdr(store.types["made_up_msgs/msg/Thing"](3), thing.msgtype))
        time = store.types["builtin_interfaces/msg/Time"](1, 2)
        writer.write(text, 2, store.serialize_cdr(store.types["rosgraph_msgs/msg/Clock"](time), text.msgtype))
    listener.listen("/clock", Clock)
    code, output = listener.hear(start("-m", "rgbt_seg_ros.play", str(tmp_path / "bag")))
    assert code == 0, output
    assert "not played: /thing (made_up_msgs/msg/Thing)" in output
    assert [message.clock.sec for _, message in listener.heard] == [1]


def test_sigint_ends_it_without_a_traceback(tmp_path: Path, start: Start, listener: Listener) -> None:
    bag = write_bag(tmp_path / "bag", rgb_count=2000, thermal_count=0)
    listener.listen("/rgb/image")
    player = start("-m", "rgbt_seg_ros.play", str(bag))
    while len(listener.heard) < 3 and player.poll() is None:
        listener.executor.spin_once(timeout_sec=0.1)
    player.send_signal(signal.SIGINT)
    code, output = listener.hear(player)
    assert code == 130, output
    assert output.splitlines()[-1] == "interrupted"
    assert "Traceback" not in output
    assert len(listener.heard) < 2000


def test_a_truncated_bag_is_one_sentence(tmp_path: Path, start: Start) -> None:
    bag = write_bag(tmp_path / "bag")
    truncate(bag)
    player = start("-m", "rgbt_seg_ros.play", str(bag))
    output, _ = player.communicate(timeout=TIMEOUT_S)
    assert player.returncode == 1
    assert len(output.strip().splitlines()) == 1
    assert "is damaged or truncated" in output
