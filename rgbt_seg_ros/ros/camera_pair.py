"""One camera pair on a node: its subscriptions, its output topics and its `Pipeline`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from rgbt_seg_ros.base.diagnostics import ERROR, OK, WARN, Key, status_name
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.pipeline.health import Health
from rgbt_seg_ros.pipeline.inference_thread import InferenceThread
from rgbt_seg_ros.pipeline.pairing_thread import PairingThread
from rgbt_seg_ros.pipeline.pipeline import Pipeline
from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.pipeline.responder import Job, Responder
from rgbt_seg_ros.ros.graph import IMAGE_QUEUE
from rgbt_seg_ros.ros.inputs.calibration import CalibrationInputs
from rgbt_seg_ros.ros.inputs.publishers import IMAGE_TYPES, WatchedTopic
from rgbt_seg_ros.ros.inputs.reception import Reception
from rgbt_seg_ros.ros.messages import diagnostic_status
from rgbt_seg_ros.ros.outputs import OUTPUTS, Outputs
from rgbt_seg_ros.settings import Settings

INPUTS = tuple(f"{camera}/{what}" for camera in ("rgb", "thermal") for what in ("image", "camera_info"))
"""Topics that a camera pair takes; the camera_infos only where they are needed."""

_CAMERA_KEYS = {"rgb": Key.RGB_CAMERA, "thermal": Key.THERMAL_CAMERA}


def topic_names(pair: str) -> list[str]:
    """Names of all topics of a camera pair, before remapping; the pair's name may be empty."""
    before = f"{pair}/" if pair else ""
    return [*(f"{before}{name}" for name in INPUTS), *(f"~/{before}{name}" for name in OUTPUTS)]


