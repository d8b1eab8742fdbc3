"""The registration that the parameters ask for, made as soon as the calibrations that it needs have come; no rclpy."""

from collections.abc import Mapping
from typing import Any

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.registration.camera_intrinsics import CameraIntrinsics
from rgbt_seg_ros.registration.rules import Homography, Plane, Registration
from rgbt_seg_ros.settings import Settings


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
            if self._intrinsics.get(camera) == intrinsics:
                return
            self._errors.pop(camera, None)
            self._intrinsics[camera] = intrinsics
        self._update()

    def _update(self) -> None:
        settings = self._settings
        missing = [topic for camera, topic in self._topics.items() if camera not in self._intrinsics]
        if missing:
            reason = next(iter(self._errors.values()), f"waits for {' and '.join(missing)}")
            self.registration, self.unavailable = None, f"registration.mode plane: {reason}"
            return
        self.registration = Plane(
            self._intrinsics["rgb"],
            self._intrinsics["thermal"],
            settings.registration.plane.rotation,
            settings.registration.plane.translation,
            settings.registration.plane.depth,
        )
        self.unavailable = ""
