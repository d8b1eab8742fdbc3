"""What a parameter of the node is: its rule, the check of a value, and the commented parameter file of a table.

The table itself is `rgbt_seg_ros.settings`.
"""

import array
import dataclasses
import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import shown

Value = bool | int | float | str | tuple[float, ...]
Table = TypeVar("Table")


@dataclass(frozen=True)
class Parameter:
    """One parameter of the node; the type of `default` is the parameter's type, a tuple's length its length.

    Attributes:
        aliases: former names of choices, each with today's, which is what it is read as.
        live: may be changed while the node is configured, and takes effect on the next pair; the others take effect
            at configure and are refused in between.
        read_only: can only be given at the start of the process, as QoS overrides are.
    """

    name: str
    default: Value
    description: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    live: bool = False
    read_only: bool = False

    @property
    def type_name(self) -> str:
        """As ROS 2 calls the type: bool, integer, double, string or double_array."""
        names = {bool: "bool", int: "integer", float: "double", str: "string", tuple: "double_array"}
        return names[type(self.default)]

    @property
    def rule(self) -> str:
        """What a value must be, for people: type, unit, range or choices."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        rule = self.type_name
        if isinstance(self.default, tuple):
            rule += f" of {len(self.default)} values"
        if self.minimum is not None and self.maximum is not None:
            rule += f" from {self.minimum:g} to {self.maximum:g}"
        return f"{rule} [{self.unit}]" if self.unit else rule

    @property
    def wanted(self) -> str:
        """What a value must be, for people who know no types: `a whole number from 1 to 9 [pixels]`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        if isinstance(self.default, tuple):
            return self.rule.replace("double_array of", "a list of").replace("values", "numbers")
        return self.rule.replace(self.type_name, words[type(self.default)], 1)

    @property
    def yaml_default(self) -> str:
        """The default as it is written in a parameter file."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, tuple):
            return str(list(self.default))
        return str(self.default) or '""'

    def checked(self, value: object) -> Value:
        """A value that keeps the rule: arrays and lists as a tuple, today's name for a former one.

        Raises:
            UserError: with the parameter's name, the rule and the value.
        """
        if isinstance(value, list | array.array):
            value = tuple(value)
        if isinstance(value, str):
            value = self.aliases.get(value, value)
        if type(value) is type(self.default) and self._fits(value):
            return value
        hint = ""
        if isinstance(self.default, float | tuple) and _is_of(int, value):
            hint = ": write it with a decimal point"
        raise UserError(f"parameter {self.name} must be {self.wanted}, not {shown(value)}{hint}")

    def _fits(self, value: Any) -> bool:
        """Whether a value of the right type keeps the rest of the rule."""
        if isinstance(value, tuple) and isinstance(self.default, tuple):
            return len(value) == len(self.default) and _is_of(float, value) and all(map(math.isfinite, value))
        if self.choices:
            return value in self.choices
        if self.minimum is not None and self.maximum is not None:
            return self.minimum <= value <= self.maximum  # which NaN is not
        return True


def _is_of(kind: type, value: object) -> bool:
    """Whether a value, or each one in a tuple, is of this very type."""
    values = value if isinstance(value, tuple) else (value,)
    return all(type(each) is kind for each in values)


def declare(default: Value, description: str, **rules: Any) -> Any:
    """A dataclass field that carries a `Parameter`, whose name is the field's place in the table."""
    parameter = Parameter("", default, description, **rules)
    return dataclasses.field(default=default, metadata={"parameter": parameter})


def parameters_of(table: type, prefix: str = "") -> dict[str, Parameter]:
    """The parameters of a dataclass by name; a field that is itself a dataclass is a group: ``sync.max_dt``."""
    found: dict[str, Parameter] = {}
    for field in dataclasses.fields(table):
        name = f"{prefix}{field.name}"
        if "parameter" in field.metadata:
            found[name] = dataclasses.replace(field.metadata["parameter"], name=name)
        else:
            found |= parameters_of(_group(field), f"{name}.")
    return found


def read_table(
    table: type[Table], parameters: Mapping[str, Parameter], values: Mapping[str, object]
) -> Table:
    """A dataclass filled from values by name; what is not given has its default.

    Raises:
        UserError: a value that breaks its rule.
    """
    return _read(table, parameters, values, "")


def _read(table: type, parameters: Mapping[str, Parameter], values: Mapping[str, object], prefix: str) -> Any:
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(table):
        name = f"{prefix}{field.name}"
        if name in parameters:
            fields[field.name] = parameters[name].checked(values.get(name, parameters[name].default))
        else:
            fields[field.name] = _read(_group(field), parameters, values, f"{name}.")
    return table(**fields)


def _group(field: dataclasses.Field) -> type:
    """The dataclass of a field that is a group of parameters: its default factory makes one."""
    assert isinstance(field.default_factory, type)
    return field.default_factory


def parameter_file(parameters: Iterable[Parameter]) -> str:
    """Parameters with their defaults as a commented ROS 2 parameter file (YAML)."""
    lines = [
        "# Parameters of rgbt_segmenter with their defaults. Use a copy of this file with",
        "#   ros2 launch rgbt_seg_ros segment.launch.py params_file:=my.yaml",
        "#   python -m rgbt_seg_ros.node --ros-args --params-file my.yaml",
        "/**:",
        "  ros__parameters:",
    ]
    above: list[str] = []
    for parameter in parameters:
        *sections, key = parameter.name.split(".")
        for depth, section in enumerate(sections):
            if sections[: depth + 1] != above[: depth + 1]:
                lines.append("  " * (depth + 2) + f"{section}:")
        above = sections
        indent = "  " * (len(sections) + 2)
        comment = f"{parameter.description} ({parameter.rule})"
        lines += textwrap.wrap(comment, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        lines.append(f"{indent}{key}: {parameter.yaml_default}")
    return "\n".join(lines) + "\n"
