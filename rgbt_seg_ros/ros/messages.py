"""ROS messages: the classes for `MessageBuilder`, and what only the node publishes."""

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
    VisionClass,
)

from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.masks.messages import MessageBuilder

_CLASSES = (
    *(Image, CompressedImage),
    *(Point, Quaternion, Pose, PoseWithCovariance),
    *(Detection2DArray, Detection2D, ObjectHypothesisWithPose, ObjectHypothesis),
    *(BoundingBox2D, Pose2D, Point2D),
    *(LabelInfo, VisionClass),
)

ROS_MESSAGES = MessageBuilder(
    {f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}": kind for kind in _CLASSES},
    buffer=bytes,
)
"""Builds output messages of rclpy's classes."""


def camera_info_message(header: Header, info: CameraInfo, height: int, width: int) -> CameraInfo:
    """A camera's calibration for an image of it at another size; pixel centres are at integers.

    Args:
        info: the camera's own; its binning and region of interest are not looked at. Without a size of its own (0) it
            is taken to be for this image.
        height, width: of the image.
    """
    scaled = CameraInfo(header=header, height=height, width=width, distortion_model=info.distortion_model)
    scaled.d, scaled.r = info.d, info.r
    if (info.height, info.width) == (height, width) or 0 in (info.height, info.width):
        scaled.k, scaled.p = info.k, info.p
        return scaled
    x, y = width / info.width, height / info.height
    # From a pixel's centre to that of the same place in the other image: x (u + 0.5) - 0.5.
    resize = np.array([[x, 0.0, (x - 1.0) / 2.0], [0.0, y, (y - 1.0) / 2.0], [0.0, 0.0, 1.0]])
    scaled.k = (resize @ np.reshape(info.k, (3, 3))).ravel()
    scaled.p = (resize @ np.reshape(info.p, (3, 4))).ravel()
    return scaled


def diagnostic_status(
    name: str, hardware_id: str, level: int, sentence: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Level 0, 1, 2 is OK, WARN, ERROR; numbers are written with up to six digits, text in a line of limited length."""
    sentence = printable(sentence)
    status = DiagnosticStatus(level=bytes([level]), name=name, message=sentence, hardware_id=hardware_id)
    for key, value in sorted(values.items()):
        text = f"{value:.6g}" if isinstance(value, float) else printable(value)
        status.values.append(KeyValue(key=key, value=text))
    return status


def diagnostics_message(stamp: Time, statuses: Sequence[DiagnosticStatus]) -> DiagnosticArray:
    """What one report on /diagnostics holds."""
    return DiagnosticArray(header=Header(stamp=stamp), status=list(statuses))
