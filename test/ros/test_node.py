"""What an active node publishes, as a process of its own over real DDS; this process is the cameras and the subscriber.

The tests of this file share one node and run in order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from lifecycle_msgs.msg import State, Transition
from node_bench import Bench, header, load_segmenter, stamp_of
from node_process import NodeProcess, active_node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo
from waiting import wait_for

from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.models.model_file import read_card
from rgbt_seg_ros.ros.messages import ROS_MESSAGES
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.segmenter.class_embeddings import (
    ClassEmbeddings,
    load_class_embeddings,
    save_class_embeddings,
)

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope="module")
def embeddings(node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text vectors of names that the model was not trained on."""
    torch.manual_seed(1)
    names = ("dog", "tent")
    path = tmp_path_factory.mktemp("embeddings") / "more.safetensors"
    encoder_hash = read_card(node_model).embeddings["encoder_hash"]
    vectors = torch.nn.functional.normalize(torch.randn(len(names), 384), dim=1)
    save_class_embeddings(path, ClassEmbeddings(vectors, names, ("a {}",), "minilm", encoder_hash))
    return path


@pytest.fixture(scope="module")
def node(
    bench: Bench, node_model: Path, embeddings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcess]:
    """An active node that answers."""
    parameters = {
        "model": node_model,
        "class_embeddings": embeddings,
        "detections__min_area": 1,
        "detections__score_threshold": 0.0,
        "qos_overrides./cam.subscription.reliability": "reliable",
    }
    with active_node(tmp_path_factory.mktemp("node") / "log.txt", **parameters) as node:
        assert "active: /cam and /boson to /rgbt_segmenter/mask" in node.output
        bench.new_mask()
        yield node


def expected(bench: Bench, model: Path, mask: Image) -> Segmentation:
    """What the segmenter says of the pair that a mask answers."""
    return load_segmenter(model)(*bench.sent[stamp_of(mask)])


def array(image: Image) -> np.ndarray:
    """A mono8 image without padding."""
    assert (image.encoding, image.step) == ("mono8", image.width)
    return np.frombuffer(image.data, np.uint8).reshape(image.height, image.width)


def names_of(label_info: LabelInfo) -> list[str]:
    assert [entry.class_id for entry in label_info.class_map] == list(range(len(label_info.class_map)))
    return [entry.class_name for entry in label_info.class_map]


