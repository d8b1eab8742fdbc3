"""A living thermal camera at 20 Hz with stamps of now, to be run as a program with its topic, and to be killed."""

import sys
import time

import numpy as np
import rclpy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

PERIOD_S = 0.05

if __name__ == "__main__":
    rclpy.init()
    node = rclpy.create_node("thermal_camera")
    publisher = node.create_publisher(Image, sys.argv[1], 10)
    draw = np.random.default_rng(0)
    while True:
        header = Header(stamp=node.get_clock().now().to_msg(), frame_id="boson_optical")
        publisher.publish(ROS_MESSAGES.image(header, draw.integers(7000, 9000, (24, 32), np.uint16)))
        time.sleep(PERIOD_S)
