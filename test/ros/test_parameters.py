"""The parameter table on a real rclpy node: overrides, changes, descriptions."""

from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from settings_of import settings_of

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.ros.parameters import RosParameters
from rgbt_seg_ros.settings import PARAMETERS, Settings

Declare = Callable[..., tuple[Node, RosParameters]]


@pytest.fixture
def declare() -> Iterator[Declare]:
    """``declare({name: override})`` gives a node with the table declared on it; no other process sees it."""
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes: list[Node] = []

    def make(
        overrides: dict[str, object],
        on_change: Callable[[], None] = lambda: None,
        validate: Callable[[Settings], None] = lambda settings: None,
    ) -> tuple[Node, RosParameters]:
        values = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(rclpy.create_node("parameters", context=context, parameter_overrides=values))
        return nodes[-1], RosParameters(nodes[-1], validate, on_change)

    yield make
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def test_defaults_and_overrides_become_settings(declare: Declare) -> None:
    _, parameters = declare({"sync.max_dt": 0.1})
    assert parameters.read() == settings_of(sync__max_dt=0.1)


def test_a_former_name_of_a_precision_is_taken_at_the_start_and_later(declare: Declare) -> None:
    node, parameters = declare({"precision": "float32"})
    assert parameters.read().precision == "fp32"
    (result,) = node.set_parameters([Parameter("precision", value="bfloat16")])
    assert result.successful
    assert parameters.read().precision == "bf16"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sync.max_dt", -1.0),
        ("sync.max_dt", 1),
        ("mode", "fast"),
        ("detections.min_area", 0),
        ("autostart", "on"),
    ],
)
def test_a_bad_override_is_an_error_by_name_when_read(declare: Declare, name: str, value: object) -> None:
    _, parameters = declare({name: value})
    with pytest.raises(UserError, match=f"parameter {name} must be"):
        parameters.read()


def test_a_bad_override_can_be_mended(declare: Declare) -> None:
    node, parameters = declare({"sync.max_dt": -1.0})
    (result,) = node.set_parameters([Parameter("sync.max_dt", value=0.2)])
    assert result.successful
    assert parameters.read().sync.max_dt == 0.2


@pytest.mark.parametrize(
    ("name", "value"),
    [("detections.score_threshold", 1.5), ("thermal.normalization", "no"), ("mode", "lossless")],
)
def test_bad_and_late_changes_are_refused(declare: Declare, name: str, value: object) -> None:
    node, parameters = declare({})
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert parameters.read() == Settings()


def test_when_configured_only_live_parameters_change(declare: Declare) -> None:
    changes: list[str] = []
    node, parameters = declare({}, lambda: changes.append("changed"))
    parameters.configured = True
    for name, parameter in PARAMETERS.items():
        if parameter.read_only:
            continue
        changes.clear()
        (result,) = node.set_parameters([Parameter(name, value=parameter.default)])
        assert result.successful == parameter.live, name
        assert changes == ["changed"] * parameter.live
        if not parameter.live:
            assert f"parameter {name} takes effect at configure" in result.reason


def test_a_live_change_that_the_node_refuses_keeps_the_old_value(declare: Declare) -> None:
    def refuse(settings: Settings) -> None:
        raise UserError(f"there is no class {settings.classes}")

    node, parameters = declare({}, validate=refuse)
    parameters.configured = True
    (result,) = node.set_parameters([Parameter("classes", value="unicorn")])
    assert (result.successful, result.reason) == (False, "there is no class unicorn")
    assert parameters.read().classes == ""


def test_descriptions_and_ranges_are_declared(declare: Declare) -> None:
    node, _ = declare({})
    for name, parameter in PARAMETERS.items():
        descriptor = node.describe_parameter(name)
        assert descriptor.description == parameter.description
        assert descriptor.read_only == parameter.read_only
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        expected = [] if parameter.minimum is None else [(parameter.minimum, parameter.maximum)]
        assert [(entry.from_value, entry.to_value) for entry in ranges] == expected
