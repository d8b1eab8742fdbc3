"""The node as a process of its own, over real DDS; this process is the cameras and the subscriber."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from rgbt_seg_ros.classes import MFNET
from rgbt_seg_ros.image_codec import decode_rgb, decode_thermal
from rgbt_seg_ros.messages import image_message
from rgbt_seg_ros.models import ModelCard, build_model, save_model
from rgbt_seg_ros.segmenter import Segmenter

TIMEOUT = 120.0
OLD_STAMP_NS = 1_500_000_000 * 10**9
"""The cameras' stamps are years old, as those of a recording, and there is no /clock."""
PERIOD_NS = 50_000_000


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {TIMEOUT:.0f} s")


class NodeProcess:
    """``python -m rgbt_seg_ros.node`` with its log in a file."""

    def __init__(self, log: Path, repository: Path, **parameters: object) -> None:
        arguments = ["-r", "rgb/image:=/cam", "-r", "thermal/image:=/boson"]
        for name, value in parameters.items():
            arguments += ["-p", f"{name.replace('__', '.')}:={value}"]
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rgbt_seg_ros.node", "--ros-args", *arguments],
                cwd=repository,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for_output(self, text: str) -> None:
        wait_for(lambda: text in self.output or self.process.poll() is not None, f"{text!r} in the log")
        assert text in self.output, self.output

    def wait(self) -> int:
        return self.process.wait(TIMEOUT)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Bench:
    """Two cameras and a subscriber to everything, spun in a thread; `received` lists messages by topic."""

    def __init__(self) -> None:
        self.node = rclpy.create_node("bench")
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.rgb = self.node.create_publisher(Image, "/cam", 100)
        self.thermal = self.node.create_publisher(Image, "/boson", 100)
        for name, kind in (("mask", Image), ("detections", Detection2DArray), ("overlay", Image)):
            self.subscribe(f"/rgbt_segmenter/{name}", kind, 100)
        self.subscribe("/diagnostics", DiagnosticArray, 10)
        self._clients: dict[str, Any] = {}
        self._sent = 0
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()

    def subscribe(self, topic: str, kind: type, qos: QoSProfile | int) -> None:
        self.node.create_subscription(kind, topic, self.received[topic].append, qos)

    def last(self, topic: str, stamp: int | None = None) -> Any:
        messages = list(self.received[topic])
        if stamp is not None:
            messages = [message for message in messages if stamp_of(message) == stamp]
        return messages[-1] if messages else None

    def send_pair(self, rgb: Image, thermal: Image) -> int:
        """Send a pair with the next stamps (thermal 3 ms later); returns the RGB stamp."""
        stamp = OLD_STAMP_NS + self._sent * PERIOD_NS
        self._sent += 1
        rgb.header = header(stamp)
        thermal.header = header(stamp + 3_000_000)
        self.rgb.publish(rgb)
        self.thermal.publish(thermal)
        return stamp

    def send_until(self, condition: Callable[[], Any], what: str) -> Any:
        """Send good pairs in real time until the condition is true."""
        rgb, thermal = pair_of_images()

        def check() -> Any:
            self.send_pair(rgb, thermal)
            time.sleep(PERIOD_NS / 1e9 - 0.02)
            return condition()

        return wait_for(check, what)

    def new_mask(self) -> Image:
        """The first mask for a pair sent from now on."""
        first = OLD_STAMP_NS + self._sent * PERIOD_NS
        masks = self.received["/rgbt_segmenter/mask"]
        return self.send_until(
            lambda: next((m for m in list(masks) if stamp_of(m) >= first), None), "a new mask"
        )

    def call(self, kind: type, service: str, request: Any) -> Any:
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, f"/rgbt_segmenter/{service}")
            assert self._clients[service].wait_for_service(TIMEOUT)
        future = self._clients[service].call_async(request)
        wait_for(future.done, f"an answer of {service}")
        return future.result()

    def change_state(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, "change_state", request).success

    def state(self) -> int:
        return self.call(GetState, "get_state", GetState.Request()).current_state.id

    def set_parameter(self, name: str, value: float | str) -> Any:
        kind = ParameterType.PARAMETER_STRING if isinstance(value, str) else ParameterType.PARAMETER_DOUBLE
        field = "string_value" if isinstance(value, str) else "double_value"
        parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
        return self.call(
            SetParameters, "set_parameters", SetParameters.Request(parameters=[parameter])
        ).results[0]

    def diagnostics(self) -> tuple[int, str, dict[str, str]]:
        status = self.last("/diagnostics").status[0]
        return status.level[0], status.message, {item.key: item.value for item in status.values}


