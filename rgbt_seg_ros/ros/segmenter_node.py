"""The lifecycle node `rgbt_segmenter`: parameters, states and reports around what is configured."""

import gc
import sys
import time
import traceback
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from rgbt_seg_ros.base.diagnostics import ERROR, OK, WARN, status_name
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.ros.arguments import check_arguments, unused_qos_overrides
from rgbt_seg_ros.ros.camera_pair import topic_names
from rgbt_seg_ros.ros.configured_node import Configured
from rgbt_seg_ros.ros.messages import diagnostic_status, diagnostics_message
from rgbt_seg_ros.ros.outputs import create_output
from rgbt_seg_ros.ros.parameters import RosParameters
from rgbt_seg_ros.segmenter.devices import release_cached_memory
from rgbt_seg_ros.settings import Settings

DIAGNOSTICS_PERIOD_S = 1.0
"""How often the node looks after its threads and reports [s]."""

LOG_PERIOD_NS = 1_000_000_000
"""Errors of one kind are logged once in this time at most."""


NODE_TOPICS = ("/diagnostics", "/clock", "/tf_static", "/rosout", "/parameter_events", "~/transition_event")
"""Topics of the node that are no camera pair's."""


class SegmenterNode(LifecycleNode):
    """Configure loads and warms up, activate subscribes, deactivate keeps the weights, cleanup frees them.

    Images are taken in a thread of their own while the node is active, paired in a second one, and answered in a third;
    all other callbacks run in the executor's. Each of these serves all camera pairs.

    Attributes:
        fatal: why the process must end, in one sentence; empty while it need not.
    """

    def __init__(self) -> None:
        super().__init__("rgbt_segmenter")
        self.fatal = ""
        self._configured: Configured | None = None
        self._finalized = False
        self._failure = ""
        self._waiting = ""
        self._logged_ns: dict[tuple[str, str], int] = {}
        self._ros_parameters = RosParameters(self, self._check_settings, self._on_parameters_changed)
        self._diagnostics = create_output(self, DiagnosticArray, "/diagnostics", 10)
        self._paused = False
        self.create_service(SetBool, "~/enable", self._enable)
        # Steady time: diagnostics and overdue images must not stand still when /clock does.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._look_after, clock=self._steady)

    def bring_up(self) -> bool:
        """Configure and activate if parameter `autostart` says so; whether nothing failed."""
        if not self.get_parameter("autostart").value:
            return True
        done = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == done and self.trigger_activate() == done

    def shut_down(self) -> None:
        """Go to the finalized state from any other; idempotent."""
        if not self._finalized:
            self.trigger_shutdown()

    # --- states ---

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt("activate", self._activate)
        if result == TransitionCallbackReturn.SUCCESS:
            result = super().on_activate(state)
            if self._configured is not None:
                self._configured.publish_label_infos()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._free()
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
            self.get_logger().error(printable(f"cannot {transition}: {self._failure}"))
            self.get_logger().debug(traceback.format_exc())
            self._stop()
            return TransitionCallbackReturn.FAILURE
        self._failure = ""
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        settings = self._ros_parameters.read()
        topics = [name for pair in settings.pair_names for name in topic_names(pair)]
        check_arguments(self, [*topics, *NODE_TOPICS])
        self._configured = Configured(self, settings, self._report)
        self._ros_parameters.configured = True

    def _activate(self) -> None:
        if self._configured is None:
            raise UserError("the node is not configured")
        self._configured.start()
        self._configured.pause(self._paused)
        for note in unused_qos_overrides(self):
            self.get_logger().warning(note)

    def _look_after(self) -> None:
        """End if a thread is lost, and report."""
        fatal = self._configured.fault() if self._configured is not None and not self.fatal else ""
        if fatal:
            self._end_because(fatal)
        else:
            self._publish_diagnostics()

    def _end_because(self, fatal: str) -> None:
        """Have the process end, if there is a reason."""
        if fatal:
            self.fatal = fatal
            self.get_logger().fatal(f"{printable(fatal)}: leaving with exit code 1")
            self._publish_diagnostics()

    def _stop(self) -> None:
        """Take no more images and end what is under way; idempotent."""
        if self._configured is None:
            return
        lost = self._configured.stop(wait=not self.fatal, say=self._say_waiting)
        if not self.fatal:
            self._end_because(lost)
        self._publish_diagnostics()
        self._configured.forget()

    def _say_waiting(self, sentence: str) -> None:
        """In the log and on /diagnostics: while the node waits, nobody else says anything."""
        self.get_logger().info(sentence)
        self._waiting = sentence
        self._publish_diagnostics()
        self._waiting = ""

    def _free(self) -> None:
        """Forget the model and its publishers; idempotent."""
        if self._configured is not None:
            self._configured.destroy()
        self._configured = None
        self._ros_parameters.configured = False
        gc.collect()
        release_cached_memory()

    # --- the switch ---

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause inference, or go on; it holds until the next call, whatever the state."""
        self._paused = not request.data
        if self._configured is not None:
            self._configured.pause(self._paused)
        response.success = True
        response.message = "inference is paused" if self._paused else "inference is enabled"
        self.get_logger().info(f"{response.message} (~/enable)")
        return response

    # --- parameters ---

    def _check_settings(self, settings: Settings) -> None:
        """Refuse what a configured node cannot become; raises `UserError` for a class that its model does not know."""
        if self._configured is not None:
            self._configured.select_classes(settings)

    def _on_parameters_changed(self) -> None:
        if self._configured is not None:
            self._configured.change_settings(self._ros_parameters.read())

    # --- reports ---

    def _report(self, pair: str, cause: str, sentence: str) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._logged_ns.get((pair, cause), -LOG_PERIOD_NS) >= LOG_PERIOD_NS:
            self._logged_ns[pair, cause] = now_ns
            what = f"{pair}: {cause}: {sentence}" if pair else f"{cause}: {sentence}"
            self.get_logger().error(printable(what))
            if sys.exc_info()[0] is not None:
                self.get_logger().debug(traceback.format_exc())

    def _publish_diagnostics(self) -> None:
        """One message on /diagnostics; keys and levels are described in docs/diagnostics.md."""
        now = self.get_clock().now()
        failure = self.fatal or self._failure
        if self._configured is not None:
            statuses = self._configured.statuses(now.nanoseconds, failure)
        else:
            level, sentence = (ERROR, failure) if failure else (OK, "not active")
            name = self.get_fully_qualified_name()
            statuses = [diagnostic_status(status_name(name), name, level, sentence, {})]
        for status in statuses if self._waiting else ():
            status.level, status.message = bytes([WARN]), self._waiting
        self._diagnostics.publish(diagnostics_message(now.to_msg(), statuses))
