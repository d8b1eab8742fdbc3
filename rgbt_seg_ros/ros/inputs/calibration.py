"""What a camera pair knows of its cameras: their calibrations, and where they are, from topics."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.ros.inputs.camera_info import camera_info_topics
from rgbt_seg_ros.ros.inputs.publishers import WatchedTopic
from rgbt_seg_ros.ros.inputs.transforms import TF_QOS, TF_STATIC, TF_TYPE, subscribe_transforms
from rgbt_seg_ros.settings import Settings


class CalibrationInputs:
    """Subscribes to what the registration needs, and to the RGB camera's calibration, which goes on with the masks.

    Args:
        node: that subscribes.
        settings: its parameters.
        own: from a topic's name to the camera pair's own, before remapping.
        images: resolved names of the image topics of ``rgb`` and ``thermal``.
        take_rgb: told the RGB camera's calibration.
        changed: told the registration, now and when it changes.
        say: see `WatchedTopic`.

    Attributes:
        subscriptions: to be destroyed by whoever ends this.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        own: Callable[[str], str],
        images: Mapping[str, str],
        take_rgb: Callable[[CameraInfo], None],
        changed: Callable[[RegistrationSetup], None],
        say: Callable[[str, bool], None],
    ) -> None:
        self.subscriptions: list[Subscription] = []
        self._node = node
        self._take_rgb = take_rgb
        self._changed = changed
        self._say = say
        self._received: Counter[str] = Counter()
        self._watched: dict[str, WatchedTopic] = {}
        transports = {"rgb": settings.rgb_transport, "thermal": settings.thermal_transport}
        topics = {
            camera: camera_info_topics(node, own(f"{camera}/camera_info"), images[camera], transport)
            for camera, transport in transports.items()
        }
        if topics["rgb"][0] == topics["thermal"][0]:
            # Whose it is cannot be known.
            topics = {camera: names[-1:] for camera, names in topics.items()}
        is_plane = settings.registration.mode == "plane"
        cameras = ("rgb", "thermal") if is_plane else ("rgb",)
        self._best = {camera: len(topics[camera]) for camera in cameras}
        self._setup = RegistrationSetup(settings, {camera: topics[camera][0] for camera in cameras})
        for camera in cameras:
            for rank, topic in enumerate(topics[camera]):
                take = partial(self._take, camera, rank)
                self.subscriptions.append(
                    node.create_subscription(CameraInfo, topic, take, qos_profile_sensor_data)
                )
            if is_plane:
                self._watch(camera, topics[camera][0], "sensor_msgs/msg/CameraInfo", qos_profile_sensor_data)
        if settings.registration.uses_tf:
            self.subscriptions.append(subscribe_transforms(node, self._setup.add_transform, self._moved))
            self._watch(TF_STATIC, node.resolve_topic_name(TF_STATIC), TF_TYPE, TF_QOS)
        changed(self._setup)

    def faults(self) -> list[str]:
        """Why nothing comes on the topics of which that is so."""
        for name, watched in self._watched.items():
            # One message is enough.
            if not self._received[name] or watched.fault:
                watched.look(self._received[name])
        return [watched.fault for watched in self._watched.values() if watched.fault]

    def _watch(self, name: str, topic: str, type_name: str, qos: QoSProfile) -> None:
        self._watched[name] = WatchedTopic(
            self._node, topic, type_name, qos, transport="", reliability="", say=self._say
        )

    def _take(self, camera: str, rank: int, info: CameraInfo) -> None:
        if rank > self._best[camera]:
            return
        self._best[camera] = rank
        self._received[camera] += 1
        if camera == "rgb":
            self._take_rgb(info)
        self._setup.take(camera, info)
        self._changed(self._setup)

    def _moved(self) -> None:
        self._received[TF_STATIC] += 1
        self._changed(self._setup)
