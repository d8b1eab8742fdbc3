"""Identities of a running node's detections, and the picture of its objects.

The tests of this file share one node and run in order.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from node_bench import Bench, stamp_of
from node_process import NodeProcess, active_node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray
from waiting import wait_for

from rgbt_seg_ros.ros.messages import ROS_MESSAGES

PARAMETERS = {
    "detections__min_area": 1,
    "detections__score_threshold": 0.0,
    "tracking__enabled": True,
    # The same image again and again.
    "rgb__stale_after": 0.0,
    "thermal__stale_after": 0.0,
}


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    bench.subscribe("instances", Image, 100)
    log = tmp_path_factory.mktemp("node") / "log.txt"
    with active_node(log, model=node_model, **PARAMETERS) as node:
        yield node


@pytest.fixture(scope="module")
def still(bench: Bench) -> tuple[np.ndarray, np.ndarray]:
    return bench.next_arrays()


def seen(bench: Bench, still: tuple[np.ndarray, np.ndarray]) -> Detection2DArray:
    rgb, thermal = still
    return bench.new(
        "detections",
        lambda: bench.send(ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal)),
    )


def ids(detections: Detection2DArray) -> list[int]:
    return [int(each.id) for each in detections.detections]


def test_a_still_scene_keeps_its_identities_and_the_picture_shows_them(
    bench: Bench, node: NodeProcess, still: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = seen(bench, still), seen(bench, still)
    assert len(ids(first)) > 1
    assert ids(first) == ids(second)
    assert stamp_of(first) != stamp_of(second)
    image = wait_for(lambda: bench.last("instances", stamp_of(second)), "the picture of the objects")
    assert image.header == second.header
    assert (image.encoding, image.step) == ("mono16", 2 * image.width)
    numbers = np.frombuffer(image.data, "<u2").reshape(image.height, image.width)
    assert set(np.unique(numbers)) - {0} == set(ids(second))
    mask = np.frombuffer(bench.last("mask", stamp_of(second)).data, np.uint8).reshape(numbers.shape)
    for each in second.detections:
        rows, columns = np.nonzero(numbers == int(each.id))
        assert np.ptp(columns) + 1 == each.bbox.size_x
        assert np.ptp(rows) + 1 == each.bbox.size_y
        assert (columns.min() + columns.max()) / 2 == each.bbox.center.position.x
        assert len(set(mask[rows, columns])) == 1


def test_after_a_deactivation_all_are_new(
    bench: Bench, node: NodeProcess, still: tuple[np.ndarray, np.ndarray]
) -> None:
    def is_numbered_on() -> bool:
        # Numbers begin anew where the machine was so slow that images came seconds apart.
        bench.new("detections")
        before = ids(seen(bench, still))
        return before != list(range(1, len(before) + 1))

    wait_for(is_numbered_on, "numbers that are not the first")
    assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
    assert bench.change_state(Transition.TRANSITION_ACTIVATE)
    after = ids(seen(bench, still))
    assert sorted(after)[0] == 1
