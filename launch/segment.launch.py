"""Start rgbt_segmenter; ``ros2 launch rgbt_seg_ros segment.launch.py --show-args`` describes every argument."""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.utilities import prefix_namespace

from launch import LaunchContext, LaunchDescription
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.launching.argument_names import check_argument_names
from rgbt_seg_ros.launching.ends import TIME_TO_END, EndsAll, when_it_ends
from rgbt_seg_ros.settings import PARAMETERS
from rgbt_seg_ros.settings.parameter import Parameter

TOPICS = {
    "rgb": ("rgb/image", "RGB images; the type is that of rgb_transport."),
    "thermal": ("thermal/image", "Thermal images; the type is that of thermal_transport."),
    "rgb_info": (
        "rgb/camera_info",
        "Calibration of the RGB camera (sensor_msgs/CameraInfo); left as it is: beside its images.",
    ),
    "thermal_info": (
        "thermal/camera_info",
        "Calibration of the thermal camera (sensor_msgs/CameraInfo); left as it is: beside its images.",
    ),
    "mask": ("~/mask", "Class ids, 255 = unlabeled (sensor_msgs/Image)."),
    "mask_compressed": ("~/mask/compressed", "The mask as PNG (sensor_msgs/CompressedImage)."),
    "label_info": ("~/label_info", "Names of the class ids (vision_msgs/LabelInfo, latched)."),
    "detections": ("~/detections", "Objects of countable classes (vision_msgs/Detection2DArray)."),
    "confidence": ("~/confidence", "Probability of each pixel's class, 255 = 1 (sensor_msgs/Image)."),
    "instances": ("~/instances", "Id of the detection that each pixel belongs to (sensor_msgs/Image)."),
    "overlay": ("~/overlay", "The classes' colours on the RGB image (sensor_msgs/Image)."),
    "camera_info": ("~/camera_info", "Calibration that belongs to the mask (sensor_msgs/CameraInfo)."),
    "diagnostics": ("/diagnostics", "The node's state (diagnostic_msgs/DiagnosticArray)."),
}
"""Name in the node, and description, by argument."""

OTHERS = {
    "remappings": (
        "",
        "Further remappings, separated by commas, as for the topics of camera_pairs: "
        "front/rgb/image:=/front_camera/image_raw,front/thermal/image:=/front_boson/image_raw",
    ),
    "namespace": ("", "Namespace of the node and its relative topics."),
    "params_file": ("", "Parameter file (YAML); its values win over those of the arguments."),
    "use_sim_time": ("false", "Take the time from /clock (true or false)."),
    "log_level": ("info", "debug, info, warn or error."),
    "required": ("false", "true ends everything that was launched when the node ends."),
    "respawn": ("false", "true starts the node again when it has ended, however it did."),
    "respawn_delay": ("2.0", "Seconds from the end of the node to its next start."),
    "rviz": ("false", "true shows cameras, mask and overlay in RViz (package rviz2)."),
}
"""Default and description, by argument."""


