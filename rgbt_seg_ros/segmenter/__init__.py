"""Arrays in, masks out: one model, its device and its classes. No ROS."""

from rgbt_seg_ros.segmenter.devices import choose_device
from rgbt_seg_ros.segmenter.segmentation import Segmentation
from rgbt_seg_ros.segmenter.segmenter import Segmenter

__all__ = ["Segmentation", "Segmenter", "choose_device"]
