"""The node with a file of config/cameras on its command line, and 20 s of what that camera sends."""

import os
import time
from pathlib import Path

import pytest
from camera_files import FOLDER, masks_of, person_iou
from camera_streams import CAMERAS, camera_stream, clean_stream
from node_bench import (
    LATE_NS,
    OLD_STAMP_NS,
    Bench,
    header,
    load_segmenter,
    pixels,
    stamp_of,
)
from node_process import NodeProcess
from waiting import wait_for

from rgbt_seg_ros.base.diagnostics import ERROR
from rgbt_seg_ros.ros.messages import ROS_MESSAGES
from rgbt_seg_ros.settings import Settings

DURATION_S, RATE = 20.0, 2.5
NAMES = sorted(CAMERAS) if os.environ.get("ALL_CAMERAS") else ["boson_raw16"]
"""One file as a rule: with ALL_CAMERAS=1 all of them, half a minute each."""


@pytest.mark.parametrize("camera", NAMES)
def test_people_are_found_in_what_the_camera_sends(bench: Bench, tmp_path: Path, camera: str) -> None:
    for messages in bench.received.values():
        messages.clear()
    stream = list(camera_stream(camera, DURATION_S, RATE))
    program = ("-m", "rgbt_seg_ros.node", "--ros-args", "--params-file", str(FOLDER / f"{camera}.yaml"))
    parameters = {
        "device": "cpu",
        "thermal__time_constant": 1.0,
        "qos_overrides./cam.subscription.reliability": "reliable",
        "qos_overrides./boson.subscription.reliability": "reliable",
    }
    with NodeProcess(tmp_path / "log.txt", *program, **parameters) as node:
        node.wait_for_output("active: /cam and /boson to /rgbt_segmenter/mask")
        wait_for(
            lambda: bench.rgb.get_subscription_count() and bench.thermal.get_subscription_count(), "cameras"
        )
        started = time.monotonic()
        for moment in stream:
            time.sleep(max(0.0, started + moment.stamp_ns / 1e9 - time.monotonic()))
            for publisher, image, late_ns in (
                (bench.rgb, moment.rgb, 0),
                (bench.thermal, moment.thermal, LATE_NS),
            ):
                publisher.publish(ROS_MESSAGES.image(header(OLD_STAMP_NS + moment.stamp_ns + late_ns), image))
        levels = [status.level[0] for report in bench.received["/diagnostics"] for status in report.status]
        values = bench.next_diagnostics()[2]
    masks = {stamp_of(message) - OLD_STAMP_NS: pixels(message) for message in bench.received["mask"]}
    seen = [moment for moment in stream if moment.stamp_ns in masks and not moment.shutter]
    flat = {moment.stamp_ns for moment in stream if moment.shutter == "flat"}
    open_ = [moment for moment in stream if not moment.shutter]

    # A busy machine may pass over some.
    assert len(seen) > 0.5 * len(open_)
    assert not flat & set(masks)
    assert (0 < int(values.get("shutter", 0)) <= len(flat)) == bool(flat)
    assert values.get("shutter") == values.get("dropped.shutter")
    assert int(values["invalid_pixels"]) >= 0.9 * CAMERAS[camera].invalid
    assert ("are no temperatures" in node.output) == (CAMERAS[camera].invalid > 0)
    assert len(levels) > 10
    assert ERROR not in levels

    clean = masks_of(
        load_segmenter(Path("default")), Settings(), clean_stream(CAMERAS[camera].size, DURATION_S, RATE)
    )
    assert person_iou(seen, masks) >= person_iou(seen, clean) - 0.02
