"""The lifecycle node `rgbt_segmenter`: parameters, states and reports around its camera pairs and their one model."""

import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from rgbt_seg_ros.base.diagnostics import ERROR, OK, STATUS_NAME
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import memory_mb
from rgbt_seg_ros.pipeline.inference_thread import InferenceThread
from rgbt_seg_ros.pipeline.responder import Job, serve
from rgbt_seg_ros.ros import messages
from rgbt_seg_ros.ros.camera_pair import CameraPair
from rgbt_seg_ros.ros.pairers import make_pairer
from rgbt_seg_ros.ros.parameters import RosParameters
from rgbt_seg_ros.segmenter import Segmenter, choose_device
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings, load_class_embeddings
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.settings import Settings

POLL_PERIOD_S = 0.02
"""How often overdue frames are decided [s], and that much later at most; each time costs a millisecond or two."""

LOSSLESS_POLL_PERIOD_S = 0.2
"""The same where only the end of a recording decides [s]; both look after the inference thread, too."""

DIAGNOSTICS_PERIOD_S = 1.0
LOG_PERIOD_NS = 1_000_000_000
"""Errors of one kind are logged once in this time at most."""

STOP_TIMEOUT_S = 5.0
"""How long deactivation waits for the pair under way [s]; `ros2 launch` kills a process after 10 s."""

HANG_S = 60.0
HANG_WARM_UPS = 30.0
"""An inference that takes longer than both, a time [s] and a number of VGA pairs after warming up, is taken to hang."""


