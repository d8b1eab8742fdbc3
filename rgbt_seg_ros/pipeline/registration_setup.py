"""The registration that the parameters ask for, made as soon as the calibrations that it needs have come; no rclpy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.registration.camera_intrinsics import CameraIntrinsics
from rgbt_seg_ros.registration.rules import Homography, Plane, Registration
from rgbt_seg_ros.registration.transforms import TransformTree, quaternion
from rgbt_seg_ros.settings import Settings

_LEAST_DEPTH_M = 0.01


class RegistrationSetup:
    """Keeps the registration of one camera pair up to date.

    Args:
        settings: the node's.
        topics: of the camera_infos of ``rgb`` and ``thermal``, for the sentences.

    Attributes:
        registration: the one to use; None where there is none (yet).
        unavailable: why there is none yet, in one sentence; empty where none is needed.
    """

    def __init__(self, settings: Settings, topics: Mapping[str, str]) -> None:
        self._settings = settings
        self._topics = topics
        self._intrinsics: dict[str, CameraIntrinsics] = {}
        self._frames: dict[str, str] = {}
        self._transforms = TransformTree()
        self._errors: dict[str, str] = {}
        self.registration: Registration | None = None
        self.unavailable = ""
        if settings.registration.mode == "homography":
            self.registration = Homography(settings.registration.homography)
        elif settings.registration.mode == "plane":
            self._update()

    def take(self, camera: str, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo of ``rgb`` or ``thermal``; one like the last changes nothing."""
        if self._settings.registration.mode != "plane":
            return
        try:
            intrinsics = CameraIntrinsics.from_message(message, self._topics[camera])
        except UserError as error:
            self._errors[camera] = str(error)
            self._intrinsics.pop(camera, None)
        else:
            frame = message.header.frame_id if self._settings.registration.uses_tf else ""
            if (self._intrinsics.get(camera), self._frames.get(camera)) == (intrinsics, frame):
                return
            self._errors.pop(camera, None)
            self._frames[camera] = frame
            self._intrinsics[camera] = intrinsics
        self._update()

    def add_transform(
        self, parent: str, child: str, translation: Sequence[float], rotation: Sequence[float]
    ) -> None:
        """Take a static transform, see `TransformTree.add`."""
        if self._transforms.add(parent, child, translation, rotation):
            self._update()

    def _update(self) -> None:
        settings = self._settings
        missing = [topic for camera, topic in self._topics.items() if camera not in self._intrinsics]
        if missing:
            reason = next(iter(self._errors.values()), f"waits for {' and '.join(missing)}")
            self.registration, self.unavailable = None, f"registration.mode plane: {reason}"
            return
        plane = settings.registration.plane
        cameras = self._intrinsics["rgb"], self._intrinsics["thermal"]
        try:
            if settings.registration.uses_tf:
                self.registration = self._plane_from_transforms(*cameras)
            else:
                self.registration = Plane(*cameras, plane.rotation, plane.translation, plane.depth)
        except UserError as error:
            self.registration, self.unavailable = None, f"registration.mode plane: {error}"
        else:
            self.unavailable = ""

    def _plane_from_transforms(self, rgb: CameraIntrinsics, thermal: CameraIntrinsics) -> Plane:
        """The plane and the thermal camera where the transforms say that they are.

        Raises:
            UserError: they do not say it, or the RGB camera lies in the plane.
        """
        for camera, frame in self._frames.items():
            if not frame:
                raise UserError(f"{self._topics[camera]} names no frame: have its driver set a frame_id")
        pose = self._pose(self._frames["thermal"])
        rotation, translation = quaternion(pose[:3, :3]), pose[:3, 3].tolist()
        plane = self._settings.registration.plane
        if not plane.frame:
            return Plane(rgb, thermal, rotation, translation, plane.depth)
        place = self._pose(plane.frame)
        normal = place[:3, 2]
        depth = float(normal @ place[:3, 3])
        if abs(depth) < _LEAST_DEPTH_M:
            raise UserError(
                f"the RGB camera {self._frames['rgb']} lies in the x-y plane of {plane.frame}: "
                "choose another registration.plane.frame"
            )
        return Plane(rgb, thermal, rotation, translation, abs(depth), np.sign(depth) * normal)

    def _pose(self, frame: str) -> np.ndarray:
        """Of a frame in the RGB camera's."""
        pose = self._transforms.pose(frame, self._frames["rgb"])
        if pose is None:
            raise UserError(f"waits for a transform from {frame} to {self._frames['rgb']} on /tf_static")
        return pose