class CameraPair:
    """Made at configure, with its publishers; `start` and `stop` it at activation and deactivation.

    Args:
        node: owns subscriptions and publishers.
        name: prefix of the topics, empty for a node with one pair.
        settings: the node's.
        report: told the cause and one sentence for everything lost to an error; called in either thread.

    Attributes:
        name: as given.
        outputs: the publishers.
    """

    def __init__(
        self, node: LifecycleNode, name: str, settings: Settings, report: Callable[[str, str], None]
    ) -> None:
        self.name = name
        self._node = node
        self._report = report
        depth = settings.lossless.depth if settings.is_lossless else 1
        self.outputs = Outputs(node, f"~/{name}" if name else "~", depth)
        self._subscriptions: list[Subscription] = []
        self._watched: dict[str, WatchedTopic] = {}
        self._calibration: CalibrationInputs | None = None
        self._pipeline: Pipeline | None = None

    def start(
        self,
        settings: Settings,
        pairer: Pairer,
        inference: InferenceThread[Job],
        pairing: PairingThread,
        receiving: CallbackGroup,
    ) -> None:
        """Subscribe, and have the inference thread answer what comes; after an error, `unsubscribe` undoes it.

        Args:
            settings: the node's.
            pairer: of this pair alone.
            inference: answers the pairs.
            pairing: makes them.
            receiving: whose thread takes the images, and does nothing else.

        Raises:
            UserError: QoS overrides cannot be taken.
        """
        pipeline = Pipeline(
            settings,
            pairer,
            inference,
            deliver=lambda answer: self.outputs.publish(answer, pipeline.settings.overlay.alpha),
            report=self._report,
            clock_ns=lambda: self._node.get_clock().now().nanoseconds,
        )
        pipeline.responder.inform = self._inform
        pairing.serve(pipeline)
        transports = {"rgb": settings.rgb_transport, "thermal": settings.thermal_transport}
        topics = {
            camera: self._subscribe_images(camera, settings, transport, pipeline, pairing, receiving)
            for camera, transport in transports.items()
        }
        self._calibration = CalibrationInputs(
            self._node,
            settings,
            self._own,
            topics,
            take_rgb=partial(setattr, self.outputs, "camera_info"),
            changed=partial(_use_registration, pipeline.responder),
            say=self._say_of_input,
        )
        self._subscriptions += self._calibration.subscriptions
        self._health = Health(topics, settings)
        # Last: what has a pipeline is active.
        self._pipeline = pipeline
        self._node.get_logger().info(
            f"active: {topics['rgb']} and {topics['thermal']} to {self.outputs.mask_topic}"
        )

    def _inform(self, sentence: str) -> None:
        self._node.get_logger().info(printable(f"{self.name}: {sentence}" if self.name else sentence))

    def change_settings(self, settings: Settings) -> None:
        """Take new values of live parameters."""
        if self._pipeline is not None:
            self._pipeline.settings = settings

    def pause(self, paused: bool) -> None:
        """Leave pairs unanswered, or go on; while started."""
        if self._pipeline is not None:
            self._pipeline.paused = paused

    def unsubscribe(self) -> None:
        """Take no more images; idempotent."""
        self._watched.clear()
        self._calibration = None
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def stop(self) -> None:
        """Count what still waits, once the inference thread has ended; idempotent."""
        if self._pipeline is not None:
            self._pipeline.stop()

    def forget(self) -> None:
        """Drop the pipeline with its counts."""
        self._pipeline = None

    def destroy(self) -> None:
        """Give the output topics up."""
        self.outputs.destroy()

    def status(self, now_ns: int, common: Mapping[str, object], failure: str) -> DiagnosticStatus:
        """The pair's status for /diagnostics.

        Args:
            now_ns: the node's clock.
            common: values of the whole node.
            failure: what is wrong with the whole node, in one sentence, or empty.
        """
        values: dict[str, object] = dict(common)
        level, sentence = OK, "not active"
        if self._pipeline is not None:
            numbers, cameras = self._pipeline.values(), self._pipeline.cameras()
            unregistered = self._pipeline.responder.unregistered
            paused = self._pipeline.paused
            level, sentence = self._health.assess(numbers, cameras, now_ns, unregistered, paused)
            if faults := self._input_faults(numbers):
                level, sentence = max(level, WARN), "; ".join((sentence, *faults))
            values |= numbers | {_CAMERA_KEYS[name]: state for name, state in cameras.items()}
        if failure:
            level, sentence = ERROR, failure
        node = self._node.get_fully_qualified_name()
        return diagnostic_status(status_name(node, self.name), node, level, sentence, values)

    def _input_faults(self, numbers: Mapping[str, float]) -> list[str]:
        """Why nothing comes on the topics of which that is so."""
        for name, watched in self._watched.items():
            watched.look(numbers[f"{name}_in"])
        faults = [watched.fault for watched in self._watched.values() if watched.fault]
        return faults + (self._calibration.faults() if self._calibration else [])

    def _say_of_input(self, sentence: str, is_fault: bool) -> None:
        if is_fault:
            self._node.get_logger().warning(printable(f"{self.name}: {sentence}" if self.name else sentence))
        else:
            self._inform(sentence)

    def _subscribe_images(
        self,
        camera: str,
        settings: Settings,
        transport: str,
        pipeline: Pipeline,
        pairing: PairingThread,
        receiving: CallbackGroup,
    ) -> str:
        """Subscribe to a camera's images as the mode asks; users may override the QoS by `qos_overrides` parameters.

        Returns:
            The resolved name of the topic.

        Raises:
            UserError: the middleware does not take the overrides.
        """
        reliable = settings.asks_for_reliable
        qos = QoSProfile(
            depth=settings.lossless.depth if settings.is_lossless else IMAGE_QUEUE,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )

        topic = f"{camera}/image"
        resolved = self._node.resolve_topic_name(self._own(topic))
        overrides = f"qos_overrides.{resolved}.subscription"
        self._watched[camera] = watched = WatchedTopic(
            self._node,
            resolved,
            IMAGE_TYPES[transport],
            qos,
            f"{camera}_transport",
            f"set {'input_reliability' if reliable else f'{overrides}.reliability'} to best_effort",
            self._say_of_input,
        )
        reception = Reception(self._node, self._own(topic), camera, pipeline, pairing)
        try:
            return self._subscribe(
                CompressedImage if transport == "compressed" else Image,
                self._own(topic),
                reception.receive,
                qos,
                callback_group=receiving,
                event_callbacks=SubscriptionEventCallbacks(
                    message_lost=reception.lose, incompatible_qos=watched.incompatible
                ),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        except Exception as error:
            # rclpy has an exception of another type for each way in which an override can be wrong.
            raise UserError(f"parameter {overrides}: {error}: start the node with another value") from error

    def _subscribe(
        self, kind: type, topic: str, receive: Callable[..., None], qos: QoSProfile, **options: Any
    ) -> str:
        subscription = self._node.create_subscription(kind, topic, receive, qos, **options)
        self._subscriptions.append(subscription)
        return str(subscription.topic_name)

    def _own(self, topic: str) -> str:
        """The name of one of this pair's topics, as before remapping."""
        return f"{self.name}/{topic}" if self.name else topic


def _use_registration(responder: Responder, setup: RegistrationSetup) -> None:
    responder.register, responder.unregistered = setup.registration, setup.unavailable
