"""Somebody's launch file: four cameras, and in each of two namespaces a node and a recorder."""

import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

ROBOTS = ("front", "rear")
CAMERAS = str(Path(__file__).with_name("four_cameras.py"))


def generate_launch_description() -> LaunchDescription:
    segment = Path(get_package_share_directory("rgbt_seg_ros"), "launch", "segment.launch.py")
    arguments = [DeclareLaunchArgument(name) for name in ("model", "output")]
    cameras = ExecuteProcess(cmd=[sys.executable, CAMERAS, *ROBOTS], output="screen")
    parts = []
    for robot in ROBOTS:
        given = {"namespace": robot, "model": LaunchConfiguration("model"), "device": "cpu"}
        recorder = Node(
            package="rgbt_seg_ros",
            executable="record",
            namespace=robot,
            arguments=["-o", [LaunchConfiguration("output"), f"/{robot}"], "--bag"],
            output="screen",
            # Machines that run tests are busy.
            sigterm_timeout="60",
        )
        include = IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(segment)), launch_arguments=given.items()
        )
        # A group keeps the arguments of one include out of the next.
        parts.append(GroupAction([include, recorder]))
    return LaunchDescription([*arguments, cameras, *parts])
