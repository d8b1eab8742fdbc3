"""The lifecycle node `rgbt_segmenter`: ROS topics, parameters and states around a `Pipeline`."""

import argparse
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rgbt_seg_ros import messages
from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.dds import fastdds_profile_environment
from rgbt_seg_ros.diagnostics import ERROR, OK, STATUS_NAME, Health
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.image_codec import stamp_ns
from rgbt_seg_ros.outputs import Outputs
from rgbt_seg_ros.pipeline import Pipeline
from rgbt_seg_ros.ros_parameters import RosParameters
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings import Settings

POLL_PERIOD_S = 0.01
DIAGNOSTICS_PERIOD_S = 1.0
LOG_PERIOD_NS = 1_000_000_000
"""Errors of one kind are logged once in this time at most."""


class SegmenterNode(LifecycleNode):
    """Configure loads and warms up, activate subscribes, deactivate keeps the weights, cleanup frees them."""

    def __init__(self) -> None:
        super().__init__("rgbt_segmenter")
        self._settings = Settings()
        self._segmenter: Segmenter | None = None
        self._pipeline: Pipeline | None = None
        self._inputs: list[Subscription] = []
        self._poll_timer: Timer | None = None
        self._finalized = False
        self._failure = ""
        self._logged_ns: dict[str, int] = {}
        self._ros_parameters = RosParameters(self, self._on_parameters_changed)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady time: diagnostics and overdue frames must not stand still when /clock does.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=self._steady)

    def bring_up(self) -> bool:
        """Configure and activate if parameter `autostart` says so; whether nothing failed."""
        if not self.get_parameter("autostart").value:
            return True
        done = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == done and self.trigger_activate() == done

    def shut_down(self) -> None:
        """Go to the finalized state from any other; again, it does nothing."""
        if not self._finalized:
            self.trigger_shutdown()

    def _on_parameters_changed(self) -> None:
        if self._segmenter is not None:
            self._settings = self._ros_parameters.read()
        if self._pipeline is not None:
            self._pipeline.settings = self._settings

    # --- states ---

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt("activate", self._activate)
        if result == TransitionCallbackReturn.SUCCESS:
            result = super().on_activate(state)
            self._outputs.publish_label_info(Header(stamp=self.get_clock().now().to_msg()))
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._free()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._free()
        self._finalized = True
        return TransitionCallbackReturn.SUCCESS

    def _attempt(self, transition: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a transition; its errors are logged in one sentence, as rclpy itself would swallow them."""
        try:
            action()
        except Exception as error:
            self._failure = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"cannot {transition}: {self._failure}")
            self.get_logger().debug(traceback.format_exc())
            self._stop()
            return TransitionCallbackReturn.FAILURE
        self._failure = ""
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        log = self.get_logger()
        self._settings = settings = self._ros_parameters.read()
        log.info(f"loading model {settings.model}")
        segmenter = Segmenter.load(
            settings.model, settings.device, settings.precision, settings.normalization
        )
        log.info(
            f"model {segmenter.card.arch} {segmenter.card.config.get('size', '')} with {len(segmenter.class_names)} "
            f"classes on {segmenter.device} in {segmenter.precision}, warming up"
        )
        milliseconds = segmenter.warm_up()
        log.info(f"ready: {milliseconds:.0f} ms for a VGA pair")
        depth = settings.lossless_depth if settings.lossless else 1
        self._outputs = Outputs(self, segmenter.class_names, depth)
        self._segmenter = segmenter
        self._ros_parameters.configured = True

    def _activate(self) -> None:
        assert self._segmenter is not None
        self._pipeline = pipeline = Pipeline(
            self._segmenter,
            self._settings,
            deliver=lambda answer: self._outputs.publish(answer, self._settings.overlay_alpha),
            report=self._report,
            clock_ns=lambda: self.get_clock().now().nanoseconds,
        )
        for topic, add in (("rgb/image", pipeline.add_rgb), ("thermal/image", pipeline.add_thermal)):
            self._inputs.append(self._subscribe(topic, pipeline, add))
        rgb_topic, thermal_topic = (subscription.topic_name for subscription in self._inputs)
        self._health = Health(rgb_topic, thermal_topic, self._settings.lossless)
        self._poll_timer = self.create_timer(POLL_PERIOD_S, pipeline.poll, clock=self._steady)
        self.get_logger().info(f"active: {rgb_topic} and {thermal_topic} to {self._outputs.mask_topic}")

    def _subscribe(self, topic: str, pipeline: Pipeline, add: Callable[[int, Image], None]) -> Subscription:
        """Subscribe to images as the mode asks; users may override the QoS by `qos_overrides` parameters."""
        lossless = self._settings.lossless
        reliable = lossless or self._settings.input_reliability == "reliable"
        qos = QoSProfile(
            depth=self._settings.lossless_depth if lossless else 5,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )

        def lose(event: Any) -> None:
            pipeline.add_lost(event.total_count_change)

        def receive(message: Image) -> None:
            add(stamp_ns(message.header), message)

        return self.create_subscription(
            Image,
            topic,
            receive,
            qos,
            event_callbacks=SubscriptionEventCallbacks(message_lost=lose),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _stop(self) -> None:
        """Unsubscribe and end the inference thread; again, it does nothing."""
        if self._pipeline is None:
            return
        while self._inputs:
            self.destroy_subscription(self._inputs.pop())
        if self._poll_timer is not None:
            self.destroy_timer(self._poll_timer)
            self._poll_timer = None
        self._pipeline.stop()
        self._publish_diagnostics()
        self._pipeline = None

    def _free(self) -> None:
        """Forget the model and its publishers; again, it does nothing."""
        if self._segmenter is None:
            return
        self._outputs.destroy()
        self._segmenter = None
        self._ros_parameters.configured = False

    # --- reports ---

    def _report(self, cause: str, sentence: str) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._logged_ns.get(cause, -LOG_PERIOD_NS) >= LOG_PERIOD_NS:
            self._logged_ns[cause] = now_ns
            self.get_logger().error(f"{cause}: {sentence}")
            if sys.exc_info()[0] is not None:
                self.get_logger().debug(traceback.format_exc())

    def _publish_diagnostics(self) -> None:
        """One message on /diagnostics; keys and levels are described in the README."""
        now = self.get_clock().now()
        values: dict[str, object] = {}
        level, sentence = (ERROR, self._failure) if self._failure else (OK, "not active")
        if self._segmenter is not None:
            values = {"model": self._settings.model, "model_hash": self._segmenter.model_hash}
            values |= {"device": str(self._segmenter.device)}
        if self._pipeline is not None:
            numbers = self._pipeline.values()
            level, sentence = self._health.assess(numbers, now.nanoseconds)
            values |= numbers
        self._diagnostics.publish(
            messages.diagnostics_message(
                now.to_msg(),
                STATUS_NAME,
                self.get_fully_qualified_name(),
                level,
                sentence,
                values,
            )
        )


def run(args: argparse.Namespace) -> None:
    """Run the node until SIGINT or SIGTERM; leaves with code 1 if it cannot start.

    Raises:
        UserError: the Fast DDS profile is not part of the installation.
    """
    os.environ.update(fastdds_profile_environment())
    stop = threading.Event()
    # Our own handlers instead of rclpy's: the context must live until the last message is out, and a second signal
    # during shutdown (ros2 launch sends one) must change nothing.
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop.set())
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node = SegmenterNode()
    try:
        if not node.bring_up():
            raise SystemExit(1)
        spin(node, stop)
    finally:
        node.shut_down()
        node.destroy_node()
        rclpy.try_shutdown()
        # Python would look through all of torch's objects once more before it ends, which takes longer than the rest
        # of the shutdown; `ros2 launch` escalates to SIGTERM after 5 s on a busy machine.
        gc.freeze()


def spin(node: SegmenterNode, stop: threading.Event) -> None:
    """Serve callbacks until `stop` is set; an exception that escapes from one is logged and the node goes on."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stop.is_set():
        try:
            # A signal does not end the wait, therefore the timeout.
            executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            return
        except Exception as error:
            node.get_logger().error(f"a callback failed: {type(error).__name__}: {error}")
            node.get_logger().debug(traceback.format_exc())
    executor.shutdown()


def main() -> int:
    """Console entry `segmenter`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.node",
        "Segment pairs of RGB and thermal images on ROS topics (lifecycle node rgbt_segmenter).",
        """
        python -m rgbt_seg_ros.node --ros-args -r rgb/image:=/cam/image_raw -r thermal/image:=/boson/image_raw
        python -m rgbt_seg_ros.node --ros-args -p model:=my.safetensors -p autostart:=true
        python -m rgbt_seg_ros.node --ros-args --params-file config/segment.yaml
        """,
    )
    return run_command(parser, run, remove_ros_args(sys.argv)[1:])


if __name__ == "__main__":
    sys.exit(main())
