"""Parameters and remappings that were given at the start and that nobody takes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from node_process import NodeProcess
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from waiting import wait_for

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.ros.arguments import RosArguments, refuse_unknown_parameters, unmatched_remaps
from rgbt_seg_ros.ros.parameters import RosParameters

Start = Callable[..., tuple[Node, RosArguments]]

FILE = """
/**:
  ros__parameters: {robot: spot, use_sim_time: false, max_age: 0.5}
/robot:
  seg:
    ros__parameters:
      sync: {max_dt: 0.1}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(words, file)`` gives a node seg that was started with ROS arguments and a parameter file."""
    nodes: list[tuple[rclpy.Context, Node]] = []

    def make(words: str = "", file: str = "") -> tuple[Node, RosArguments]:
        argv = ["program", "--not-ros", "-p", "--ros-args", *words.split()]
        if file:
            (tmp_path / "params.yaml").write_text(file)
            argv += ["--params-file", str(tmp_path / "params.yaml")]
        context = rclpy.Context()
        rclpy.init(args=argv, context=context)
        nodes.append((context, Node("seg", namespace="/robot", context=context)))
        RosParameters(nodes[-1][1], lambda settings: None, lambda: None)
        return nodes[-1][1], RosArguments.read(argv)

    yield make
    for context, node in nodes:
        node.destroy_node()
        context.try_shutdown()


@pytest.mark.parametrize(
    ("words", "file", "faults"),
    [
        ("-p detection.min_area:=5", "", {"detection.min_area": "detections.min_area"}),
        ("-p min_area:=5 -p Device:=cpu", "", {"min_area": "detections.min_area", "Device": "device"}),
        ("-p gain:=2", "", {"gain": ""}),
        ("", "/robot/seg: {ros__parameters: {gain: 2}}", {"gain": ""}),
        ("", "/robot: {seg: {ros__parameters: {sync: {maxdt: 2.0}}}}", {"sync.maxdt": "sync.max_dt"}),
        ("", "/**: {ros__parameters: {sync.maxdt: 2.0}}", {"sync.maxdt": "sync.max_dt"}),
        ("-p gain:=2", "/**: {ros__parameters: {gain: 2}}", {"gain": ""}),
        ("-p use_sim_tim:=true", "", {"use_sim_tim": ""}),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_nearest_name(
    start: Start, words: str, file: str, faults: dict[str, str]
) -> None:
    with pytest.raises(UserError) as error:
        refuse_unknown_parameters(*start(words, file))
    for name, like in faults.items():
        assert f"parameter {name}: seg has none of this name, the nearest is {like}" in str(error.value)


def test_what_is_known_or_for_several_nodes_is_taken(start: Start) -> None:
    words = "-p use_sim_time:=false -p qos_overrides./rgb/image.subscription.depth:=3 -p other:model:=x"
    notes = refuse_unknown_parameters(*start(words, FILE))
    (note,) = notes
    assert note.startswith("parameter robot, which section /** of ")


def test_a_file_for_other_nodes_alone_is_noticed(start: Start) -> None:
    notes = refuse_unknown_parameters(*start("", "/robot/segm: {ros__parameters: {model: x}}"))
    assert [note.partition(".yaml ")[2] for note in notes] == [
        "has no section for /robot/seg: it is for /robot/segm"
    ]


@pytest.mark.parametrize(
    ("rule", "like"),
    [
        ("rgb/imag:=/a", "rgb/image"),
        ("/rgb/image:=/a", "rgb/image"),
        ("~/msk:=/a", "~/mask"),
        ("seg:rostopic://rgb/imag:=/a", "rgb/image"),
    ],
)
def test_a_remapping_of_no_topic_is_said(start: Start, rule: str, like: str) -> None:
    node, arguments = start(f"-r {rule}")
    (note,) = unmatched_remaps(node, ["rgb/image", "~/mask"], arguments)
    old = rule.partition(":=")[0].rpartition("rostopic://")[2]
    assert note == f"remapping {rule}: seg has no topic or service {old}, the nearest is {like}"


def test_remappings_that_somebody_takes_are_not_said(start: Start) -> None:
    node, arguments = start(
        "-r rgb/image:=/a -r ~/mask:=/b -r ~/go:=/go -r __ns:=/robot -r other:x:=y -r seg:thermal/image:=/t "
        "-r /robot/rgb/camera_info:=/i -r rosservice://~/get_parameters:=/p -r ~/describe_parameters:=d -r own:=/o"
    )
    node.create_service(Trigger, "~/go", lambda request, response: response)
    node.create_subscription(Image, "own", lambda message: None, 1)
    names = ["rgb/image", "thermal/image", "rgb/camera_info", "~/mask"]
    assert unmatched_remaps(node, names, arguments) == []


def test_the_node_does_not_start_with_a_misspelt_parameter(tmp_path: Path, node_model: Path) -> None:
    with NodeProcess(tmp_path / "log.txt", model=node_model, detection__min_area=5) as node:
        assert node.wait() == 1
        (line,) = [line for line in node.output.splitlines() if "cannot configure" in line]
        assert (
            "detection.min_area: rgbt_segmenter has none of this name, the nearest is detections.min_area"
            in line
        )
        assert "loading model" not in node.output
        assert "Traceback" not in node.output


def test_the_node_says_which_overrides_and_remappings_it_does_not_use(
    tmp_path: Path, node_model: Path
) -> None:
    name = "qos_overrides./rgb/imag.subscription.depth"
    options = {"topics": {"rgb/imag": "/a", "thermal/image": "/b", "thermal/camera_info": "/c"}}
    with NodeProcess(tmp_path / "log.txt", model=node_model, device="cpu", **{name: 4}, **options) as node:
        node.wait_for_output("active: ")
        wait_for(lambda: f"parameter {name} is not used" in node.output, "a note")
        assert "remapping rgb/imag:=/a: rgbt_segmenter has no topic or service rgb/imag" in node.output
        assert node.output.count("remapping ") == 1


@pytest.mark.parametrize("program", ["record", "watch"])
def test_programs_without_parameters_refuse_them(tmp_path: Path, program: str) -> None:
    options = {"record": ["-o", str(tmp_path / "run")], "watch": ["--port", "0"]}[program]
    arguments = ("-m", f"rgbt_seg_ros.{program}", *options)
    with NodeProcess(tmp_path / "log.txt", *arguments, modle="x") as process:
        assert process.wait() == 1
        (line,) = process.output.splitlines()[-1:]
        assert line.startswith("error: parameter modle: rgbt_")
        assert line.endswith("has none of this name, see --help for its options")


def test_an_override_by_the_program_is_seen() -> None:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = Node("seg", context=context, parameter_overrides=[Parameter("modle", value="x")])
    node.declare_parameter("model", "")
    with pytest.raises(UserError, match="the nearest is model"):
        refuse_unknown_parameters(node, RosArguments())
    node.destroy_node()
    context.try_shutdown()