def generate_launch_description() -> LaunchDescription:
    """The arguments and the node."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=topic, description=f"Topic: {description}")
                for name, (topic, description) in TOPICS.items()
            ),
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in OTHERS.items()
            ),
            *(_parameter_argument(parameter) for parameter in PARAMETERS.values()),
            OpaqueFunction(function=_check_arguments),
            OpaqueFunction(function=_node),
            OpaqueFunction(function=_rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )


def _parameter_argument(parameter: Parameter) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(
        parameter.name,
        default_value=parameter.default if isinstance(parameter.default, str) else parameter.yaml_default,
        # The choices are shown by launch itself.
        description=parameter.description
        if parameter.choices
        else f"{parameter.description} ({parameter.rule})",
        # launch knows no other names for them, so that former ones are choices here.
        choices=[*parameter.choices, *parameter.aliases] or None,
    )


def node_parameters(context: LaunchContext) -> list[dict[str, ParameterValue] | str]:
    """What `Node` takes as parameters: the arguments' values, and the file, if one was given, which wins.

    Raises:
        UserError: there is no such file.
    """
    values = {name: _value(name, type(parameter.default)) for name, parameter in PARAMETERS.items()}
    values["use_sim_time"] = _value("use_sim_time", bool)
    params_file = LaunchConfiguration("params_file").perform(context)
    if params_file and not Path(params_file).is_file():
        raise UserError(f"params_file: there is no file {params_file}: give its full path, or none")
    return [values, params_file] if params_file else [values]


def _value(name: str, kind: type) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(name), value_type=list[float] if kind is tuple else kind)


def node_remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """What `Node` takes as remappings: the topics' arguments, and `remappings`.

    Raises:
        UserError: `remappings` is not a list of ``from:=to``.
    """
    names = ((topic, LaunchConfiguration(name).perform(context)) for name, (topic, _) in TOPICS.items())
    # ROS takes the first rule for a name: one that changes nothing would make those of `remappings` void.
    rules = [(topic, new) for topic, new in names if new != topic]
    for rule in filter(None, LaunchConfiguration("remappings").perform(context).split(",")):
        topic, arrow, new = rule.strip().partition(":=")
        if not (topic and arrow and new):
            raise UserError(f"remappings: {rule.strip()!r} is not of the form from:=to")
        rules.append((topic, new))
    return rules


def _check_arguments(context: LaunchContext) -> None:
    check_argument_names(context, __file__, [*TOPICS, *OTHERS, *PARAMETERS])


def node_namespace(context: LaunchContext) -> str:
    """The node's whole namespace, with that of groups around it: empty, or such as /robot/front."""
    above = context.launch_configurations.get("ros_namespace")
    namespace = prefix_namespace(above, LaunchConfiguration("namespace").perform(context)) or ""
    return f"/{namespace.strip('/')}".rstrip("/")


def node_logger(context: LaunchContext) -> str:
    """Name of the node's logger: that of the node with its namespace, by dots."""
    return f"{node_namespace(context)}/rgbt_segmenter".lstrip("/").replace("/", ".")


def _node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    level, delay = (LaunchConfiguration(name).perform(context) for name in ("log_level", "respawn_delay"))
    required, respawn = (
        IfCondition(LaunchConfiguration(name)).evaluate(context) for name in ("required", "respawn")
    )
    if required and respawn:
        raise UserError("required and respawn contradict each other: give one of them")
    # The node configures and activates itself: it does so after each start and tells of its failure by its exit code.
    node = LifecycleNode(
        package="rgbt_seg_ros",
        executable="segmenter",
        name="rgbt_segmenter",
        namespace=LaunchConfiguration("namespace"),
        parameters=node_parameters(context),
        remappings=node_remappings(context),
        arguments=["--ros-args", "--log-level", f"{node_logger(context)}:={level}"],
        output="screen",
        respawn=respawn,
        respawn_delay=float(delay),
        **TIME_TO_END,
    )
    return [when_it_ends(node, EndsAll.ALWAYS if required else EndsAll.NEVER, respawns=respawn), node]


def rviz_remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """From the topics that `config/rgbt_seg.rviz` shows to those that the node has been given."""
    rules = dict(reversed(node_remappings(context)))
    namespace = node_namespace(context)
    pairs = []
    for topic in ("rgb/image", "thermal/image", "~/mask", "~/overlay"):
        shown, own = (
            name if name.startswith("/") else f"{above}/{name.replace('~', 'rgbt_segmenter', 1)}"
            for name, above in ((topic, ""), (rules.get(topic, topic), namespace))
        )
        pairs.append((shown, own))
    return pairs


def _rviz(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        raise UserError("rviz:=true needs RViz: install the package ros-jazzy-rviz2") from None
    config = share_path("config/rgbt_seg.rviz")
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=LaunchConfiguration("namespace"),
            arguments=["-d", str(config)],
            remappings=rviz_remappings(context),
            parameters=[{"use_sim_time": _value("use_sim_time", bool)}],
        )
    ]
