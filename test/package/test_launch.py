"""The launch files, where upstream `launch` and `launch_ros` are installed (they are not on PyPI)."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from bags import write_bag
from field_bags import BEST_EFFORT, pair_messages, write_rosbag2
from install_space import make_install_space

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.settings import PARAMETERS

# Not "launch" alone, which would find the checkout's own folder of launch files.
REASON = "needs upstream launch and launch_ros, which only a ROS installation has"
actions = pytest.importorskip("launch.actions", reason=REASON)
LaunchContext = pytest.importorskip("launch.launch_context", reason=REASON).LaunchContext
utilities = pytest.importorskip("launch.utilities", reason=REASON)
ros_utilities = pytest.importorskip("launch_ros.utilities", reason=REASON)
check_argument_names = pytest.importorskip("rgbt_seg_ros.launching.argument_names").check_argument_names


@pytest.fixture
def load_launch_file(repository: Path) -> Callable[[str], ModuleType]:
    """Imports a file of launch/ by its name."""

    def load(name: str) -> ModuleType:
        path = repository / "launch" / name
        spec = importlib.util.spec_from_file_location(name.replace(".", "_"), path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package is found where ROS looks for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in make_install_space(tmp_path_factory.mktemp("install") / "prefix").items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def launch_file(load_launch_file: Callable[[str], ModuleType]) -> ModuleType:
    return load_launch_file("segment.launch.py")


def test_every_parameter_and_topic_is_a_documented_argument(launch_file: ModuleType) -> None:
    arguments = {each.name: each for each in launch_file.generate_launch_description().get_launch_arguments()}
    assert set(arguments) == {*PARAMETERS, *launch_file.TOPICS, *launch_file.OTHERS}
    for argument in arguments.values():
        assert argument.description != "no description given"


def test_choices_are_those_of_the_parameter_and_their_former_names(launch_file: ModuleType) -> None:
    arguments = {each.name: each for each in launch_file.generate_launch_description().get_launch_arguments()}
    today, former = ["auto", "fp32", "bf16", "fp16"], ["float32", "bfloat16", "float16"]
    assert arguments["precision"].choices == today + former
    assert arguments["mode"].choices == list(PARAMETERS["mode"].choices)
    assert arguments["model"].choices is None


def test_nothing_is_set_for_other_processes(launch_file: ModuleType) -> None:
    """The Fast DDS profile is for the node alone, which sets it itself."""
    entities = launch_file.generate_launch_description().entities
    assert {type(entity) for entity in entities} == {actions.DeclareLaunchArgument, actions.OpaqueFunction}


@pytest.fixture
def given(launch_file: ModuleType) -> Callable[..., LaunchContext]:
    """Makes a context of the arguments' defaults and what is given on the command line."""

    return partial(context_of, launch_file)


def context_of(launch_file: ModuleType, **own: str) -> LaunchContext:
    context = LaunchContext()
    for entity in launch_file.generate_launch_description().entities:
        if isinstance(entity, actions.DeclareLaunchArgument):
            default = utilities.perform_substitutions(context, entity.default_value)
            context.launch_configurations[entity.name] = own.get(entity.name.replace(".", "__"), default)
    return context


def test_parameters_reach_the_node_in_their_types(
    launch_file: ModuleType, given: Callable[..., LaunchContext]
) -> None:
    def evaluate(**own: str) -> dict[str, object]:
        context = given(**own)
        parameters = ros_utilities.normalize_parameters(launch_file.node_parameters(context))
        (values,) = ros_utilities.evaluate_parameters(context, parameters)
        # Arrays are lists there.
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    defaults = {name: parameter.default for name, parameter in PARAMETERS.items()} | {"use_sim_time": False}
    assert evaluate() == defaults
    kinds = {name: type(value) for name, value in evaluate().items()}
    assert kinds == {name: type(value) for name, value in defaults.items()}
    changed = evaluate(
        model="my.safetensors",
        sync__max_dt="1",
        autostart="false",
        classes="car, person",
        registration__plane__translation="[0.1, -0.02, 0.0]",
    )
    assert changed == defaults | {
        "model": "my.safetensors",
        "sync.max_dt": 1.0,
        "autostart": False,
        "classes": "car, person",
        "registration.plane.translation": (0.1, -0.02, 0.0),
    }


