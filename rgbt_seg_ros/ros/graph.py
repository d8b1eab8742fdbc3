"""How a process of ours joins the ROS graph, has its callbacks served, and learns that it should end."""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    ConditionReachedException,
    ExternalShutdownException,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from rgbt_seg_ros.base import shared_memory
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.ros.arguments import plain_reason
from rgbt_seg_ros.ros.dds import fastdds_profile_environment, own_transports

IMAGE_QUEUE = 30
"""Images of a topic that may wait to be taken [images]: a second of most cameras."""


class StopRequest(threading.Event):
    """Set by SIGINT and SIGTERM.

    Attributes:
        signal_name: of the one that came first; empty before.
        signal_number: its number; 0 before.
    """

    signal_name = ""
    signal_number = 0
    _thread: threading.Thread | None = None

    def wakes(self, wake: Callable[[], None]) -> None:
        """Have a wait in the main thread ended by a signal; called there, once.

        Python runs handlers in the main thread alone, between two of its instructions: a wait inside the middleware
        would keep them waiting. Its own note of a signal comes at once, and is read here in another thread.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def watch() -> None:
            while os.read(reader, 64):
                wake()

        # A daemon, which lives as long as the process.
        self._thread = threading.Thread(target=watch, name="signals", daemon=True)
        self._thread.start()

    def take(self, signal_number: int, frame: object) -> None:
        """Handle a signal."""
        self.signal_number = self.signal_number or signal_number
        self.signal_name = signal.Signals(self.signal_number).name
        self.set()


def join_graph() -> StopRequest:
    """Initialise rclpy, with the Fast DDS profile for large images; the event is set by SIGINT and SIGTERM.

    Our own handlers instead of rclpy's: the context must live until the last message is out and the files are ended.
    A second signal meanwhile must change nothing; `ros2 launch` sends one.

    Raises:
        UserError: the Fast DDS profile is not part of the installation.
    """
    stop = StopRequest()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, stop.take)
    init_ros()
    return stop


def init_ros() -> None:
    """Initialise rclpy, with the Fast DDS profile for large images unless the user has settings of his own.

    Without rclpy's own handlers of signals, which would invalidate publishers in the middle of a call.

    The profile is set here, in the one process that needs it: whatever a launch file sets, all that it starts inherits.

    Raises:
        UserError: the Fast DDS profile is not part of the installation, or rclpy cannot be initialised.
    """
    own = own_transports()
    os.environ.update(fastdds_profile_environment())
    freed = shared_memory.remove_abandoned_segments()
    fault = shared_memory.fault()
    try:
        rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        raise UserError(f"ROS cannot be initialised: {plain_reason(error)}") from error
    log = rclpy.logging.get_logger("rgbt_seg_ros")
    if freed:
        log.info(f"removed {freed / 1e6:.0f} MB of shared memory that killed processes had left")
    if "fastrtps" not in rclpy.get_rmw_implementation_identifier():
        return
    if own:
        log.info(f"{own} decides how Fast DDS carries images, the profile of this package is not used")
    elif fault:
        log.warning(fault)


def spin_until(node: Node, ended: Callable[[], bool], stop: StopRequest | None = None) -> None:
    """Serve a node's callbacks until `ended` says so.

    An exception that escapes from a callback is logged: it costs one message, not the process.

    Args:
        node: whose callbacks.
        ended: asked after each callback, and ten times a second at least.
        stop: where nothing but callbacks and this can change what `ended` says, which is then asked after these alone:
            a node without work sleeps.
    """
    executor = _Executor()
    executor.add_node(node)
    if stop is not None:
        stop.wakes(partial(_wake, executor))
    _spin(executor, node, ended, longest_s=None if stop else 0.1)


class _Executor(SingleThreadedExecutor):
    """One that, unlike rclpy's own, returns when it is woken and there is nothing to serve any more."""

    def serve_one(self, longest_s: float | None, ended: Callable[[], bool]) -> None:
        """Serve one callback; none if `ended` says so once it is woken, or none is due within `longest_s` [s]."""
        try:
            handler, _, _ = self.wait_for_ready_callbacks(longest_s, None, ended)
        except (ConditionReachedException, ShutdownException, TimeoutException):
            return
        handler()
        handler.result()  # raises what the callback has raised


class CallbackThread:
    """Serves some of a node's callbacks in a thread of their own: those of entities made with `callback_group`.

    Whatever keeps the node's executor from its work, these are not kept waiting: a timer, a service, a parameter.
    Entities are made before `start`, and destroyed after `stop`.

    Args:
        node: owns the entities; its executor leaves them alone.
        name: of the thread.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.callback_group = _OneThreadGroup()
        self._node = node
        self._executor = _GroupExecutor(node, self.callback_group)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more, once the callback under way has returned; idempotent."""
        self._stopped.set()
        _wake(self._executor)
        if self._thread.is_alive():
            self._thread.join()
        self._executor.shutdown()

    def _run(self) -> None:
        self.callback_group.thread = threading.get_ident()
        _spin(self._executor, self._node, self._stopped.is_set, longest_s=None)


class _OneThreadGroup(CallbackGroup):
    """Entities that one thread alone may serve, which makes every other executor of their node leave them alone."""

    thread = 0

    def can_execute(self, entity: object) -> bool:
        return threading.get_ident() == self.thread

    def beginning_execution(self, entity: object) -> bool:
        return True

    def ending_execution(self, entity: object) -> None:
        pass


class _GroupExecutor(_Executor):
    """Serves one group of a node that has been added to another executor, which may be the only one it is added to."""

    def __init__(self, node: Node, group: CallbackGroup) -> None:
        super().__init__()
        self._node = node
        self._group = group

    def get_nodes(self) -> list[Node]:
        return [self._node]

    def can_execute(self, entity: Any) -> bool:
        return entity.callback_group is self._group and super().can_execute(entity)


def _wake(executor: _Executor) -> None:
    """Have an executor look again; nothing if it has been shut down."""
    # rclpy takes the guard condition away between its own look at it and its use.
    with contextlib.suppress(InvalidHandle, AttributeError):
        executor.wake()


def _spin(executor: _Executor, node: Node, ended: Callable[[], bool], longest_s: float | None) -> None:
    """Serve callbacks until `ended`, which is asked after each, and after `longest_s` [s] without any."""
    try:
        while not ended():
            try:
                executor.serve_one(longest_s, ended)
            except ExternalShutdownException:
                return
            except Exception as error:
                node.get_logger().error(printable(f"a callback failed: {type(error).__name__}: {error}"))
                node.get_logger().debug(traceback.format_exc())
    finally:
        executor.shutdown()
