"""The shipped Fast DDS profile, and the environments that use it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from places import REPOSITORY

from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.ros.dds import (
    DOMAINS,
    PROFILES_VARIABLE,
    fastdds_profile_environment,
    own_transports,
    private_graph_environment,
)

IMAGES = 90
ATTEMPTS = 3
"""Other work on the machine may keep the receiving thread from its turn for longer than the segment lasts."""
PUBLISHER = f"""
import sys, time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("large_image_source")
publisher = node.create_publisher(
    Image, "large_image", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
)
while publisher.get_subscription_count() == 0:
    time.sleep(0.02)
time.sleep(0.5)
width, height = (int(word) for word in sys.argv[1:])
image = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=bytes(3 * width * height))
started = time.monotonic()
for index in range({IMAGES}):
    image.header.stamp.sec = index
    publisher.publish(image)
    time.sleep(max(0, started + (index + 1) / 30 - time.monotonic()))
time.sleep(1)
"""


@pytest.mark.parametrize(
    "own",
    [
        {PROFILES_VARIABLE: "/etc/mine.xml"},
        {"FASTDDS_DEFAULT_PROFILES_FILE": "/etc/mine.xml"},
        {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"},
    ],
)
def test_what_the_user_says_of_transports_is_kept(own: dict[str, str]) -> None:
    shipped = {PROFILES_VARIABLE: str(share_path("config/fastdds.xml"))}
    assert fastdds_profile_environment({}) == shipped
    assert fastdds_profile_environment(shipped) == shipped
    assert own_transports(shipped) == ""
    assert fastdds_profile_environment(own) == {}
    assert own_transports(own) == "=".join(*own.items())
    environment = private_graph_environment({**own, "LD_LIBRARY_PATH": "/x"})
    assert environment.items() >= {**own, "LD_LIBRARY_PATH": "/x"}.items()
    assert environment.get(PROFILES_VARIABLE) == own.get(PROFILES_VARIABLE)


def test_a_profile_in_the_working_folder_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").touch()
    monkeypatch.chdir(tmp_path)
    assert fastdds_profile_environment({}) == {}
    assert own_transports({}) == "DEFAULT_FASTRTPS_PROFILES.xml"


@pytest.mark.parametrize(("own", "times_said"), [("", 0), ("UDPv4", 1)])
def test_the_users_transports_are_said_once(
    monkeypatch: pytest.MonkeyPatch, own: str, times_said: int
) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", own)
    monkeypatch.delenv(PROFILES_VARIABLE)
    program = "import os, rclpy; from rgbt_seg_ros.ros.graph import join_graph; join_graph(); rclpy.create_node('a')"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(os.environ.get({PROFILES_VARIABLE!r}))"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    sentence = f"FASTDDS_BUILTIN_TRANSPORTS={own} decides how Fast DDS carries images"
    assert (done.stdout + done.stderr).count(sentence) == times_said
    assert done.stdout.splitlines()[-1] == ("None" if own else str(share_path("config/fastdds.xml")))


def test_a_private_graph_is_on_a_domain_that_nobody_uses() -> None:
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
    domain = int(private_graph_environment()["ROS_DOMAIN_ID"])
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("first", context=context)
    try:
        other = int(private_graph_environment()["ROS_DOMAIN_ID"])
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert domain in DOMAINS
    assert other in DOMAINS
    assert other != domain


def receive_stamps(start: Callable, width: int, height: int) -> list[int]:
    """Stamps of the images of a size that arrive here, best effort, from a publisher in another process."""
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    stamps: list[int] = []
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("large_image_sink", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        node.create_subscription(
            Image,
            "large_image",
            lambda image: stamps.append(image.header.stamp.sec),
            QoSProfile(depth=IMAGES, reliability=ReliabilityPolicy.BEST_EFFORT),
        )
        publisher = start("-c", PUBLISHER, str(width), str(height))
        deadline = time.monotonic() + 60
        while publisher.poll() is None and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert publisher.poll() == 0, publisher.stdout.read()
    return stamps


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720)])
def test_the_profile_carries_large_best_effort_images_without_loss(
    start: Callable, width: int, height: int
) -> None:
    """Three seconds at 30 Hz. Without the profile many of these images get lost, whatever the queues' depth."""
    assert os.environ[PROFILES_VARIABLE] == str(share_path("config/fastdds.xml")), "conftest.py sets it"
    for _ in range(ATTEMPTS):
        stamps = receive_stamps(start, width, height)
        if stamps == list(range(IMAGES)):
            break
    assert stamps == list(range(IMAGES))
