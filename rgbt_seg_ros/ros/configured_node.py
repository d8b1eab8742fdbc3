"""What a configured node has: the model, its camera pairs, and while it is active their threads."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from rgbt_seg_ros.base.diagnostics import Key
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import memory_mb
from rgbt_seg_ros.masks.tracking import check_tracking
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.pipeline.inference_thread import InferenceThread
from rgbt_seg_ros.pipeline.loading import load_segmenter
from rgbt_seg_ros.pipeline.pairing_thread import PairingThread
from rgbt_seg_ros.pipeline.responder import Job, answer_jobs
from rgbt_seg_ros.ros.camera_pair import CameraPair
from rgbt_seg_ros.ros.graph import CallbackThread
from rgbt_seg_ros.ros.inputs.transforms import check_transforms
from rgbt_seg_ros.ros.pairers import pairer_maker
from rgbt_seg_ros.runs.quality import DEMONSTRATION, is_demonstration
from rgbt_seg_ros.segmenter import Segmenter, choose_device
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings, load_class_embeddings
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.settings import Settings

MOST_HANDED_OVER = 150
"""Images of a topic that may wait to be paired in mode latest [images]: five seconds of most cameras."""

POLL_PERIOD_S = 0.02
"""How often overdue images are decided [s], and that much later at most."""

LOSSLESS_POLL_PERIOD_S = 0.2
"""The same where only the end of a recording decides [s]."""

STOP_FLOOR_S = 20.0
STOP_INFERENCES = 5.0
"""Deactivation waits for the inference under way, for the longer of a time [s] and a number of the longest so far."""

STOP_SILENCE_S = 1.0
"""A shorter wait is not worth a word [s]."""

HANG_S = 60.0
HANG_WARM_UPS = 30.0
"""An inference that takes longer than both, a time [s] and a number of VGA pairs after warming up, is taken to hang."""

Report = Callable[[str, str, str], None]
"""Told the name of a camera pair, a cause and one sentence; called in any thread."""


class Configured:
    """From configure to cleanup; `start` and `stop` are activation and deactivation.

    All methods belong to the executor's thread.

    Args:
        node: owns publishers and subscriptions.
        settings: the node's.
        report: told of everything lost to an error.

    Raises:
        UserError: a parameter's value cannot be used; its name comes first.
    """

    def __init__(self, node: LifecycleNode, settings: Settings, report: Report) -> None:
        self._node = node
        self._settings = settings
        # First, as it costs nothing: a method that is not installed is known before the model is loaded.
        self._make_pairer: Callable[[], Pairer] = pairer_maker(settings)
        if settings.registration.uses_tf:
            by_frame = settings.registration.plane.frame
            with _fault_of(f"registration.plane.{'frame' if by_frame else 'extrinsics'}"):
                check_transforms()
        if settings.tracking.enabled:
            with _fault_of("tracking.enabled"):
                check_tracking()
        self._embeddings: ClassEmbeddings | None = None
        self._segmenter = self._load_segmenter()
        milliseconds = self._warm_up()
        self._hang_s = max(HANG_S, HANG_WARM_UPS * milliseconds / 1e3)
        # All pairs may be in one batch.
        self._longest_s = len(settings.pair_names) * milliseconds / 1e3
        self._pairs = [
            CameraPair(node, name, settings, partial(report, name)) for name in settings.pair_names
        ]
        self._inference: InferenceThread[Job] | None = None
        self._pairing: PairingThread | None = None
        self._receiving: CallbackThread | None = None
        self._report = report

    def start(self) -> None:
        """Subscribe to the cameras and answer what comes; after an error, `stop` undoes it.

        Raises:
            UserError: a camera pair cannot be started.
        """
        settings = self._settings
        self._inference = inference = InferenceThread(partial(answer_jobs, self._segmenter))
        depth = settings.lossless.depth if settings.is_lossless else MOST_HANDED_OVER
        self._pairing = pairing = PairingThread(
            LOSSLESS_POLL_PERIOD_S if settings.is_lossless else POLL_PERIOD_S,
            2 * len(self._pairs) * depth,
            partial(self._report, "", "pairing"),
        )
        self._receiving = receiving = CallbackThread(self._node, "receiving")
        for pair in self._pairs:
            pair.start(settings, self._make_pairer(), inference, pairing, receiving.callback_group)
        receiving.start()

    def fault(self) -> str:
        """Why one of the threads is lost, in one sentence, or empty."""
        inference, pairing = self._inference, self._pairing
        if inference is None or pairing is None:
            return ""
        if not pairing.alive:
            return f"the pairing thread has ended ({pairing.failure})"
        if not inference.alive:
            return f"the inference thread has ended ({inference.failure})"
        if inference.busy_s > self._hang_s:
            return f"inference has been at the same images for {inference.busy_s:.0f} s"
        return ""

    def stop(self, wait: bool, say: Callable[[str], None]) -> str:
        """Unsubscribe and end the inference thread; idempotent. The counts stay until `forget`.

        Args:
            wait: for the inference under way, as long as one may take.
            say: told a sentence if that takes long.

        Returns:
            Why the inference thread is lost, in one sentence; empty if it has ended.
        """
        if self._inference is None:
            return ""
        if self._receiving is not None:
            self._receiving.stop()
        for pair in self._pairs:
            pair.unsubscribe()
        inference, timeout_s = self._inference, self._stop_timeout_s if wait else 0.0
        if self._pairing is not None:
            self._pairing.stop(timeout_s)
        inference.stop(min(STOP_SILENCE_S, timeout_s))
        if wait and inference.alive:
            say(f"waiting for the inference under way, {timeout_s:.0f} s at most")
            inference.stop(timeout_s - STOP_SILENCE_S)
        self._longest_s = max(self._longest_s, inference.longest_s)
        alive, self._inference, self._pairing, self._receiving = inference.alive, None, None, None
        for pair in self._pairs:
            pair.stop()
        return f"inference did not end within {timeout_s:.0f} s" if alive else ""

    @property
    def _stop_timeout_s(self) -> float:
        """How long the inference under way may still take; one that takes longer hangs."""
        longest_s = max(self._longest_s, self._inference.longest_s if self._inference else 0.0)
        return min(max(STOP_FLOOR_S, STOP_INFERENCES * longest_s), self._hang_s)

    def pause(self, paused: bool) -> None:
        """Leave the pairs of all cameras unanswered, or go on; until `stop`."""
        for pair in self._pairs:
            pair.pause(paused)

    def forget(self) -> None:
        """Drop the counts of the last activation."""
        for pair in self._pairs:
            pair.forget()

    def destroy(self) -> None:
        """Give the output topics up."""
        for pair in self._pairs:
            pair.destroy()

    def select_classes(self, settings: Settings) -> ClassSelection:
        """The classes that settings ask for.

        Raises:
            UserError: the model does not know one.
        """
        return self._segmenter.select_classes(settings.class_list, self._embeddings)

    def change_settings(self, settings: Settings) -> None:
        """Take new values of live parameters.

        Raises:
            UserError: the model does not know one of the classes.
        """
        before, self._settings = self._settings, settings
        for pair in self._pairs:
            pair.change_settings(settings)
        if settings.class_list != before.class_list:
            self._segmenter.use(self.select_classes(settings))
            if self._inference is not None:
                # In the thread that publishes the masks, between two of them.
                self._inference.call(self.publish_label_infos)

    def publish_label_infos(self) -> None:
        """Publish the names of the ids for every camera pair."""
        for pair in self._pairs:
            pair.outputs.publish_label_info(
                self._segmenter.class_names, self._node.get_clock().now().to_msg()
            )

    def statuses(self, now_ns: int, failure: str) -> Sequence[DiagnosticStatus]:
        """One status of each camera pair; the arguments are those of `CameraPair.status`."""
        device = self._segmenter.device
        common: dict[str, object] = {
            Key.MODEL: self._settings.model,
            Key.MODEL_HASH: self._segmenter.model_hash,
            Key.DEVICE: str(device),
            Key.RUNTIME: self._segmenter.runtime,
            Key.DEVICE_MEMORY_MB: memory_mb(device),
        }
        return [pair.status(now_ns, common, failure) for pair in self._pairs]

    def _load_segmenter(self) -> Segmenter:
        settings = self._settings
        self._node.get_logger().info(f"loading model {settings.model}")
        with _fault_of("device"):
            choose_device(settings.device)
        with _fault_of("model"):
            segmenter = load_segmenter(settings)
        if segmenter.runtime_note:
            self._node.get_logger().info(segmenter.runtime_note)
        if is_demonstration(settings.model):
            self._node.get_logger().warning(DEMONSTRATION)
        with _fault_of("class_embeddings"):
            path = settings.class_embeddings
            self._embeddings = load_class_embeddings(path) if path else None
            # Made for this model, whatever the classes.
            segmenter.select_classes((), self._embeddings)
        with _fault_of("classes"):
            segmenter.use(segmenter.select_classes(settings.class_list, self._embeddings))
        off = segmenter.classes_off
        if off:
            self._node.get_logger().info(
                f"off by default, as the model hardly finds them: {', '.join(off)}; the parameter classes turns them on"
            )
        return segmenter

    def _warm_up(self) -> float:
        """Milliseconds for a VGA pair, once the model has seen some."""
        segmenter, log = self._segmenter, self._node.get_logger()
        classes = len(segmenter.class_names) - len(segmenter.classes_off)
        log.info(
            f"model {segmenter.card.arch} {segmenter.card.config.get('size', '')} with {classes} "
            f"classes on {segmenter.device} in {segmenter.precision} by {segmenter.runtime}, warming up"
        )
        milliseconds = segmenter.warm_up()
        log.info(f"ready: {milliseconds:.0f} ms for a VGA pair")
        if segmenter.graph_fault:
            log.warning(segmenter.graph_fault)
        return milliseconds


@contextmanager
def _fault_of(parameter: str) -> Iterator[None]:
    """Puts the name of a parameter before the reason for which its value cannot be used."""
    try:
        yield
    except UserError as error:
        raise UserError(f"parameter {parameter}: {error}") from error
