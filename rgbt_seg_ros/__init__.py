"""Language-guided segmentation of RGB and thermal image pairs for ROS 2."""

import os

from rgbt_seg_ros.base import interrupts

__version__ = "0.1.0"

# Before everything else: to import torch, OpenCV and rclpy takes longest, and signals come then as well.
if interrupts.is_own_process():
    interrupts.end_at_once()

# Has to be there before anything imports torch. OpenMP's threads spin while they wait for each other, which is a
# disaster where another process wants the core: with one busy neighbour on two cores nano took 5.3 s for a VGA pair,
# and 0.19 s with threads that sleep instead.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
