"""Start rgbt_segmenter; ``ros2 launch rgbt_seg_ros segment.launch.py --show-args`` describes every argument."""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription
from rgbt_seg_ros.dds import fastdds_profile_environment
from rgbt_seg_ros.parameters import Parameter
from rgbt_seg_ros.settings import PARAMETERS

TOPICS = {
    "rgb": ("rgb/image", "Topic of the RGB images (sensor_msgs/Image)."),
    "thermal": ("thermal/image", "Topic of the thermal images (sensor_msgs/Image)."),
}


def generate_launch_description() -> LaunchDescription:
    """Arguments, the Fast DDS profile for large images, and the node."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=topic, description=description)
                for name, (topic, description) in TOPICS.items()
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="Namespace of the node and its relative topics."
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value="",
                description="Parameter file (YAML); its values win over those of the arguments.",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="false",
                description="Take the time from /clock (true or false).",
            ),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="debug, info, warn or error."
            ),
            *(_parameter_argument(parameter) for parameter in PARAMETERS.values()),
            *(SetEnvironmentVariable(*item) for item in fastdds_profile_environment().items()),
            OpaqueFunction(function=_node),
        ]
    )


def _parameter_argument(parameter: Parameter) -> DeclareLaunchArgument:
    default = str(parameter.default)
    return DeclareLaunchArgument(
        parameter.name,
        default_value=default.lower() if isinstance(parameter.default, bool) else default,
        # The choices are shown by launch itself.
        description=parameter.description
        if parameter.choices
        else f"{parameter.description} ({parameter.rule})",
        choices=parameter.choices or None,
    )


def node_parameters(context: LaunchContext) -> list[dict[str, ParameterValue] | str]:
    """What `Node` takes as parameters: the arguments' values, and the file, if one was given, which wins."""
    values = {
        name: ParameterValue(LaunchConfiguration(name), value_type=type(parameter.default))
        for name, parameter in PARAMETERS.items()
    }
    values["use_sim_time"] = ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)
    params_file = LaunchConfiguration("params_file").perform(context)
    return [values, params_file] if params_file else [values]


def _node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    return [
        Node(
            package="rgbt_seg_ros",
            executable="segmenter",
            name="rgbt_segmenter",
            namespace=LaunchConfiguration("namespace"),
            parameters=node_parameters(context),
            remappings=[(topic, LaunchConfiguration(name)) for name, (topic, _) in TOPICS.items()],
            arguments=["--ros-args", "--log-level", ["rgbt_segmenter:=", LaunchConfiguration("log_level")]],
            output="screen",
        )
    ]
