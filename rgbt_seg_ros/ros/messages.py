"""From arrays, detections and numbers to ROS messages."""

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from rgbt_seg_ros.images.codec import encode_image, encode_png
from rgbt_seg_ros.masks.detections import Detection


def image_message(header: Header, array: np.ndarray) -> Image:
    """uint8 [H, W] as mono8, uint16 [H, W] as mono16, uint8 [H, W, 3] as rgb8."""
    image = encode_image(array)
    return Image(
        header=header,
        height=image.height,
        width=image.width,
        encoding=image.encoding,
        is_bigendian=image.is_bigendian,
        step=image.step,
        data=image.data,
    )


def compressed_mask_message(header: Header, mask: np.ndarray) -> CompressedImage:
    """A mask uint8 or uint16 [H, W] as PNG; image_transport and cv_bridge read it as mono8 or mono16."""
    encoding = "mono8" if mask.dtype == np.uint8 else "mono16"
    return CompressedImage(header=header, format=f"{encoding}; png compressed ", data=encode_png(mask))


def confidence_message(header: Header, confidence: np.ndarray) -> Image:
    """Probabilities float [H, W] in 0..1 as mono8: 255 is 1."""
    return image_message(header, np.round(confidence * 255.0).astype(np.uint8))


def camera_info_message(header: Header, info: CameraInfo, height: int, width: int) -> CameraInfo:
    """A camera's calibration for an image of it at another size; pixel centres are at integers.

    Args:
        info: the camera's own; its binning and region of interest are not looked at.
        height, width: of the image.
    """
    scaled = CameraInfo(header=header, height=height, width=width, distortion_model=info.distortion_model)
    scaled.d, scaled.r = info.d, info.r
    if (info.height, info.width) in ((height, width), (0, 0)):
        scaled.k, scaled.p = info.k, info.p
        return scaled
    x, y = width / info.width, height / info.height
    # From a pixel's centre to that of the same place in the other image: x (u + 0.5) - 0.5.
    resize = np.array([[x, 0.0, (x - 1.0) / 2.0], [0.0, y, (y - 1.0) / 2.0], [0.0, 0.0, 1.0]])
    scaled.k = (resize @ np.reshape(info.k, (3, 3))).ravel()
    scaled.p = (resize @ np.reshape(info.p, (3, 4))).ravel()
    return scaled


def detections_message(header: Header, detections: Sequence[Detection]) -> Detection2DArray:
    """Boxes in pixels of the RGB image (pixel centres at integers), class_id = class name."""
    message = Detection2DArray(header=header)
    for detection in detections:
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = detection.class_name
        hypothesis.hypothesis.score = float(detection.score)
        nested = Detection2D(header=header, results=[hypothesis])
        nested.bbox.center.position.x = float(detection.center_x)
        nested.bbox.center.position.y = float(detection.center_y)
        nested.bbox.size_x = float(detection.size_x)
        nested.bbox.size_y = float(detection.size_y)
        message.detections.append(nested)
    return message


def label_info_message(header: Header, class_names: Sequence[str]) -> LabelInfo:
    """Names of the ids in the mask; the threshold stays 0, as every pixel has its most probable class."""
    classes = [VisionClass(class_id=i, class_name=name) for i, name in enumerate(class_names)]
    return LabelInfo(header=header, class_map=classes)


def diagnostic_status(
    name: str, hardware_id: str, level: int, sentence: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Level 0, 1, 2 is OK, WARN, ERROR; numbers are written with up to six digits."""
    status = DiagnosticStatus(level=bytes([level]), name=name, message=sentence, hardware_id=hardware_id)
    for key, value in sorted(values.items()):
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        status.values.append(KeyValue(key=key, value=text))
    return status


def diagnostics_message(stamp: Time, statuses: Sequence[DiagnosticStatus]) -> DiagnosticArray:
    """What one report on /diagnostics holds."""
    return DiagnosticArray(header=Header(stamp=stamp), status=list(statuses))
