"""An RGB and a thermal camera in each of the namespaces that are given, at 10 Hz, best effort; ended by a signal."""

import contextlib
import sys
import time

import numpy as np
import rclpy
from bags import rgb_frame, thermal_frame
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

PERIOD_S = 0.1
DIFFERENT = 50


def message(array: np.ndarray) -> Image:
    encoding = "rgb8" if array.ndim == 3 else "mono16"
    height, width = array.shape[:2]
    return Image(height=height, width=width, encoding=encoding, step=array.strides[0], data=array.tobytes())


rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
node = rclpy.create_node("cameras")
images = [(message(rgb_frame(index)), message(thermal_frame(index))) for index in range(DIFFERENT)]
publishers = [
    [
        node.create_publisher(Image, f"/{robot}/{name}/image", qos_profile_sensor_data)
        for name in ("rgb", "thermal")
    ]
    for robot in sys.argv[1:]
]
tick, started = 0, time.monotonic()
# Ctrl-C ends it at any point.
with contextlib.suppress(KeyboardInterrupt):
    while rclpy.ok():
        stamp = node.get_clock().now().to_msg()
        for pair in publishers:
            for publisher, image in zip(pair, images[tick % DIFFERENT], strict=True):
                image.header.stamp = stamp
                publisher.publish(image)
        tick += 1
        time.sleep(max(0.0, started + tick * PERIOD_S - time.monotonic()))
