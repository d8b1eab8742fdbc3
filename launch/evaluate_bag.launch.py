"""Score rgbt_segmenter on a recording: every pair is answered, numbers, a report and a bag with the outputs come out.

    ros2 launch rgbt_seg_ros evaluate_bag.launch.py bag:=BAG labels:=DIR output:=OUT
    ros2 bag play BAG --clock --delay 3

The second line, in another terminal, is not needed with play:=true. Every argument of segment.launch.py is also one
of this file; mode is lossless. It ends when the recording has been answered.
"""

from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from rgbt_seg_ros.bags.image_topics import find_image_topics, image_transports
from rgbt_seg_ros.bags.recording import Recording

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
    "use_sim_time": ("true", "Take the time from /clock (true or false)."),
}
"""Default (None: required) and description by name."""


def generate_launch_description() -> LaunchDescription:
    """Arguments, the node in mode lossless, `evaluate_bag`, whose end ends all, and the player if asked for."""
    segment = str(Path(__file__).with_name("segment.launch.py"))
    own = {name: LaunchConfiguration(name) for name in ("rgb", "thermal", "use_sim_time")}
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=_find_topics),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(segment),
                launch_arguments={**own, "mode": "lossless"}.items(),
            ),
            OpaqueFunction(function=_evaluation),
            *_player(IfCondition(LaunchConfiguration("play"))),
        ]
    )


def _find_topics(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Put the recording's topics where the arguments leave them open, and say how their images are stored."""
    bag, rgb, thermal = (LaunchConfiguration(name).perform(context) for name in ("bag", "rgb", "thermal"))
    recording = Recording(bag)
    topics = find_image_topics(recording, rgb or None, thermal or None)
    found = {str(camera): topic for camera, topic in topics.items()}
    for camera, transport in image_transports(recording, topics).items():
        found[f"{camera}_transport"] = transport
    return [SetLaunchConfiguration(name, value) for name, value in found.items()]


def _evaluation(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    bag, output, rgb, thermal, labels = (
        LaunchConfiguration(name).perform(context) for name in ("bag", "output", "rgb", "thermal", "labels")
    )
    options = ["-o", output, "--rgb-topic", rgb, "--thermal-topic", thermal]
    if labels:
        options += ["--labels", labels]
    return [
        Node(
            package="rgbt_seg_ros",
            executable="evaluate_bag",
            namespace=LaunchConfiguration("namespace"),
            arguments=[bag, *options],
            remappings=[("rgb/image", rgb), ("thermal/image", thermal)],
            output="screen",
            on_exit=Shutdown(reason="the evaluation has ended"),
        )
    ]


def _player(condition: IfCondition) -> list[LaunchDescriptionEntity]:
    """Plays when node and `evaluate_bag` subscribe to both cameras, and the node to /clock."""
    options = ["--clock", "--stamps", "auto", "--rate", LaunchConfiguration("rate")]
    subscriptions = ["--subscriptions", "5", "--wait-for-subscribers", "300"]
    player = Node(
        package="rgbt_seg_ros",
        executable="play",
        arguments=[LaunchConfiguration("bag"), *options, *subscriptions],
        condition=condition,
        output="screen",
    )

    def end_if_failed(event: ProcessExited, _: LaunchContext) -> list[LaunchDescriptionEntity]:
        return [Shutdown(reason="the player failed")] if event.returncode else []

    failure = OnProcessExit(target_action=player, on_exit=end_if_failed)
    return [player, RegisterEventHandler(failure, condition=condition)]
