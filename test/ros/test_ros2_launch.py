"""The launch files under the real `ros2 launch`, where that is installed: exit codes, and what the node inherits."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bags import write_bag
from field_bags import BEST_EFFORT, pair_messages, write_rosbag2
from install_space import Launched, make_install_space, require_ros2_launch
from waiting import wait_for

from rgbt_seg_ros.ros.dds import PROFILES_VARIABLE

require_ros2_launch()

FRAMES = 10
PARENT = """
import sys
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import ExecuteProcess, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

SEGMENT = get_package_share_directory("rgbt_seg_ros") + "/launch/segment.launch.py"
SIBLING = '''
import os, pathlib, time
print("sibling has", os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE"), flush=True)
while not pathlib.Path("go").exists():
    time.sleep(0.05)
print("sibling ends by itself", flush=True)
'''


def generate_launch_description():
    arguments = {"namespace": "robot", "model": "/nope.safetensors", "log_level": "debug"}
    segment = IncludeLaunchDescription(AnyLaunchDescriptionSource(SEGMENT), launch_arguments=arguments.items())
    sibling = ExecuteProcess(cmd=[sys.executable, "-c", SIBLING], output="screen")
    return LaunchDescription([GroupAction([segment]), sibling])
"""

LISTENER = """
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, LogInfo, RegisterEventHandler
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch_ros.event_handlers import OnStateTransition

SEGMENT = get_package_share_directory("rgbt_seg_ros") + "/launch/segment.launch.py"


def generate_launch_description():
    arguments = {"device": "cpu", "required": "true"}
    heard = OnStateTransition(goal_state="inactive", entities=[LogInfo(msg="the node is inactive")])
    segment = IncludeLaunchDescription(AnyLaunchDescriptionSource(SEGMENT), launch_arguments=arguments.items())
    return LaunchDescription([RegisterEventHandler(heard), segment])
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With the package, and without the Fast DDS profile that tests have."""
    found = make_install_space(tmp_path_factory.mktemp("install") / "prefix")
    del found[PROFILES_VARIABLE]
    return found


def pid_of_node(launched: Launched) -> int:
    """Of a launch with one node and nothing else."""
    return int(re.findall(r"process started with pid \[(\d+)\]", launched.output)[-1])


def test_a_node_that_fails_is_a_launch_that_fails_and_harms_no_sibling(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "parent.launch.py").write_text(PARENT)
    with Launched(tmp_path / "log.txt", environment, str(tmp_path / "parent.launch.py")) as launched:
        launched.wait_for_output("the launch will end with 1")
        assert launched.process.poll() is None, "the sibling goes on"
        (tmp_path / "go").touch()
        assert launched.wait() == 1, launched.output
    output = launched.output
    assert "parameter model: there is no model file /nope.safetensors" in output
    assert "sibling has None" in output
    assert "sibling ends by itself" in output
    assert "Traceback" in output, "log_level:=debug shows where an error comes from"


def test_a_node_that_dies_is_started_again_and_the_launch_ends_well(
    environment: dict[str, str], tmp_path: Path, node_model: Path
) -> None:
    arguments = [f"model:={node_model}", "device:=cpu", "respawn:=true", "respawn_delay:=0.1"]
    with Launched(
        tmp_path / "log.txt", environment, "rgbt_seg_ros", "segment.launch.py", *arguments
    ) as launched:
        launched.wait_for_output("active:")
        os.kill(pid_of_node(launched), signal.SIGKILL)
        wait_for(lambda: launched.output.count("active:") == 2, "the second start")
        assert launched.interrupt() == 0, launched.output
    assert launched.output.count("process started with pid") == 2


def test_a_launch_file_that_includes_ours_hears_of_the_nodes_states(
    environment: dict[str, str], tmp_path: Path, node_model: Path
) -> None:
    """And `required` ends all with the node, cleanly if it ended so."""
    (tmp_path / "parent.launch.py").write_text(LISTENER)
    arguments = [str(tmp_path / "parent.launch.py"), f"model:={node_model}"]
    with Launched(tmp_path / "log.txt", environment, *arguments) as launched:
        launched.wait_for_output("active:")
        # The transition before may have come before launch was found.
        set_state = ["ros2", "lifecycle", "set", "--no-daemon", "/rgbt_segmenter", "deactivate"]
        wait_for(lambda: subprocess.run(set_state, env=environment).returncode == 0, "deactivation")
        launched.wait_for_output("the node is inactive")
        os.kill(pid_of_node(launched), signal.SIGTERM)
        assert launched.wait() == 0, launched.output
    assert "process[segmenter-1] was required: shutting down" in launched.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["params_file:=/nope.yaml"], "params_file: there is no file /nope.yaml"),
        (["modle:=x"], "there is no argument modle: the nearest is mode"),
        (["remappings:=front/rgb/image=/a"], "is not of the form from:=to"),
    ],
)
def test_typing_errors_start_nothing(
    environment: dict[str, str], tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    with Launched(
        tmp_path / "log.txt", environment, "rgbt_seg_ros", "segment.launch.py", *arguments
    ) as launched:
        assert launched.wait() == 1
    assert sentence in launched.output
    assert "process started" not in launched.output


def test_a_best_effort_recording_is_evaluated_with_the_player_of_others(
    environment: dict[str, str], tmp_path: Path, node_model: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(FRAMES)), qos=(BEST_EFFORT,))
    arguments = [f"bag:={bag}", f"model:={node_model}", "device:=cpu", f"output:={tmp_path / 'out'}"]
    with Launched(
        tmp_path / "log.txt", environment, "rgbt_seg_ros", "evaluate_bag.launch.py", *arguments
    ) as launched:
        launched.wait_for_output("active:")
        player = start(
            *("-m", "rgbt_seg_ros.play", str(bag), "--best-effort", "--clock", "--rate", "0.5"),
            *("--subscriptions", "5"),
        )
        assert player.wait(120) == 0, player.communicate()
        code = launched.wait()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["masks"] == metrics["pairs"] >= FRAMES - 3
    # Best effort: on a busy machine the first images may come before the player has been found, which is an error.
    assert code == (1 if metrics["missing"] else 0), launched.output


@pytest.mark.parametrize("fault", ["the node fails", "the evaluation fails"])
def test_an_evaluation_that_fails_is_a_launch_that_fails(
    environment: dict[str, str], tmp_path: Path, node_model: Path, fault: str
) -> None:
    bag = write_bag(tmp_path / "bag")
    model = "/nope.safetensors" if fault == "the node fails" else node_model
    labels = tmp_path / "labels"
    arguments = [f"bag:={bag}", f"model:={model}", "device:=cpu", "play:=true", f"labels:={labels}"]
    with Launched(
        tmp_path / "log.txt", environment, "rgbt_seg_ros", "evaluate_bag.launch.py", *arguments
    ) as launched:
        assert launched.wait() == 1, launched.output
    program = "segmenter-1" if fault == "the node fails" else "evaluate_bag-2"
    assert f"{program} has failed with exit code 1: the launch will end with 1" in launched.output
