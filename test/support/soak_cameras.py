"""Two cameras as a process of their own, for soak runs: regular stamps, another picture each time, counted.

Prints one line of JSON when it ends: how many images of each camera were published, the first stamp, the period.
"""

import argparse
import json
import sys
import time

import numpy as np
import rclpy
from rclpy.qos import QoSProfile
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rgbt_seg_ros.ros.graph import join_graph
from rgbt_seg_ros.ros.messages import ROS_MESSAGES

PICTURES = 16
NUMBER_BYTES = 8
"""At the front of each picture stands its number, little-endian."""

LAST_IMAGES, LAST_PERIOD_S = 10, 0.1
"""A loss shows with a later image: the last ones come slowly, so that none of these is lost."""


def pictures(height: int, width: int) -> list[tuple[bytearray, bytearray]]:
    """RGB and half as large 16-bit thermal pictures of blocks."""
    made = []
    for seed in range(PICTURES):
        draw = np.random.default_rng(seed)
        rows, columns = np.mgrid[:height, :width]
        at = rows * 12 // height, columns * 16 // width
        rgb = draw.integers(0, 256, (12, 16, 3), np.uint8)[at]
        thermal = draw.integers(7000, 9000, (12, 16), np.uint16)[at][::2, ::2]
        made.append((bytearray(rgb.tobytes()), bytearray(thermal.tobytes())))
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("hz", "seconds"):
        parser.add_argument(f"--{name}", type=float, required=True)
    for name in ("height", "width"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args(remove_ros_args(sys.argv)[1:])
    stop = join_graph()
    node = rclpy.create_node("soak_cameras")
    # As camera drivers have it.
    qos = QoSProfile(depth=10)
    topics = {"rgb": node.create_publisher(Image, "rgb/image", qos)}
    topics["thermal"] = node.create_publisher(Image, "thermal/image", qos)
    rgb = ROS_MESSAGES.image(Header(), np.zeros((args.height, args.width, 3), np.uint8))
    thermal = ROS_MESSAGES.image(
        Header(), np.zeros(((args.height + 1) // 2, (args.width + 1) // 2), np.uint16)
    )
    made = pictures(args.height, args.width)
    while not all(publisher.get_subscription_count() for publisher in topics.values()):
        time.sleep(0.1)
    # The subscriber learns of the publisher a little later than the other way round.
    time.sleep(2.0)
    period_ns = round(1e9 / args.hz)
    regular = round(args.seconds * args.hz)
    first = stamp = time.time_ns()
    sent = 0
    while sent < regular + LAST_IMAGES:
        if stop.is_set():
            regular = min(regular, sent)
        time.sleep(max(0.0, (stamp - time.time_ns()) / 1e9))
        number = sent.to_bytes(NUMBER_BYTES, "little")
        for message, data, publisher in zip(
            (rgb, thermal), made[sent % PICTURES], topics.values(), strict=True
        ):
            data[:NUMBER_BYTES] = number
            message.data = bytes(data)
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
            message.header.frame_id = "camera"
            publisher.publish(message)
        sent += 1
        stamp += period_ns if sent < regular else round(LAST_PERIOD_S * 1e9)
    result = {"sent": sent, "regular": regular, "first_ns": first, "period_ns": period_ns}
    print(json.dumps({**result, "last_period_ns": round(LAST_PERIOD_S * 1e9)}), flush=True)
    # What is on its way is delivered before the publishers go.
    time.sleep(2.0)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
