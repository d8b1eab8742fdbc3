"""Registration on a plane whose frame, and the cameras', are known from /tf_static."""

from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from node_bench import Bench, load_segmenter, pixels, stamp_of
from node_process import active_node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from rgbt_seg_ros.pipeline.registration_setup import RegistrationSetup
from rgbt_seg_ros.settings import Settings

tf2_msgs = pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs: run `make setup` again")

PLANE = {"registration.mode": "plane", "registration.plane.frame": "wall"}
TREE = (
    # The wall is 4 m ahead of the cameras, which are 0.3 m apart.
    ("mast", "rgb_optical", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
    ("mast", "thermal_optical", (0.3, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
    ("mast", "wall", (0.0, 0.0, 4.0), (0.0, 0.0, 0.0, 1.0)),
)


def stamped(parent: str, child: str, move: tuple[float, ...], turn: tuple[float, ...]) -> TransformStamped:
    transform = Transform(
        translation=Vector3(**dict(zip("xyz", move, strict=True))),
        rotation=Quaternion(**dict(zip("xyzw", turn, strict=True))),
    )
    return TransformStamped(header=Header(frame_id=parent), child_frame_id=child, transform=transform)


def info(camera: str) -> CameraInfo:
    height, width = (48, 64) if camera == "rgb" else (24, 32)
    k = [0.87 * width, 0.0, (width - 1) / 2, 0.0, 0.87 * width, (height - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(header=Header(frame_id=f"{camera}_optical"), height=height, width=width, k=k)


def test_masks_are_registered_as_the_transforms_say(bench: Bench, node_model: Path, tmp_path: Path) -> None:
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    transforms = bench.node.create_publisher(tf2_msgs.TFMessage, "/tf_static", latched)
    infos = {
        camera: bench.node.create_publisher(CameraInfo, f"/{camera}/camera_info", 10)
        for camera in ("rgb", "thermal")
    }
    # Before the node is there; only a part of it.
    transforms.publish(tf2_msgs.TFMessage(transforms=[stamped(*each) for each in TREE[:2]]))

    def send() -> None:
        for camera, publisher in infos.items():
            publisher.publish(info(camera))
        bench.send_pair()

    with active_node(tmp_path / "log.txt", model=node_model, **PLANE):
        waits = "registration.mode plane: waits for a transform from wall to rgb_optical on /tf_static"
        bench.send_until(
            lambda: bench.last("/diagnostics") and bench.diagnostics()[1] == waits, "waiting", send
        )
        transforms.publish(tf2_msgs.TFMessage(transforms=[stamped(*TREE[2])]))
        mask = bench.new("mask", send)
    setup = RegistrationSetup(Settings.read(PLANE), {"rgb": "", "thermal": ""})
    for each in TREE:
        setup.add_transform(*each)
    for camera in infos:
        setup.take(camera, info(camera))
    assert setup.registration is not None
    rgb, thermal = bench.sent[stamp_of(mask)]
    laid, valid = setup.registration(thermal, (48, 64))
    assert 0.5 < valid.mean() < 1.0
    segmenter = load_segmenter(node_model)
    assert np.array_equal(pixels(mask), segmenter(rgb, laid, valid).mask)
    assert not np.array_equal(pixels(mask), segmenter(rgb, thermal).mask)