def test_every_output_carries_the_rgb_header(bench: Bench, node: NodeProcess) -> None:
    topics: dict[str, Any] = {"overlay": Image, "confidence": Image, "mask/compressed": CompressedImage}
    for topic, kind in {**topics, "camera_info": CameraInfo}.items():
        bench.subscribe(topic, kind, 100)
    infos = bench.node.create_publisher(CameraInfo, "/rgb/camera_info", 10)
    info = CameraInfo(height=96, width=128, header=header(5, "cam_optical"), distortion_model="plumb_bob")
    info.k = [100.0, 0.0, 63.5, 0.0, 110.0, 47.5, 0.0, 0.0, 1.0]
    info.p = [100.0, 0.0, 63.5, 0.0, 0.0, 110.0, 47.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.d = [0.1, 0.0, 0.0, 0.0, 0.0]

    def send() -> None:
        infos.publish(info)
        bench.send_pair()

    camera_info = bench.new("camera_info", send)
    stamp = stamp_of(camera_info)
    outputs = [camera_info]
    for topic in ("mask", "detections", *topics):
        outputs.append(wait_for(lambda topic=topic: bench.last(topic, stamp), topic))
    detections = outputs[2].detections
    assert len(detections) > 0
    for message in (*outputs, *detections):
        assert message.header == header(stamp, "cam_optical")

    overlay = bench.last("overlay", stamp)
    assert (overlay.encoding, overlay.height, overlay.width) == ("rgb8", 48, 64)
    # The calibration was for twice the size; pixel centres are at integers.
    assert (camera_info.height, camera_info.width) == (48, 64)
    np.testing.assert_allclose(camera_info.k, [50.0, 0.0, 31.5, 0.0, 55.0, 23.5, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(camera_info.p[:7], [50.0, 0.0, 31.5, 0.0, 0.0, 55.0, 23.5])
    assert list(camera_info.d) == list(info.d)
    bench.node.destroy_publisher(infos)


def test_masks_of_all_kinds_are_the_segmenters_to_the_bit(
    bench: Bench, node: NodeProcess, node_model: Path
) -> None:
    stamp = stamp_of(bench.new("mask/compressed"))
    mask = wait_for(lambda: bench.last("mask", stamp), "the mask")
    compressed, confidence = bench.last("mask/compressed", stamp), bench.last("confidence", stamp)
    segmentation = expected(bench, node_model, mask)
    assert len(np.unique(segmentation.mask)) > 1
    np.testing.assert_array_equal(array(mask), segmentation.mask)
    assert compressed.format == "mono8; png compressed "
    decoded = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, segmentation.mask)
    np.testing.assert_array_equal(array(confidence), np.round(segmentation.confidence * 255))


def test_a_720p_mask_arrives_to_the_bit(bench: Bench, node: NodeProcess, node_model: Path) -> None:
    mask = bench.new("mask", lambda: bench.send_pair(720, 1280))
    assert (mask.height, mask.width) == (720, 1280)
    assert len(np.unique(array(mask))) > 1
    np.testing.assert_array_equal(array(mask), expected(bench, node_model, mask).mask)


def test_false_colours_are_undone_and_said_once(bench: Bench, node: NodeProcess, node_model: Path) -> None:
    def send() -> int:
        rgb, counts = bench.next_arrays()
        values = cv2.GaussianBlur((counts >> 5).astype(np.uint8), (0, 0), 3)
        values = cv2.normalize(values, None, 0, 255, cv2.NORM_MINMAX)
        painted = cv2.applyColorMap(values, cv2.COLORMAP_JET)[..., ::-1]
        stamp = bench.send(*(ROS_MESSAGES.image(Header(), image) for image in (rgb, painted)))
        bench.sent[stamp] = rgb, values
        return stamp

    for _ in range(2):
        mask = bench.new("mask", send)
        np.testing.assert_array_equal(array(mask), expected(bench, node_model, mask).mask)
    assert node.output.count("thermal is in the false colours of jet, which are undone") == 1


def test_detections_name_classes_of_the_mask(bench: Bench, node: NodeProcess) -> None:
    mask = bench.new_mask()
    detections = wait_for(lambda: bench.last("detections", stamp_of(mask)), "detections")
    named = {detection.results[0].hypothesis.class_id for detection in detections.detections}
    assert named == {MFNET.names[i] for i in np.unique(array(mask))}
    for detection in detections.detections:
        assert 0.0 < detection.results[0].hypothesis.score <= 1.0
        assert 1.0 <= detection.bbox.size_x <= 64.0
        assert 0.0 <= detection.bbox.center.position.y <= 47.0


def test_a_late_subscriber_gets_the_label_info(bench: Bench, node: NodeProcess) -> None:
    bench.subscribe("label_info", LabelInfo, LATCHED)
    label_info = wait_for(lambda: bench.last("label_info"), "label info")
    assert names_of(label_info) == list(MFNET.names)
    assert label_info.header.frame_id == "cam_optical"


def test_inputs_are_best_effort_unless_overridden(bench: Bench, node: NodeProcess) -> None:
    def reliability(topic: str) -> list[ReliabilityPolicy]:
        endpoints = bench.node.get_subscriptions_info_by_topic(topic)
        return [endpoint.qos_profile.reliability for endpoint in endpoints]

    assert reliability("/cam") == [ReliabilityPolicy.RELIABLE]
    assert reliability("/boson") == [ReliabilityPolicy.BEST_EFFORT]


def test_diagnostics_have_the_documented_keys(bench: Bench, node: NodeProcess) -> None:
    bench.received["/diagnostics"].clear()
    # Not at once: the images have just changed their size.
    bench.send_until(lambda: bench.last("/diagnostics") and bench.diagnostics()[0] == 0, "a healthy node")
    _, sentence, values = bench.diagnostics()
    assert "masks/s, latency p95" in sentence
    words = {"model", "model_hash", "device", "runtime", "rgb_camera", "thermal_camera"}
    numbers = {key: float(value) for key, value in values.items() if key not in words}
    keys = {"rgb_in", "thermal_in", "pairs", "alone", "reused", "masks", "detections", "waiting", "unpaired"}
    keys |= {"rgb_hz", "thermal_hz", "pair_hz", "mask_hz", "device_memory_mb"}
    keys |= {"dropped.no_partner", "dropped.over_max_dt", "skew_ms.p50", "skew_ms.max"}
    stages = ("decode", "preprocess", "inference", "postprocess", "detections", "publish")
    names = ("latency_ms", *(f"stage_ms.{stage}" for stage in stages))
    keys |= {f"{name}.p{q}" for name in names for q in (50, 95, 99)}
    assert keys <= set(numbers)
    assert words <= set(values)
    assert numbers["pairs"] >= numbers["masks"] > 0
    assert numbers["skew_ms.max"] == pytest.approx(3.0)
    causes = ("superseded", "stale", "undecodable", "failed")
    lost = sum(numbers.get(f"dropped.{cause}", 0) for cause in causes)
    # A pair may be answered while the numbers are read.
    assert numbers["masks"] + numbers["waiting"] + lost - numbers["pairs"] in (0, 1)


def test_live_parameters_act_at_once_and_others_are_refused(bench: Bench, node: NodeProcess) -> None:
    refused = bench.set_parameter("sync.max_dt", 0.2)
    assert not refused.successful
    assert "sync.max_dt takes effect at configure" in refused.reason
    assert not bench.set_parameter("detections.score_threshold", 2.0).successful
    assert bench.set_parameter("detections.score_threshold", 1.0).successful
    mask = bench.new_mask()
    detections = wait_for(lambda: bench.last("detections", stamp_of(mask)), "detections")
    assert len(detections.detections) == 0
    assert bench.set_parameter("detections.score_threshold", 0.0).successful


def test_a_wrong_class_name_is_refused_and_the_old_list_kept(bench: Bench, node: NodeProcess) -> None:
    result = bench.set_parameter("classes", "person,cat")
    assert not result.successful
    assert "there is no class 'cat'" in result.reason
    label_infos = len(bench.received["label_info"])
    mask = bench.new_mask()
    assert set(np.unique(array(mask))) <= set(range(9))
    assert len(bench.received["label_info"]) == label_infos


@pytest.mark.parametrize("classes", ["bike,person", "dog,person,tent", ""], ids=["own", "other", "all"])
def test_classes_change_between_two_frames(
    bench: Bench, node: NodeProcess, node_model: Path, embeddings: Path, classes: str
) -> None:
    assert bench.set_parameter("classes", classes).successful
    names = classes.split(",") if classes else list(MFNET.names)
    label_info = wait_for(
        lambda: names_of(bench.last("label_info")) == names and bench.last("label_info"), "names"
    )
    assert label_info.header.frame_id == "cam_optical"
    mask = bench.new_mask()
    segmenter = load_segmenter(node_model)
    more = load_class_embeddings(embeddings)
    segmenter.use(segmenter.select_classes(classes.split(",") if classes else (), more))
    np.testing.assert_array_equal(array(mask), segmenter(*bench.sent[stamp_of(mask)]).mask)
    detections = wait_for(lambda: bench.last("detections", stamp_of(mask)), "detections")
    assert {found.results[0].hypothesis.class_id for found in detections.detections} <= set(names)


def test_activation_does_not_load_the_weights_again(bench: Bench, node: NodeProcess) -> None:
    loads = node.output.count("loading model")
    for _ in range(3):
        assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
        assert bench.state() == State.PRIMARY_STATE_INACTIVE
        wait_for(lambda: bench.rgb.get_subscription_count() == 0, "unsubscribing")
        assert bench.change_state(Transition.TRANSITION_ACTIVATE)
        bench.new_mask()
    assert node.output.count("loading model") == loads