def header(stamp_ns: int) -> Header:
    message = Header(frame_id="cam_optical")
    message.stamp.sec, message.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


def stamp_of(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def pair_of_images() -> tuple[Image, Image]:
    """RGB 64x48 and 16-bit thermal 40x30, always the same."""
    draw = np.random.default_rng(5)
    rgb = draw.integers(0, 256, (48, 64, 3), np.uint8)
    thermal = draw.integers(7000, 9000, (30, 40), np.uint16)
    return image_message(Header(), rgb), image_message(Header(), thermal)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights in which every class is a thing, so that every mask has a detection."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    card = ModelCard("shifnet", {"size": "nano"}, MFNET.names, MFNET.names, embeddings={})
    save_model(path, build_model("shifnet", {"size": "nano"}, torch.randn(9, 384)), card)
    return path


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    rclpy.init()
    bench = Bench()
    yield bench
    bench.close()
    rclpy.shutdown()


@pytest.fixture(scope="module")
def node(
    bench: Bench, model: Path, tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> Iterator[NodeProcess]:
    """An active node that answers; the tests that use it run in the order of this file."""
    log = tmp_path_factory.mktemp("node") / "log.txt"
    node = NodeProcess(
        log,
        repository,
        model=model,
        device="cpu",
        detections__min_area=1,
        detections__score_threshold=0.0,
        **{"qos_overrides./cam.subscription.reliability": "reliable"},
    )
    node.wait_for_output("active: /cam and /boson to /rgbt_segmenter/mask")
    bench.new_mask()
    yield node
    node.kill()


def test_every_output_carries_the_rgb_header(bench: Bench, node: NodeProcess, model: Path) -> None:
    mask = bench.new_mask()
    stamp = stamp_of(mask)
    detections = wait_for(lambda: bench.last("/rgbt_segmenter/detections", stamp), "detections")
    overlay = wait_for(lambda: bench.last("/rgbt_segmenter/overlay", stamp), "an overlay")
    assert len(detections.detections) > 0
    for message in (mask, detections, overlay, *detections.detections):
        assert message.header == header(stamp)
    assert (mask.encoding, mask.height, mask.width, mask.step) == ("mono8", 48, 64, 64)
    assert (overlay.encoding, overlay.height, overlay.width) == ("rgb8", 48, 64)


def test_the_mask_is_the_segmenters_to_the_bit(bench: Bench, node: NodeProcess, model: Path) -> None:
    rgb, thermal = pair_of_images()
    expected = Segmenter.load(model, device="cpu")(decode_rgb(rgb), decode_thermal(thermal)).mask
    mask = bench.new_mask()
    np.testing.assert_array_equal(np.frombuffer(mask.data, np.uint8).reshape(48, 64), expected)


def test_detections_name_classes_of_the_mask(bench: Bench, node: NodeProcess) -> None:
    mask = bench.new_mask()
    detections = wait_for(lambda: bench.last("/rgbt_segmenter/detections", stamp_of(mask)), "detections")
    named = {detection.results[0].hypothesis.class_id for detection in detections.detections}
    assert named == {MFNET.names[i] for i in np.unique(np.frombuffer(mask.data, np.uint8))}
    for detection in detections.detections:
        assert 0.0 < detection.results[0].hypothesis.score <= 1.0
        assert 1.0 <= detection.bbox.size_x <= 64.0
        assert 0.0 <= detection.bbox.center.position.y <= 47.0


def test_a_late_subscriber_gets_the_label_info(bench: Bench, node: NodeProcess) -> None:
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    bench.subscribe("/rgbt_segmenter/label_info", LabelInfo, qos)
    label_info = wait_for(lambda: bench.last("/rgbt_segmenter/label_info"), "label info")
    assert {entry.class_id: entry.class_name for entry in label_info.class_map} == dict(
        enumerate(MFNET.names)
    )
    assert label_info.header.frame_id == "cam_optical"


def test_inputs_are_best_effort_unless_overridden(bench: Bench, node: NodeProcess) -> None:
    def reliability(topic: str) -> list[ReliabilityPolicy]:
        endpoints = bench.node.get_subscriptions_info_by_topic(topic)
        return [endpoint.qos_profile.reliability for endpoint in endpoints]

    assert reliability("/cam") == [ReliabilityPolicy.RELIABLE]
    assert reliability("/boson") == [ReliabilityPolicy.BEST_EFFORT]


def test_diagnostics_have_the_documented_keys(bench: Bench, node: NodeProcess) -> None:
    bench.received["/diagnostics"].clear()
    bench.send_until(lambda: bench.last("/diagnostics"), "diagnostics")
    level, sentence, values = bench.diagnostics()
    assert (level, sentence[-2:]) == (0, "ms")
    keys = [
        "rgb_in",
        "thermal_in",
        "pairs",
        "masks",
        "detections",
        "waiting",
        "unpaired",
        "rgb_hz",
        "thermal_hz",
        "pair_hz",
    ]
    keys += [
        "dropped.no_partner",
        "dropped.over_max_dt",
        "skew_ms.p50",
        "skew_ms.max",
        "model",
        "model_hash",
        "device",
    ]
    keys += [f"latency_ms.p{q}" for q in (50, 95, 99)]
    keys += [
        f"stage_ms.{stage}.p50" for stage in ("decode", "preprocess", "inference", "postprocess", "publish")
    ]
    assert set(keys) <= set(values)
    numbers = {
        key: float(value) for key, value in values.items() if key not in ("model", "model_hash", "device")
    }
    assert numbers["pairs"] >= numbers["masks"] > 0
    assert numbers["skew_ms.max"] == pytest.approx(3.0)
    lost = sum(
        numbers.get(f"dropped.{cause}", 0) for cause in ("superseded", "stale", "undecodable", "failed")
    )
    # A pair may be answered while the numbers are read.
    assert numbers["masks"] + numbers["waiting"] + lost - numbers["pairs"] in (0, 1)


@pytest.mark.parametrize(
    "broken",
    [
        {"encoding": "yuv422"},
        {"encoding": ""},
        {"data": b"\x00" * 10},
        {"height": 0, "width": 0, "step": 0, "data": b""},
        {"step": 7},
        {"height": 1, "width": 1, "step": 3, "data": b"abc"},
    ],
    ids=["unknown encoding", "no encoding", "short data", "empty", "step below width", "one pixel"],
)
def test_a_bad_image_is_counted_and_the_next_good_pair_answered(
    bench: Bench, node: NodeProcess, broken: dict[str, Any]
) -> None:
    def lost() -> float:
        values = bench.diagnostics()[2]
        return sum(float(values.get(f"dropped.{cause}", 0)) for cause in ("undecodable", "failed"))

    before = lost()
    rgb, thermal = pair_of_images()
    for name, value in broken.items():
        setattr(rgb, name, value)
    # More than one, as a waiting pair may be superseded.
    stamps = [bench.send_pair(rgb, thermal)]
    wait_for(lambda: lost() > before or stamps.append(bench.send_pair(rgb, thermal)), "counting")
    bench.new_mask()
    assert not {stamp_of(mask) for mask in bench.received["/rgbt_segmenter/mask"]} & set(stamps)


def test_the_log_says_why_an_image_was_not_read_once_a_second(node: NodeProcess) -> None:
    lines = [line for line in node.output.splitlines() if "yuv422" in line]
    assert all("undecodable" in line for line in lines)
    # rclpy writes "[ERROR] [seconds.nanoseconds] [name]: text".
    times = [float(line.split("[")[2].split("]")[0]) for line in lines]
    assert len(times) > 0
    assert all(later - earlier > 0.99 for earlier, later in itertools.pairwise(times))


def test_live_parameters_act_at_once_and_others_are_refused(bench: Bench, node: NodeProcess) -> None:
    refused = bench.set_parameter("sync.max_dt", 0.2)
    assert not refused.successful
    assert "sync.max_dt takes effect at configure" in refused.reason
    assert not bench.set_parameter("detections.score_threshold", 2.0).successful
    assert bench.set_parameter("detections.score_threshold", 1.0).successful
    mask = bench.new_mask()
    detections = wait_for(lambda: bench.last("/rgbt_segmenter/detections", stamp_of(mask)), "detections")
    assert len(detections.detections) == 0
    assert bench.set_parameter("detections.score_threshold", 0.0).successful


def test_activation_does_not_load_the_weights_again(bench: Bench, node: NodeProcess) -> None:
    loads = node.output.count("loading model")
    for _ in range(3):
        assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
        assert bench.state() == State.PRIMARY_STATE_INACTIVE
        wait_for(lambda: bench.rgb.get_subscription_count() == 0, "unsubscribing")
        assert bench.change_state(Transition.TRANSITION_ACTIVATE)
        bench.new_mask()
    assert node.output.count("loading model") == loads


def test_cleanup_and_configure_take_new_parameters(bench: Bench, node: NodeProcess, model: Path) -> None:
    assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
    assert bench.change_state(Transition.TRANSITION_CLEANUP)
    assert bench.state() == State.PRIMARY_STATE_UNCONFIGURED
    wait_for(lambda: bench.node.count_publishers("/rgbt_segmenter/mask") == 0, "the end of the topic")
    assert bench.set_parameter("model", "/no/such.safetensors").successful
    assert not bench.change_state(Transition.TRANSITION_CONFIGURE)
    assert "cannot configure: there is no model file /no/such.safetensors" in node.output
    assert bench.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert bench.set_parameter("model", str(model)).successful
    assert bench.change_state(Transition.TRANSITION_CONFIGURE)
    assert bench.change_state(Transition.TRANSITION_ACTIVATE)
    bench.new_mask()


def test_two_sigints_end_the_node_cleanly(bench: Bench, node: NodeProcess) -> None:
    node.process.send_signal(signal.SIGINT)
    node.process.send_signal(signal.SIGINT)
    assert node.wait() == 0, node.output
    assert "Traceback" not in node.output
    assert bench.diagnostics()[2]["masks"] != "0"


def test_three_passes_in_lossless_mode_give_every_pair_three_times(
    bench: Bench, model: Path, tmp_path: Path, repository: Path
) -> None:
    node = NodeProcess(tmp_path / "log.txt", repository, model=model, device="cpu", mode="lossless")
    try:
        node.wait_for_output("active:")
        wait_for(
            lambda: bench.rgb.get_subscription_count() and bench.thermal.get_subscription_count(), "matching"
        )
        masks = bench.received["/rgbt_segmenter/mask"]
        masks.clear()
        rgb, thermal = pair_of_images()
        rgb_stamps = [OLD_STAMP_NS + i * 33_333_333 for i in range(40)]
        thermal_stamps = [OLD_STAMP_NS + 7_000_000 + i * 111_111_111 for i in range(12)]
        events = sorted([(s, "rgb") for s in rgb_stamps] + [(s, "thermal") for s in thermal_stamps])
        for _ in range(3):
            for stamp, camera in events:
                image, publisher = (rgb, bench.rgb) if camera == "rgb" else (thermal, bench.thermal)
                image.header = header(stamp)
                publisher.publish(image)
                # Twice as fast as recorded.
                time.sleep(0.012)
        wait_for(lambda: len(masks) >= 3 * len(thermal_stamps), "all masks")
        # Each thermal frame, of the slower camera, belongs to the RGB frame nearest in time.
        nearest = [min(rgb_stamps, key=lambda s: abs(s - t)) for t in thermal_stamps]
        assert Counter(stamp_of(mask) for mask in masks) == Counter(3 * nearest)
        bench.received["/diagnostics"].clear()
        wait_for(lambda: bench.last("/diagnostics"), "diagnostics")
        assert bench.diagnostics()[2]["pairs"] == str(3 * len(thermal_stamps))
        node.process.send_signal(signal.SIGTERM)
        assert node.wait() == 0, node.output
        assert "ERROR" not in node.output
    finally:
        node.kill()


def test_a_broken_model_file_ends_the_node_with_1_and_a_sentence(
    tmp_path: Path, repository: Path, model: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.read_bytes()[:100_000])
    node = NodeProcess(tmp_path / "log.txt", repository, model=broken)
    try:
        assert node.wait() == 1
        (line,) = [line for line in node.output.splitlines() if "cannot configure" in line]
        assert str(broken) in line
        assert "Traceback" not in node.output
    finally:
        node.kill()


def test_a_bad_parameter_ends_the_node_with_1_and_its_name(
    tmp_path: Path, repository: Path, model: Path
) -> None:
    node = NodeProcess(tmp_path / "log.txt", repository, model=model, sync__max_dt=-1.0)
    try:
        assert node.wait() == 1
        assert "cannot configure: parameter sync.max_dt must be double from 0 to 10 [s]" in node.output
        assert "Traceback" not in node.output
    finally:
        node.kill()
