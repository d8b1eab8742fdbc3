"""A bench of cameras and subscribers around a node in another process, over real DDS."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES
from rgbt_seg_ros.segmenter import Segmenter

OLD_STAMP_NS = 1_500_000_000 * 10**9
"""The cameras' stamps are years old, as those of a recording, and there is no /clock."""
PERIOD_NS = 50_000_000
LATE_NS = 3_000_000
"""Thermal stamps are later than RGB stamps by this."""


def load_segmenter(model: Path) -> Segmenter:
    """The model in this process, with the node's number of threads: it decides how sums are rounded."""
    torch.set_num_threads(1)
    return Segmenter.load(model, device="cpu")


class Bench:
    """Two cameras and a subscriber to mask, detections and diagnostics; `received` lists messages by topic.

    `ages_s` lists how old their stamps were when they came.

    Args:
        rgb, thermal: topics of the cameras.
        output: prefix of the node's topics.
        kind: class of the cameras' messages.
    """

    def __init__(
        self, rgb: str = "/cam", thermal: str = "/boson", output: str = "/rgbt_segmenter", kind: type = Image
    ) -> None:
        self.node = rclpy.create_node("bench")
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.ages_s: dict[str, list[float]] = defaultdict(list)
        self.sent: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.output = output
        self.rgb = self.node.create_publisher(kind, rgb, 100)
        self.thermal = self.node.create_publisher(kind, thermal, 100)
        self.subscribe("mask", Image, 100)
        self.subscribe("detections", Detection2DArray, 100)
        self.subscribe("/diagnostics", DiagnosticArray, 10)
        self._clients: dict[str, Any] = {}
        self._count = 0
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()

    # --- what comes ---

    def subscribe(self, topic: str, kind: type, qos: QoSProfile | int) -> None:
        """Keep a topic's messages in `received` by this name, which is the node's own if it is relative."""

        def receive(message: Any) -> None:
            self.ages_s[topic].append((time.time_ns() - stamp_of(message)) / 1e9)
            self.received[topic].append(message)

        resolved = topic if topic.startswith("/") else f"{self.output}/{topic}"
        self.node.create_subscription(kind, resolved, receive, qos)

    def last(self, topic: str, stamp: int | None = None) -> Any:
        """The last message on a topic, with this stamp if one is given; None if there is none."""
        messages = list(self.received[topic])
        if stamp is not None:
            messages = [message for message in messages if stamp_of(message) == stamp]
        return messages[-1] if messages else None

    def diagnostics(self, status: int = 0) -> tuple[int, str, dict[str, str]]:
        """Level, sentence and values of the last report."""
        return told(self.last("/diagnostics"), status)

    def next_diagnostics(self) -> tuple[int, str, dict[str, str]]:
        """The first report from now on."""
        self.received["/diagnostics"].clear()
        wait_for(lambda: self.last("/diagnostics"), "diagnostics")
        return self.diagnostics()

    # --- what is sent ---

    def next_stamp(self) -> int:
        self._count += 1
        return OLD_STAMP_NS + self._count * PERIOD_NS

    def next_arrays(self, height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """RGB and half as large 16-bit thermal images of blocks, others each time, as of living cameras."""
        draw = np.random.default_rng(self._count)
        rgb = draw.integers(0, 256, (6, 8, 3), np.uint8)
        thermal = draw.integers(7000, 9000, (6, 8), np.uint16)
        rows, columns = np.mgrid[:height, :width]
        at = rows * 6 // height, columns * 8 // width
        return rgb[at], thermal[at][::2, ::2]

    def send(self, rgb: Any = None, thermal: Any = None) -> int:
        """Send messages with the next stamps, or only one where the other is None; returns the RGB stamp."""
        stamp = self.next_stamp()
        for message, publisher, late_ns in ((rgb, self.rgb, 0), (thermal, self.thermal, LATE_NS)):
            if message is not None:
                message.header = header(stamp + late_ns, "boson_optical" if late_ns else "cam_optical")
                publisher.publish(message)
        return stamp

    def send_pair(self, height: int = 48, width: int = 64) -> int:
        """Send a good pair and remember it; returns the RGB stamp."""
        rgb, thermal = self.next_arrays(height, width)
        stamp = self.send(ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal))
        self.sent[stamp] = rgb, thermal
        return stamp

    def send_until(
        self,
        condition: Callable[[], Any],
        what: str,
        send: Callable[[], Any] | None = None,
        at_most: int | None = None,
    ) -> Any:
        """Send good pairs, or what `send` sends, in real time until the condition is true.

        After `at_most` pairs it is only waited for: a busy machine may take its time, but these must do.
        """
        sent = 0

        def check() -> Any:
            nonlocal sent
            if at_most is None or sent < at_most:
                (send or self.send_pair)()
                sent += 1
            time.sleep(PERIOD_NS / 1e9 - 0.02)
            return condition()

        return wait_for(check, what)

    def new(
        self,
        topic: str,
        send: Callable[[], Any] | None = None,
        at_most: int | None = None,
        accept: Callable[[Any], bool] = lambda message: True,
    ) -> Any:
        """The first message on a topic, of those to accept, for a pair sent from now on.

        `send` and `at_most` are those of `send_until`.
        """
        first = self._count + 1

        def find() -> Any:
            stamps = range(OLD_STAMP_NS + first * PERIOD_NS, OLD_STAMP_NS + self._count * PERIOD_NS + 1)
            messages = (m for m in list(self.received[topic]) if stamp_of(m) in stamps)
            return next(filter(accept, messages), None)

        return self.send_until(find, f"a new message on {topic}", send, at_most)

    def new_mask(self) -> Image:
        return self.new("mask")

    # --- services ---

    def call(self, kind: type, service: str, request: Any) -> Any:
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, f"/rgbt_segmenter/{service}")
        assert self._clients[service].wait_for_service(TIMEOUT_S)
        future = self._clients[service].call_async(request)
        wait_for(future.done, f"an answer of {service}")
        return future.result()

    def change_state(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, "change_state", request).success

    def state(self) -> int:
        return self.call(GetState, "get_state", GetState.Request()).current_state.id

    def set_parameter(self, name: str, value: float | str | list[float]) -> Any:
        kinds = {
            str: (ParameterType.PARAMETER_STRING, "string_value"),
            float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
            list: (ParameterType.PARAMETER_DOUBLE_ARRAY, "double_array_value"),
        }
        kind, field = kinds[type(value)]
        parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
        return self.call(
            SetParameters, "set_parameters", SetParameters.Request(parameters=[parameter])
        ).results[0]


def header(stamp_ns: int, frame: str = "cam_optical") -> Header:
    message = Header(frame_id=frame)
    message.stamp.sec, message.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def told(report: DiagnosticArray, status: int = 0) -> tuple[int, str, dict[str, str]]:
    """Level, sentence and values of a report."""
    part = report.status[status]
    return part.level[0], part.message, {item.key: item.value for item in part.values}


def stamp_of(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def pixels(mask: Image) -> np.ndarray:
    """Class ids of a mono8 mask, uint8 [H, W]."""
    return np.frombuffer(mask.data, np.uint8).reshape(mask.height, mask.width)