def test_the_log_level_is_that_of_the_node_in_its_namespace(
    launch_file: ModuleType, given: Callable[..., LaunchContext]
) -> None:
    context = given(namespace="front")
    assert launch_file.node_logger(context) == "front.rgbt_segmenter"
    context.launch_configurations["ros_namespace"] = "/robot"
    assert launch_file.node_logger(context) == "robot.front.rgbt_segmenter"
    assert launch_file.node_logger(given()) == "rgbt_segmenter"


def test_rviz_shows_the_topics_that_the_node_was_given(
    launch_file: ModuleType, given: Callable[..., LaunchContext], repository: Path
) -> None:
    displays = yaml.safe_load((repository / "config" / "rgbt_seg.rviz").read_text())["Visualization Manager"]
    shown = {display["Topic"]["Value"] for display in displays["Displays"]}
    plain = launch_file.rviz_remappings(given())
    assert {old for old, _ in plain} == shown
    assert all(old == new for old, new in plain)
    more = "~/mask:=/seen, thermal/image:=/boson"
    found = dict(launch_file.rviz_remappings(given(namespace="robot", rgb="/cam/color", overlay="look")))
    assert found == {
        "/rgb/image": "/cam/color",
        "/thermal/image": "/robot/thermal/image",
        "/rgbt_segmenter/mask": "/robot/rgbt_segmenter/mask",
        "/rgbt_segmenter/overlay": "/robot/look",
    }
    found = dict(launch_file.rviz_remappings(given(remappings=more)))
    assert found == dict(plain) | {"/rgbt_segmenter/mask": "/seen", "/thermal/image": "/boson"}


@pytest.mark.usefixtures("installed")
def test_rviz_that_is_not_installed_is_one_sentence(
    launch_file: ModuleType, given: Callable[..., LaunchContext]
) -> None:
    with pytest.raises(UserError, match="rviz:=true needs RViz"):
        launch_file._rviz(given(rviz="true"))


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["ros2", "launch", "rgbt_seg_ros", "segment.launch.py"], True),
        (["ros2", "launch", "launch/segment.launch.py"], True),
        (["ros2", "launch", "my_robot", "segment.launch.py"], False),
        (["ros2", "launch", "my_robot", "robot.launch.py"], False),
    ],
)
def test_unknown_arguments_are_refused_where_they_are_ours(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str], refused: bool
) -> None:
    monkeypatch.setattr("sys.argv", words)
    context = LaunchContext(argv=["launch-prefix:=nice", "sigterm_timeout:=5", "detections.min_aera:=5"])
    context.launch_configurations["detections.min_aera"] = "5"
    with pytest.raises(UserError, match=r"nearest is detections\.min_area") if refused else nullcontext():
        check_argument_names(context, launch_file.__file__, list(PARAMETERS))


def test_every_topic_is_remapped(launch_file: ModuleType, given: Callable[..., LaunchContext]) -> None:
    names = dict.fromkeys(launch_file.TOPICS, "/elsewhere")
    more = "front/rgb/image:=/front/image_raw, rear/rgb/image:=/rear/image_raw"
    assert launch_file.node_remappings(given(**names, remappings=more)) == [
        *((topic, "/elsewhere") for topic, _ in launch_file.TOPICS.values()),
        ("front/rgb/image", "/front/image_raw"),
        ("rear/rgb/image", "/rear/image_raw"),
    ]
    assert launch_file.node_remappings(given(remappings="~/mask:=/seen")) == [("~/mask", "/seen")]
    with pytest.raises(UserError, match="'front/rgb/image=/a' is not of the form from:=to"):
        launch_file.node_remappings(given(remappings="front/rgb/image=/a"))