class SegmenterNode(LifecycleNode):
    """Configure loads and warms up, activate subscribes, deactivate keeps the weights, cleanup frees them.

    All callbacks run in one executor thread; one inference thread serves all camera pairs while the node is active.

    Attributes:
        fatal: why the process must end, in one sentence; empty while it need not.
    """

    def __init__(self) -> None:
        super().__init__("rgbt_segmenter")
        self.fatal = ""
        self._settings = Settings()
        self._segmenter: Segmenter | None = None
        self._embeddings: ClassEmbeddings | None = None
        self._pairs: list[CameraPair] = []
        self._inference: InferenceThread[Job] | None = None
        self._poll_timer: Timer | None = None
        self._hang_s = HANG_S
        self._finalized = False
        self._failure = ""
        self._logged_ns: dict[tuple[str, str], int] = {}
        self._ros_parameters = RosParameters(self, self._select_classes, self._on_parameters_changed)
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

    # --- states ---

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt("activate", self._activate)
        if result == TransitionCallbackReturn.SUCCESS:
            result = super().on_activate(state)
            self._publish_label_infos()
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
            self.get_logger().error(f"cannot {transition}: {self._failure}")
            self.get_logger().debug(traceback.format_exc())
            self._stop()
            return TransitionCallbackReturn.FAILURE
        self._failure = ""
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        log = self.get_logger()
        self._settings = settings = self._ros_parameters.read()
        # Made at activation; a method that is not installed must be known now.
        make_pairer(settings)
        log.info(f"loading model {settings.model}")
        with _fault_of("device"):
            choose_device(settings.device)
        with _fault_of("model"):
            segmenter = Segmenter.load(
                settings.model, settings.device, settings.precision, settings.thermal.normalizer
            )
        with _fault_of("class_embeddings"):
            path = settings.class_embeddings
            self._embeddings = load_class_embeddings(path) if path else None
            # Made for this model, whatever the classes.
            segmenter.select_classes((), self._embeddings)
        with _fault_of("classes"):
            segmenter.use(segmenter.select_classes(settings.class_list, self._embeddings))
        log.info(
            f"model {segmenter.card.arch} {segmenter.card.config.get('size', '')} with {len(segmenter.class_names)} "
            f"classes on {segmenter.device} in {segmenter.precision}, warming up"
        )
        milliseconds = segmenter.warm_up()
        self._hang_s = max(HANG_S, HANG_WARM_UPS * milliseconds / 1e3)
        log.info(f"ready: {milliseconds:.0f} ms for a VGA pair")
        self._pairs = [
            CameraPair(self, name, settings, partial(self._report, name)) for name in settings.pair_names
        ]
        self._segmenter = segmenter
        self._ros_parameters.configured = True

    def _activate(self) -> None:
        assert self._segmenter is not None
        self._inference = InferenceThread(partial(serve, self._segmenter))
        for pair in self._pairs:
            pair.start(self._settings, self._inference)
        period_s = LOSSLESS_POLL_PERIOD_S if self._settings.is_lossless else POLL_PERIOD_S
        self._poll_timer = self.create_timer(period_s, self._poll, clock=self._steady)

    def _poll(self) -> None:
        """Let time pass for what waits, and look after the inference thread."""
        for pair in self._pairs:
            pair.poll()
        assert self._inference is not None
        if self.fatal:
            return
        if not self._inference.alive:
            self.fatal = f"the inference thread has ended ({self._inference.failure})"
        elif self._inference.busy_s > self._hang_s:
            self.fatal = f"inference has been at the same images for {self._inference.busy_s:.0f} s"
        if self.fatal:
            self.get_logger().fatal(f"{self.fatal}: leaving with exit code 1")
            self._publish_diagnostics()

    def _stop(self) -> None:
        """Unsubscribe and end the inference thread; again, it does nothing."""
        if self._inference is None:
            return
        if self._poll_timer is not None:
            self.destroy_timer(self._poll_timer)
            self._poll_timer = None
        for pair in self._pairs:
            pair.unsubscribe()
        self._inference.stop(0.0 if self.fatal else STOP_TIMEOUT_S)
        if self._inference.alive and not self.fatal:
            self.fatal = f"inference did not end within {STOP_TIMEOUT_S:.0f} s"
            self.get_logger().fatal(f"{self.fatal}: leaving with exit code 1")
        for pair in self._pairs:
            pair.stop()
        self._publish_diagnostics()
        self._inference = None
        for pair in self._pairs:
            pair.forget()

    def _free(self) -> None:
        """Forget the model and its publishers; again, it does nothing."""
        for pair in self._pairs:
            pair.destroy()
        self._pairs, self._segmenter, self._embeddings = [], None, None
        self._ros_parameters.configured = False
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # --- parameters ---

    def _select_classes(self, settings: Settings) -> ClassSelection:
        """The classes that settings ask for; raises `UserError` if the model does not know one."""
        assert self._segmenter is not None
        return self._segmenter.select_classes(settings.class_list, self._embeddings)

    def _on_parameters_changed(self) -> None:
        if self._segmenter is None:
            return
        before, self._settings = self._settings, self._ros_parameters.read()
        for pair in self._pairs:
            pair.change_settings(self._settings)
        if self._settings.class_list != before.class_list:
            self._segmenter.use(self._select_classes(self._settings))
            if self._inference is not None:
                # In the thread that publishes the masks, between two of them.
                self._inference.call(self._publish_label_infos)

    def _publish_label_infos(self) -> None:
        assert self._segmenter is not None
        for pair in self._pairs:
            pair.outputs.publish_label_info(self._segmenter.class_names, self.get_clock().now().to_msg())

    # --- reports ---

    def _report(self, pair: str, cause: str, sentence: str) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._logged_ns.get((pair, cause), -LOG_PERIOD_NS) >= LOG_PERIOD_NS:
            self._logged_ns[pair, cause] = now_ns
            self.get_logger().error(f"{pair}: {cause}: {sentence}" if pair else f"{cause}: {sentence}")
            if sys.exc_info()[0] is not None:
                self.get_logger().debug(traceback.format_exc())

    def _publish_diagnostics(self) -> None:
        """One message on /diagnostics; keys and levels are described in docs/diagnostics.md."""
        now = self.get_clock().now()
        values: dict[str, object] = {}
        if self._segmenter is not None:
            device = self._segmenter.device
            values = {"model": self._settings.model, "model_hash": self._segmenter.model_hash}
            values |= {"device": str(device), "device_memory_mb": memory_mb(device)}
        failure = self.fatal or self._failure
        statuses = [pair.status(now.nanoseconds, values, failure) for pair in self._pairs]
        if not statuses:
            level, sentence = (ERROR, failure) if failure else (OK, "not active")
            statuses = [
                messages.diagnostic_status(
                    STATUS_NAME, self.get_fully_qualified_name(), level, sentence, values
                )
            ]
        self._diagnostics.publish(messages.diagnostics_message(now.to_msg(), statuses))


@contextmanager
def _fault_of(parameter: str) -> Iterator[None]:
    """Puts the name of a parameter before the reason for which its value cannot be used."""
    try:
        yield
    except UserError as error:
        raise UserError(f"parameter {parameter}: {error}") from error
