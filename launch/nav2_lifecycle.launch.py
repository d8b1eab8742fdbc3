"""Have nav2's lifecycle manager configure and activate rgbt_segmenter: an example, and to be used as it is.

    ros2 launch rgbt_seg_ros nav2_lifecycle.launch.py rgb:=/cam/image_raw thermal:=/boson/image_raw

It takes the arguments of segment.launch.py. In a launch file with a manager of yours, give segment.launch.py
`autostart:=false`, and that manager the node's name and `bond_timeout: 0.0`, or one for it alone as here.
"""

from pathlib import Path

from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

MANAGER = {
    "node_names": ["rgbt_segmenter"],
    "autostart": True,
    # The node keeps no bond, as no node in Python does: without this the manager takes it down again after 4 s.
    "bond_timeout": 0.0,
}
"""Parameters of the lifecycle manager."""


def generate_launch_description() -> LaunchDescription:
    """The node, which waits, and the manager in its namespace."""
    segment = PythonLaunchDescriptionSource(str(Path(__file__).with_name("segment.launch.py")))
    manager = Node(
        package="nav2_lifecycle_manager",
        executable="lifecycle_manager",
        name="lifecycle_manager_segmentation",
        namespace=LaunchConfiguration("namespace"),
        parameters=[MANAGER],
        output="screen",
        # It gives up where the node's services take more than 10 s to come, as with a cold disk.
        respawn=True,
        respawn_delay=2.0,
    )
    include = IncludeLaunchDescription(segment, launch_arguments={"autostart": "false"}.items())
    return LaunchDescription([include, manager])
