"""The launch file, where upstream `launch` and `launch_ros` are installed (they are not on PyPI)."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from rgbt_seg_ros.dds import PROFILES_VARIABLE
from rgbt_seg_ros.settings import PARAMETERS

# Not "launch" alone, which would find the checkout's own folder of launch files.
REASON = "needs upstream launch and launch_ros, which only a ROS installation has"
actions = pytest.importorskip("launch.actions", reason=REASON)
pytest.importorskip("launch_ros.actions", reason=REASON)


@pytest.fixture
def launch_file(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "segment_launch", repository / "launch" / "segment.launch.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_parameter_and_topic_is_a_documented_argument(launch_file: ModuleType) -> None:
    arguments = {each.name: each for each in launch_file.generate_launch_description().get_launch_arguments()}
    assert set(arguments) == {
        *PARAMETERS,
        "rgb",
        "thermal",
        "namespace",
        "params_file",
        "use_sim_time",
        "log_level",
    }
    for argument in arguments.values():
        assert argument.description != "no description given"


def test_the_users_own_fastdds_profile_wins(launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def sets_profile() -> bool:
        entities = launch_file.generate_launch_description().entities
        return any(isinstance(entity, actions.SetEnvironmentVariable) for entity in entities)

    monkeypatch.delenv(PROFILES_VARIABLE, raising=False)
    assert sets_profile()
    monkeypatch.setenv(PROFILES_VARIABLE, "/own/profile.xml")
    assert not sets_profile()


def test_arguments_reach_the_node(launch_file: ModuleType, tmp_path: Path) -> None:
    from launch.utilities import perform_substitutions
    from launch_ros.utilities import evaluate_parameters, normalize_parameters

    from launch import LaunchContext

    context = LaunchContext()
    own = {"model": "my.safetensors", "sync.max_dt": "1", "autostart": "false", "rgb": "/cam/image_raw"}
    for entity in launch_file.generate_launch_description().entities:
        if isinstance(entity, actions.DeclareLaunchArgument):
            context.launch_configurations[entity.name] = own.get(
                entity.name, perform_substitutions(context, entity.default_value)
            )
    values = launch_file.node_parameters(context)
    (evaluated,) = evaluate_parameters(context, normalize_parameters(values))
    expected = {name: parameter.default for name, parameter in PARAMETERS.items()}
    expected |= {"model": "my.safetensors", "sync.max_dt": 1.0, "autostart": False, "use_sim_time": False}
    assert evaluated == expected
    assert all(type(evaluated[name]) is type(parameter.default) for name, parameter in PARAMETERS.items())
