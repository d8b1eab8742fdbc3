"""Two nodes in two namespaces of one launch file, under the real `ros2 launch`, where that is installed.

``LAUNCH_TEST_S=60`` has each run last a minute; it is short otherwise.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from install_space import Launched, make_install_space, require_ros2_launch
from places import REPOSITORY
from rclpy.node import Node
from sensor_msgs.msg import Image
from waiting import wait_for

from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.runs.folder import read_run

require_ros2_launch()

DURATION_S = float(os.environ.get("LAUNCH_TEST_S", "8"))
ROBOTS = ("front", "rear")


class Observer:
    """Counts what both nodes publish: masks by namespace, and statuses by hardware id."""

    def __init__(self) -> None:
        rclpy.init()
        self._node = Node("observer")
        self.masks: Counter[str] = Counter()
        self.statuses: Counter[tuple[str, str]] = Counter()
        for robot in ROBOTS:
            self._node.create_subscription(
                Image, f"/{robot}/rgbt_segmenter/mask", lambda _, robot=robot: self.masks.update([robot]), 10
            )
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.statuses.update((status.hardware_id, status.name) for status in message.status)

    def watch(self, duration_s: float) -> Counter[str]:
        """The masks of this time."""
        before = self.masks.copy()
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            rclpy.spin_once(self._node, timeout_sec=0.05)
        return self.masks - before

    def wait_for_masks(self) -> None:
        def both() -> bool:
            rclpy.spin_once(self._node, timeout_sec=0.05)
            return set(self.masks) == set(ROBOTS)

        wait_for(both, "masks of both nodes")

    def close(self) -> None:
        self._node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def observer() -> Iterator[Observer]:
    found = Observer()
    yield found
    found.close()


def pid_of(launched: Launched, namespace: str) -> int:
    """The process of a namespace's node: launch numbers its processes in the order of the file."""
    place = 2 if namespace == ROBOTS[0] else 4
    match = re.search(rf"\[segmenter-{place}\]: process started with pid \[(\d+)\]", launched.output)
    assert match is not None, launched.output
    return int(match[1])


@pytest.mark.parametrize("killed", [False, True], ids=["all go on", "one is killed"])
def test_each_of_two_nodes_has_its_own_masks_diagnostics_recordings_and_end(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    node_model: Path,
    observer: Observer,
    killed: bool,
) -> None:
    environment = make_install_space(tmp_path_factory.mktemp("install") / "prefix")
    parent = REPOSITORY / "test" / "support" / "two_nodes.launch.py"
    arguments = [str(parent), f"model:={node_model}", f"output:={tmp_path / 'out'}"]
    with Launched(tmp_path / "log.txt", environment, *arguments) as launched:
        for robot in ROBOTS:
            launched.wait_for_output(f"[{robot}.rgbt_segmenter]: active:")
        observer.wait_for_masks()
        together = observer.watch(DURATION_S / 2)
        if killed:
            os.kill(pid_of(launched, "front"), signal.SIGKILL)
            launched.wait_for_output("segmenter-2 has failed with exit code -9: the launch will end with 1")
            # What was on its way.
            observer.watch(0.5)
        after = observer.watch(DURATION_S / 2)
        assert launched.process.poll() is None, "the others go on"
        assert launched.interrupt() == (1 if killed else 0), launched.output
    print(f"masks: {dict(together)}, then {dict(after)} in {DURATION_S / 2:g} s each")
    output = launched.output
    assert set(together) == set(ROBOTS)
    assert after["rear"] >= together["rear"] / 2, "it goes on as before"
    assert (after["front"] > 0) is not killed

    statuses = {(hardware, name) for hardware, name in observer.statuses if "rgbt_segmenter" in hardware}
    assert {hardware for hardware, _ in statuses} == {f"/{robot}/rgbt_segmenter" for robot in ROBOTS}
    assert len(statuses) == 2, "their statuses have names of their own"

    clean = set(re.findall(r"\[([\w-]+)\]: process has finished cleanly", output))
    assert clean >= {"record-3", "segmenter-4", "record-5"}
    assert ("segmenter-2" in clean) is not killed
    runs = {robot: read_run(tmp_path / "out" / robot) for robot in ROBOTS}
    for robot, run in runs.items():
        assert len(run.masks) >= 0.8 * together[robot]
        assert {each.level for each in run.diagnostics} <= {"ok", "warn", "error"}
        bag = Recording(tmp_path / "out" / robot / "segmentation")
        assert bag.topics[f"/{robot}/rgbt_segmenter/mask"].count == len(run.masks)
        other = next(name for name in ROBOTS if name != robot)
        assert not any(topic.startswith(f"/{other}/") for topic in bag.topics)
    assert (len(runs["rear"].masks) > len(runs["front"].masks)) or not killed
