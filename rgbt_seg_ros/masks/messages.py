"""From masks, pictures and detections to output messages, of rclpy's classes or of rosbags'; imports neither.

Every field is given by keyword, since the classes of rosbags have no defaults.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.images.codec import encode_image, encode_png
from rgbt_seg_ros.masks.detections import Detection


@dataclass(frozen=True)
class MessageBuilder:
    """Builds messages of one family of classes.

    Attributes:
        types: the classes by name, for instance ``types["sensor_msgs/msg/Image"]``.
        buffer: from bytes to what these classes hold as uint8[].
    """

    types: Mapping[str, Any]
    buffer: Callable[[bytes], Any]

    def image(self, header: Any, array: np.ndarray) -> Any:
        """A sensor_msgs/Image: uint8 [H, W] as mono8, uint16 [H, W] as mono16, uint8 [H, W, 3] as rgb8."""
        image = encode_image(array)
        return self.types["sensor_msgs/msg/Image"](
            header=header,
            height=image.height,
            width=image.width,
            encoding=image.encoding,
            is_bigendian=image.is_bigendian,
            step=image.step,
            data=self.buffer(image.data),
        )

    def compressed_mask(self, header: Any, mask: np.ndarray) -> Any:
        """A mask uint8 or uint16 [H, W] as PNG; image_transport and cv_bridge read it as mono8 or mono16."""
        encoding = "mono8" if mask.dtype == np.uint8 else "mono16"
        return self.types["sensor_msgs/msg/CompressedImage"](
            header=header, format=f"{encoding}; png compressed ", data=self.buffer(encode_png(mask))
        )

    def confidence(self, header: Any, confidence: np.ndarray) -> Any:
        """Probabilities float32 [H, W] in 0..1 as mono8: 255 is 1."""
        return self.image(header, cv2.convertScaleAbs(confidence, alpha=255.0))

    def detections(self, header: Any, detections: Sequence[Detection]) -> Any:
        """A vision_msgs/Detection2DArray: pixels of the image, pixel centres at integers, class_id = class name,
        and id = `object_id`.
        """
        pose = self._unknown_pose()
        return self.types["vision_msgs/msg/Detection2DArray"](
            header=header,
            detections=[
                self.types["vision_msgs/msg/Detection2D"](
                    header=header,
                    results=[self._hypothesis(found, pose)],
                    bbox=self._box(found),
                    id=str(found.object_id or ""),
                )
                for found in detections
            ],
        )

    def label_info(self, header: Any, class_names: Sequence[str]) -> Any:
        """A vision_msgs/LabelInfo; the threshold stays 0, as every pixel has its most probable class."""
        entry = self.types["vision_msgs/msg/VisionClass"]
        classes = [entry(class_id=class_id, class_name=name) for class_id, name in enumerate(class_names)]
        return self.types["vision_msgs/msg/LabelInfo"](header=header, class_map=classes, threshold=0.0)

    def _unknown_pose(self) -> Any:
        """Of every object: making one for each would take most of the time for the message."""
        position = self.types["geometry_msgs/msg/Point"](x=0.0, y=0.0, z=0.0)
        orientation = self.types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
        pose = self.types["geometry_msgs/msg/Pose"](position=position, orientation=orientation)
        return self.types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=np.zeros(36))

    def _hypothesis(self, found: Detection, pose: Any) -> Any:
        return self.types["vision_msgs/msg/ObjectHypothesisWithPose"](
            hypothesis=self.types["vision_msgs/msg/ObjectHypothesis"](
                class_id=found.class_name, score=float(found.score)
            ),
            pose=pose,
        )

    def _box(self, found: Detection) -> Any:
        position = self.types["vision_msgs/msg/Point2D"](x=float(found.center_x), y=float(found.center_y))
        return self.types["vision_msgs/msg/BoundingBox2D"](
            center=self.types["vision_msgs/msg/Pose2D"](position=position, theta=0.0),
            size_x=float(found.size_x),
            size_y=float(found.size_y),
        )
