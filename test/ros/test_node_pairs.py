"""Several camera pairs in one node, compressed images, and registration by camera_info.

The tests of this file share one node and run in order.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from node_bench import Bench, header, load_segmenter, pixels, stamp_of
from node_process import NodeProcess, active_node
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo
from waiting import wait_for

from rgbt_seg_ros.images.codec import decode_compressed_rgb, decode_compressed_thermal
from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.settings import Settings

REGISTRATION = {
    "registration.mode": "plane",
    "registration.plane.depth": 4.0,
    "registration.plane.translation": [0.3, 0.0, 0.0],
}


class Eye(Bench):
    """The cameras of one pair, which send PNGs, and its outputs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"/{name}/rgb/image", f"/{name}/thermal/image", f"/rgbt_segmenter/{name}", CompressedImage
        )
        self.infos = {
            camera: self.node.create_publisher(CameraInfo, f"/{name}/{camera}/camera_info", 10)
            for camera in ("rgb", "thermal")
        }

    def send_pair(self, height: int = 48, width: int = 64) -> int:
        rgb, thermal = self.next_arrays(height, width)
        stamp = self.send(png(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), "rgb8"), png(thermal, "mono16"))
        self.sent[stamp] = rgb, thermal
        return stamp


def png(array: np.ndarray, encoding: str) -> CompressedImage:
    data = cv2.imencode(".png", array)[1].tobytes()
    return CompressedImage(header=Header(), format=f"{encoding}; png compressed ", data=data)


def jpeg(array: np.ndarray, encoding: str) -> CompressedImage:
    data = cv2.imencode(".jpg", array)[1].tobytes()
    return CompressedImage(header=Header(), format=f"{encoding}; jpeg compressed ", data=data)


def camera_info(height: int, width: int) -> CameraInfo:
    """A pinhole camera without distortion, 60 degrees wide."""
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob")
    info.k = [0.87 * width, 0.0, (width - 1) / 2, 0.0, 0.87 * width, (height - 1) / 2, 0.0, 0.0, 1.0]
    return info


@pytest.fixture(scope="module")
def eyes(bench: Bench) -> Iterator[tuple[Eye, Eye]]:
    eyes = Eye("front"), Eye("rear")
    yield eyes
    for eye in eyes:
        eye.close()


@pytest.fixture(scope="module")
def node(
    eyes: tuple[Eye, Eye], node_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcess]:
    parameters: dict[str, object] = {
        "model": node_model,
        "camera_pairs": "front,rear",
        "rgb_transport": "compressed",
        "thermal_transport": "compressed",
        "input_reliability": "reliable",
        **REGISTRATION,
    }
    with active_node(tmp_path_factory.mktemp("node") / "log.txt", **parameters) as node:
        for name in ("front", "rear"):
            node.wait_for_output(
                f"active: /{name}/rgb/image and /{name}/thermal/image to /rgbt_segmenter/{name}/mask"
            )
        yield node


def test_pairs_wait_for_their_calibration_and_say_so(eyes: tuple[Eye, Eye], node: NodeProcess) -> None:
    front, rear = eyes

    def is_waiting() -> bool:
        report = front.last("/diagnostics")
        # Not a late one of another node.
        if report is None or len(report.status) != 2:
            return False
        return all("dropped.unregistered" in front.diagnostics(i)[2] for i in (0, 1))

    def send() -> None:
        front.send_pair()
        rear.send_pair()

    front.send_until(is_waiting, "a sentence", send)
    names = [status.name for status in front.last("/diagnostics").status]
    assert names == ["/rgbt_segmenter: segmentation of front", "/rgbt_segmenter: segmentation of rear"]
    for i, name in enumerate(("front", "rear")):
        level, sentence, values = front.diagnostics(i)
        topics = f"/{name}/rgb/camera_info and /{name}/thermal/camera_info"
        assert (level, sentence) == (2, f"registration.mode plane: waits for {topics}")
        assert int(values["dropped.unregistered"]) > 0
    assert "unregistered: registration.mode plane: waits for" in node.output
    assert not front.received["mask"]


def test_a_calibration_that_is_none_is_named(eyes: tuple[Eye, Eye], node: NodeProcess) -> None:
    front, _ = eyes

    def send() -> None:
        front.infos["rgb"].publish(CameraInfo(height=48, width=64))
        front.send_pair()

    reason = "/front/rgb/camera_info holds no calibration"
    front.send_until(lambda: reason in front.diagnostics(0)[1], "a sentence", send)
    assert reason not in front.diagnostics(1)[1]