def test_a_bag_is_evaluated_with_every_argument_of_the_node(
    load_launch_file: Callable[[str], ModuleType], launch_file: ModuleType
) -> None:
    evaluation = load_launch_file("evaluate_bag.launch.py")
    arguments = {each.name: each for each in evaluation.generate_launch_description().get_launch_arguments()}
    of_the_node = {each.name for each in launch_file.generate_launch_description().get_launch_arguments()}
    assert set(arguments) == of_the_node | set(evaluation.ARGUMENTS)
    assert [name for name, each in arguments.items() if each.default_value is None] == ["bag"]
    assert all(each.description != "no description given" for each in arguments.values())


@pytest.mark.usefixtures("installed")
def test_topics_that_are_left_open_are_those_of_the_recording(
    load_launch_file: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    evaluation = load_launch_file("evaluate_bag.launch.py")
    bag = write_bag(tmp_path / "bag", 1, 1, "/cam/color/image_raw", "/boson/lwir")
    for rgb in ("", "/cam/color/image_raw"):
        context = LaunchContext()
        context.launch_configurations.update(bag=str(bag), rgb=rgb, thermal="", play="false")
        for action in evaluation._find_topics(context):
            action.execute(context)
        assert context.launch_configurations["rgb"] == "/cam/color/image_raw"
        assert context.launch_configurations["thermal"] == "/boson/lwir"
        assert context.launch_configurations["rgb_transport"] == "raw"
        assert context.launch_configurations["thermal_transport"] == "raw"
        assert context.launch_configurations["input_reliability"] == "reliable"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, "best_effort"),
        ({"play": "true"}, "reliable"),
        ({"input_reliability": "reliable"}, "reliable"),
    ],
)
def test_the_reliability_is_that_of_whoever_plays(
    load_launch_file: Callable[[str], ModuleType], tmp_path: Path, given: dict[str, str], asked: str
) -> None:
    evaluation = load_launch_file("evaluate_bag.launch.py")
    bag = write_rosbag2(tmp_path / "bag", pair_messages(range(2)), qos=(BEST_EFFORT,))
    context = LaunchContext()
    context.launch_configurations.update(
        {"bag": str(bag), "rgb": "", "thermal": "", "play": "false", **given}
    )
    for action in evaluation._find_topics(context):
        action.execute(context)
    assert context.launch_configurations["input_reliability"] == asked


@pytest.mark.usefixtures("installed")
def test_a_recording_that_is_none_is_one_sentence(
    load_launch_file: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    context = LaunchContext()
    context.launch_configurations.update({"bag": str(tmp_path / "none"), "rgb": "", "thermal": ""})
    with pytest.raises(UserError, match=r"^there is no recording"):
        load_launch_file("evaluate_bag.launch.py")._find_topics(context)


def test_the_manager_of_nav2_is_the_one_that_starts_the_node(
    load_launch_file: Callable[[str], ModuleType], launch_file: ModuleType
) -> None:
    example = load_launch_file("nav2_lifecycle.launch.py")
    include, manager = example.generate_launch_description().entities
    assert dict(include.launch_arguments) == {"autostart": "false"}
    (node,) = (each for each in launch_file._node(context_of(launch_file)) if hasattr(each, "node_package"))
    assert example.MANAGER["node_names"] == [node._Node__node_name]
    assert example.MANAGER["bond_timeout"] == 0.0
    assert manager.node_package == "nav2_lifecycle_manager"


def test_the_launch_files_and_arguments_of_the_documentation_exist(
    launch_file: ModuleType, repository: Path
) -> None:
    text = (repository / "docs" / "launch.md").read_text()
    for name in re.findall(r"\w+\.launch\.py", text):
        assert (repository / "launch" / name).is_file(), name
    rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    arguments = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert arguments == set(launch_file.OTHERS)
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    compile(example, "launch.md", "exec")
