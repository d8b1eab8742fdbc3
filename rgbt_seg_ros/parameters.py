"""The node's parameters, declared once: names, defaults, units, ranges; read into `Settings`.

The node, the launch file and `config/segment.yaml` are all made from this table. ``python -m rgbt_seg_ros.parameters``
prints the table as a commented parameter file.
"""

import dataclasses
import math
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.thermal import ThermalNormalization

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """One parameter of the node; the type of `default` is the parameter's type.

    Attributes:
        live: may be changed while the node is configured, and takes effect on the next pair; the others take effect
            at configure and are refused in between.
        read_only: can only be given at the start of the process (QoS overrides are, too).
    """

    name: str
    default: Value
    description: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    live: bool = False
    read_only: bool = False

    @property
    def type_name(self) -> str:
        """As ROS 2 calls the type: bool, integer, double or string."""
        return {bool: "bool", int: "integer", float: "double", str: "string"}[type(self.default)]

    @property
    def rule(self) -> str:
        """What a value must be, for people: type, unit, range or choices."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        rule = self.type_name
        if self.minimum is not None and self.maximum is not None:
            rule += f" from {self.minimum:g} to {self.maximum:g}"
        return f"{rule} [{self.unit}]" if self.unit else rule

    def check(self, value: object) -> None:
        """Refuse a value that breaks the rule.

        Raises:
            UserError: with the parameter's name, the rule and the value.
        """
        good = type(value) is type(self.default)
        if good and isinstance(value, float | int) and self.minimum is not None and self.maximum is not None:
            good = math.isfinite(value) and self.minimum <= value <= self.maximum
        if good and self.choices:
            good = value in self.choices
        if not good:
            hint = (
                ": write it with a decimal point"
                if isinstance(self.default, float) and type(value) is int
                else ""
            )
            raise UserError(f"parameter {self.name} must be {self.rule}, not {value!r}{hint}")


def _parameter(name: str, default: Value, description: str, **rules: Any) -> Any:
    parameter = Parameter(name, default, description, **rules)
    return dataclasses.field(default=default, metadata={"parameter": parameter})


@dataclass(frozen=True)
class Settings:
    """The values of all parameters, checked; each field carries its `Parameter`."""

    model: str = _parameter(
        "model", "default", "Model file (.safetensors), or 'default' for the packaged model."
    )
    device: str = _parameter(
        "device", "auto", "Where the model runs: auto (a GPU if there is one), cpu, cuda or cuda:N."
    )
    precision: str = _parameter(
        "precision",
        "auto",
        "Arithmetic of the model: auto is bfloat16 on a GPU (float16 on an older one) and float32 on the CPU.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    autostart: bool = _parameter(
        "autostart",
        True,
        "Configure and activate at start, and exit with 1 if that fails; false waits for a lifecycle manager.",
        read_only=True,
    )
    mode: str = _parameter(
        "mode",
        "latest",
        "latest: a newer pair replaces a waiting one, for a robot; lossless: every pair is answered and any loss is "
        "an error, for evaluation on recordings.",
        choices=("latest", "lossless"),
        read_only=True,
    )
    lossless_depth: int = _parameter(
        "lossless.depth",
        300,
        "Images a topic and pairs kept waiting in lossless mode; a waiting VGA pair takes about 1.3 MB.",
        minimum=1,
        maximum=10_000,
        read_only=True,
    )
    input_reliability: str = _parameter(
        "input_reliability",
        "best_effort",
        "Reliability asked of the image topics in mode latest; mode lossless always asks for reliable.",
        choices=("best_effort", "reliable"),
        read_only=True,
    )
    max_age: float = _parameter(
        "max_age",
        1.0,
        "In mode latest, pairs that waited longer than this for inference are dropped as stale; 0 keeps all.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
        live=True,
    )
    sync_max_dt: float = _parameter(
        "sync.max_dt",
        0.05,
        "Largest time between an RGB and a thermal image of one pair.",
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    sync_thermal_time_offset: float = _parameter(
        "sync.thermal_time_offset",
        0.0,
        "Added to thermal stamps before pairing; negative where thermal stamps are late.",
        unit="s",
        minimum=-10.0,
        maximum=10.0,
    )
    thermal_normalization: str = _parameter(
        "thermal.normalization",
        "auto",
        "How thermal values become 0..1: auto (8 bit: divided by 255; 16 bit: percentile), fixed (thermal.range), "
        "percentile (thermal.percentile), minmax of each image.",
        choices=("auto", "fixed", "percentile", "minmax"),
    )
    thermal_range_low: float = _parameter(
        "thermal.range.low",
        0.0,
        "Thermal value that becomes 0 with normalization fixed.",
        unit="counts",
        minimum=0.0,
        maximum=65535.0,
    )
    thermal_range_high: float = _parameter(
        "thermal.range.high",
        255.0,
        "Thermal value that becomes 1 with normalization fixed.",
        unit="counts",
        minimum=0.0,
        maximum=65535.0,
    )
    thermal_percentile_low: float = _parameter(
        "thermal.percentile.low",
        1.0,
        "Percentile of each thermal image that becomes 0 with normalization percentile.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
    )
    thermal_percentile_high: float = _parameter(
        "thermal.percentile.high",
        99.0,
        "Percentile of each thermal image that becomes 1 with normalization percentile.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
    )
    detections_min_area: int = _parameter(
        "detections.min_area",
        50,
        "Smallest connected component that is reported as a detection.",
        unit="pixels",
        minimum=1,
        maximum=100_000,
        live=True,
    )
    detections_score_threshold: float = _parameter(
        "detections.score_threshold",
        0.5,
        "Smallest mean probability of a component that is reported as a detection.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )
    overlay_alpha: float = _parameter(
        "overlay.alpha",
        0.5,
        "Weight of the class colours in ~/overlay: 0 shows the RGB image, 1 the colours alone.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )

    @classmethod
    def read(cls, values: Mapping[str, object]) -> "Settings":
        """Settings from parameter values by ROS name; what is not given has its default.

        Raises:
            UserError: a name that is not a parameter, a value that breaks its rule, or a range upside down.
        """
        unknown = sorted(set(values) - set(PARAMETERS))
        if unknown:
            raise UserError(f"there is no parameter {unknown[0]}: the parameters are {', '.join(PARAMETERS)}")
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            parameter: Parameter = field.metadata["parameter"]
            fields[field.name] = values.get(parameter.name, parameter.default)
            parameter.check(fields[field.name])
        settings = cls(**fields)
        for name in ("thermal.range", "thermal.percentile"):
            low, high = (fields[f"{name}.{end}".replace(".", "_")] for end in ("low", "high"))
            if low >= high:
                raise UserError(f"parameter {name}.low ({low:g}) must be below {name}.high ({high:g})")
        return settings

    @property
    def lossless(self) -> bool:
        """Whether every pair must be answered."""
        return self.mode == "lossless"

    @property
    def normalization(self) -> ThermalNormalization:
        """How thermal images become 0..1."""
        return ThermalNormalization(
            mode=self.thermal_normalization,
            low=self.thermal_range_low,
            high=self.thermal_range_high,
            low_percentile=self.thermal_percentile_low,
            high_percentile=self.thermal_percentile_high,
        )


PARAMETERS: dict[str, Parameter] = {
    field.metadata["parameter"].name: field.metadata["parameter"] for field in dataclasses.fields(Settings)
}
"""Every parameter of the node by its ROS name."""


def parameter_file() -> str:
    """All parameters with their defaults as a commented ROS 2 parameter file (YAML)."""
    lines = [
        "# Parameters of rgbt_segmenter with their defaults. Use a copy of this file with",
        "#   ros2 launch rgbt_seg_ros segment.launch.py params_file:=my.yaml",
        "#   python -m rgbt_seg_ros.node --ros-args --params-file my.yaml",
        "/**:",
        "  ros__parameters:",
    ]
    above: list[str] = []
    for parameter in PARAMETERS.values():
        *sections, key = parameter.name.split(".")
        for depth, section in enumerate(sections):
            if sections[: depth + 1] != above[: depth + 1]:
                lines.append("  " * (depth + 2) + f"{section}:")
        above = sections
        indent = "  " * (len(sections) + 2)
        default = parameter.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        comment = f"{parameter.description} ({parameter.rule})"
        lines += textwrap.wrap(comment, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        lines.append(f"{indent}{key}: {text}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(parameter_file())