def calibrated_sending(eyes: tuple[Eye, Eye]) -> Callable[[], None]:
    def send() -> None:
        for eye in eyes:
            eye.infos["rgb"].publish(camera_info(48, 64))
            eye.infos["thermal"].publish(camera_info(24, 32))
            eye.send_pair()

    return send


def registered(thermal: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A thermal image as the node lays it onto RGB images of a size, and where it is known."""
    setup = RegistrationSetup(Settings.read(REGISTRATION), {"rgb": "", "thermal": ""})
    setup.take("rgb", camera_info(48, 64))
    setup.take("thermal", camera_info(24, 32))
    assert setup.registration is not None
    return setup.registration(thermal, size)


def test_each_pair_is_answered_under_its_own_name(
    eyes: tuple[Eye, Eye], node: NodeProcess, node_model: Path
) -> None:
    for eye in eyes:
        eye.subscribe("camera_info", CameraInfo, 10)
        eye.subscribe("label_info", LabelInfo, 10)
    masks = [eye.new("mask", calibrated_sending(eyes)) for eye in eyes]
    segmenter = load_segmenter(node_model)
    for eye, mask in zip(eyes, masks, strict=True):
        assert mask.header == header(stamp_of(mask))
        rgb, thermal = eye.sent[stamp_of(mask)]
        laid, valid = registered(thermal, (48, 64))
        # 0.3 m between the cameras at 4 m: a part of the RGB image is outside the thermal one.
        assert 0.5 < valid.mean() < 1.0
        answered = pixels(mask)
        # In a batch of two sums are rounded differently, which can decide between two equally probable classes.
        assert (answered == segmenter(rgb, laid, valid).mask).mean() > 0.999
        assert (answered == segmenter(rgb, thermal).mask).mean() < 0.999
        info = wait_for(lambda eye=eye, mask=mask: eye.last("camera_info", stamp_of(mask)), "camera info")
        assert list(info.k) == list(camera_info(48, 64).k)


def test_pairs_that_wait_together_are_answered_alike_and_none_starves(
    eyes: tuple[Eye, Eye], node: NodeProcess
) -> None:
    send = calibrated_sending(eyes)
    for eye in eyes:
        eye.received["mask"].clear()
    for _ in range(60):
        # Both at once, much faster than they can be answered.
        send()
        eyes[0].send_pair()
    for eye in eyes:
        eye.new("mask", send)
    counts = [len(eye.received["mask"]) for eye in eyes]
    assert min(counts) > 0.3 * max(counts)


def test_jpegs_are_answered_as_they_look(eyes: tuple[Eye, Eye], node: NodeProcess, node_model: Path) -> None:
    front, _ = eyes

    def send() -> None:
        rgb, thermal = front.next_arrays()
        counts = ((thermal - 7000) // 8).astype(np.uint8)
        messages = jpeg(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), "rgb8"), jpeg(counts, "mono8")
        stamp = front.send(*messages)
        front.sent[stamp] = decode_compressed_rgb(messages[0]), decode_compressed_thermal(messages[1])

    mask = front.new("mask", send)
    rgb, thermal = front.sent[stamp_of(mask)]
    laid, valid = registered(thermal, (48, 64))
    assert (pixels(mask) == load_segmenter(node_model)(rgb, laid, valid).mask).mean() > 0.999


def test_a_pair_that_dies_leaves_the_other_one_well(eyes: tuple[Eye, Eye], node: NodeProcess) -> None:
    front, rear = eyes

    def levels() -> list[int]:
        return [front.diagnostics(i)[0] for i in (0, 1)]

    rear.send_until(lambda: levels() == [0, 0], "two healthy pairs", calibrated_sending(eyes))
    rear.send_until(lambda: levels() == [2, 0], "an error of one pair")
    assert "no images on /front/rgb/image" in front.diagnostics(0)[1]
    rear.new_mask()


def test_a_damaged_png_is_counted_and_the_next_good_pair_answered(
    eyes: tuple[Eye, Eye], node: NodeProcess
) -> None:
    front, _ = eyes

    def send() -> None:
        rgb, thermal = (png(array, "") for array in front.next_arrays())
        rgb.data = rgb.data[: len(rgb.data) // 2]
        front.send(rgb, thermal)

    front.send_until(lambda: "undecodable" in front.diagnostics(0)[1], "counting", send)
    assert "is cut short" in node.output
    front.new("mask", calibrated_sending(eyes))
