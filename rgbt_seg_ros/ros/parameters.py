"""The parameter table on a ROS node: declaration, checks of every change, and reading it as `Settings`."""

from collections.abc import Callable

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.settings import PARAMETERS, Settings
from rgbt_seg_ros.settings.parameter import Parameter


class RosParameters:
    """Declares every parameter of the table on a node.

    Args:
        node: owns the parameters.
        validate: called with what live parameters would become, before they are set; refuses with a UserError.
        on_change: called after parameters were set.

    Attributes:
        configured: while True, only live parameters may be set.
    """

    def __init__(
        self, node: Node, validate: Callable[[Settings], object], on_change: Callable[[], None]
    ) -> None:
        self.configured = False
        self._node = node
        self._validate = validate
        self._on_change = on_change
        self._refused: dict[str, str] = {}
        node.add_on_set_parameters_callback(self._check)
        for name, parameter in PARAMETERS.items():
            try:
                node.declare_parameter(name, parameter.default, _descriptor(parameter))
            except (InvalidParameterTypeException, InvalidParameterValueException) as error:
                self._refused[name] = f"parameter {name} must be {parameter.rule} ({error})"
                node.declare_parameter(name, parameter.default, _descriptor(parameter), ignore_override=True)
        node.add_post_set_parameters_callback(self._applied)

    def read(self) -> Settings:
        """The values as they are now.

        Raises:
            UserError: a value given at the start was refused and has not been mended, or values contradict each other.
        """
        for reason in self._refused.values():
            raise UserError(reason)
        return Settings.read(self._values())

    def _values(self) -> dict[str, object]:
        return {name: self._node.get_parameter(name).value for name in PARAMETERS}

    def _check(self, changed: list[RosParameter]) -> SetParametersResult:
        own = {parameter.name: parameter.value for parameter in changed if parameter.name in PARAMETERS}
        try:
            for name, value in own.items():
                if self.configured and not PARAMETERS[name].live:
                    raise UserError(
                        f"parameter {name} takes effect at configure: clean the node up before setting it"
                    )
                PARAMETERS[name].checked(value)
            if self.configured and own:
                self._validate(Settings.read({**self._values(), **own}))
        except UserError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _applied(self, changed: list[RosParameter]) -> None:
        for parameter in changed:
            self._refused.pop(parameter.name, None)
        self._on_change()


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Description, range and read-only mark, as `ros2 param describe` shows them."""
    descriptor = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.rule,
        read_only=parameter.read_only,
    )
    if parameter.minimum is not None and parameter.maximum is not None:
        low, high = parameter.minimum, parameter.maximum
        if isinstance(parameter.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
