"""Score rgbt_segmenter on a recording: every pair is answered, numbers, a report and a bag with the outputs come out.

    ros2 launch rgbt_seg_ros evaluate_bag.launch.py bag:=BAG labels:=DIR output:=OUT
    ros2 bag play BAG --clock --delay 3

The second line, in another terminal, is not needed with play:=true. Every argument of segment.launch.py is also one
of this file; mode is lossless. It ends when the recording has been answered.
"""

import json
import subprocess
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetLaunchConfiguration,
)
from launch.conditions import IfCondition
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.launching.argument_names import check_argument_names
from rgbt_seg_ros.launching.ends import TIME_TO_END, EndsAll, when_it_ends

ARGUMENTS = {
    "bag": (None, "The recording: a rosbag2 folder, or an .mcap, .db3 or .bag file."),
    "labels": (
        "",
        "Folder of label PNGs named by RGB stamp in nanoseconds; empty: labels/ in the bag, if there.",
    ),
    "output": ("out/evaluation", "Folder of the results; an earlier run in it is replaced."),
    "play": (
        "false",
        "true plays the recording; false waits for `ros2 bag play BAG --clock --delay 3` of yours.",
    ),
    "rate": ("1.0", "Speed of play:=true: below 1 where the machine cannot keep up."),
    "rgb": ("", "Topic of the RGB images in the recording; empty: the one that looks like it."),
    "thermal": ("", "Topic of the thermal images in the recording; empty: the one that looks like it."),
    "wait": ("300", "Seconds to wait for the first image before it is an error."),
    "use_sim_time": ("true", "Take the time from /clock (true or false)."),
}
"""Default (None: required) and description by name."""


def generate_launch_description() -> LaunchDescription:
    """Arguments, the node in mode lossless, `evaluate_bag`, and the player if asked for.

    The end of `evaluate_bag` or of the node ends all, so does a player that fails.
    """
    segment = PythonLaunchDescriptionSource(str(Path(__file__).with_name("segment.launch.py")))
    own = {name: LaunchConfiguration(name) for name in ("rgb", "thermal", "use_sim_time")}
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=_check_arguments, args=[segment]),
            OpaqueFunction(function=_find_topics),
            IncludeLaunchDescription(
                segment, launch_arguments={**own, "mode": "lossless", "required": "true"}.items()
            ),
            OpaqueFunction(function=_evaluation),
            OpaqueFunction(function=_player, condition=IfCondition(LaunchConfiguration("play"))),
        ]
    )


def _check_arguments(context: LaunchContext, segment: PythonLaunchDescriptionSource) -> None:
    of_the_node = segment.get_launch_description(context).get_launch_arguments()
    check_argument_names(context, __file__, [*ARGUMENTS, *(each.name for each in of_the_node)])


def _find_topics(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Put the recording's topics and reliability where the arguments leave them open, say how images are stored.

    A program of the package reads the recording: the Python of `ros2 launch` has no packages from pip.
    """
    program = Path(get_package_prefix("rgbt_seg_ros"), "lib", "rgbt_seg_ros", "play")
    options = [
        word
        for camera in ("rgb", "thermal")
        if (topic := LaunchConfiguration(camera).perform(context))
        for word in (f"--{camera}-topic", topic)
    ]
    command = [program, LaunchConfiguration("bag").perform(context), "--describe", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(done.stderr.strip().removeprefix("error: "))
    found: dict[str, str] = json.loads(done.stdout)
    if IfCondition(LaunchConfiguration("play")).evaluate(context):
        # What `play` offers, whatever was recorded.
        found["input_reliability"] = "reliable"
    if context.launch_configurations.get("input_reliability", "auto") != "auto":
        del found["input_reliability"]
    return [SetLaunchConfiguration(name, value) for name, value in found.items()]


def _evaluation(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    names = ("bag", "output", "rgb", "thermal", "labels")
    bag, output, rgb, thermal, labels = (LaunchConfiguration(name).perform(context) for name in names)
    options = ["-o", output, "--rgb-topic", rgb, "--thermal-topic", thermal]
    options += [
        "--wait",
        LaunchConfiguration("wait"),
        "--input-reliability",
        LaunchConfiguration("input_reliability"),
    ]
    if labels:
        options += ["--labels", labels]
    evaluation = Node(
        package="rgbt_seg_ros",
        executable="evaluate_bag",
        namespace=LaunchConfiguration("namespace"),
        arguments=[bag, *options],
        remappings=[("rgb/image", rgb), ("thermal/image", thermal)],
        output="screen",
        **TIME_TO_END,
    )
    return [when_it_ends(evaluation, EndsAll.ALWAYS), evaluation]


def _player(_: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Plays when node and `evaluate_bag` subscribe to both cameras, and the node to /clock."""
    options = ["--clock", "--stamps", "auto", "--rate", LaunchConfiguration("rate")]
    subscriptions = ["--subscriptions", "5", "--wait-for-subscribers", LaunchConfiguration("wait")]
    player = Node(
        package="rgbt_seg_ros",
        executable="play",
        arguments=[LaunchConfiguration("bag"), *options, *subscriptions],
        output="screen",
    )
    return [when_it_ends(player, EndsAll.IF_IT_FAILS), player]
