"""The node's parameters, declared once: names, defaults, units, ranges; read into `Settings`.

The node, the launch file, the documentation and `config/segment.yaml` are all made from this table.
``python -m rgbt_seg_ros.settings`` prints it as a commented parameter file.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.registration.rules import Homography
from rgbt_seg_ros.settings.parameter import Parameter, declare
from rgbt_seg_ros.settings.serving import ServingSettings, split_names

_TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class Settings(ServingSettings):
    """The values of all parameters, checked; each field carries its `Parameter`. Here are those about the cameras."""

    camera_pairs: str = declare(
        "camera_pairs",
        "",
        "Names of several camera pairs, separated by commas, that share the model: a pair named front takes "
        "front/rgb/image and front/thermal/image and publishes ~/front/mask and so on; empty: one without a name.",
        read_only=True,
    )
    rgb_transport: str = declare(
        "rgb_transport",
        "raw",
        "Type of the RGB topic: raw is sensor_msgs/Image, compressed is sensor_msgs/CompressedImage.",
        choices=_TRANSPORTS,
    )
    thermal_transport: str = declare(
        "thermal_transport",
        "raw",
        "Type of the thermal topic: raw is sensor_msgs/Image, compressed is sensor_msgs/CompressedImage.",
        choices=_TRANSPORTS,
    )
    sync_method: str = declare(
        "sync.method",
        "nearest",
        "How images are paired: nearest (each image of the slower stream with its nearest neighbour), or "
        "approximate or exact as in upstream's message_filters, which must be installed.",
        choices=("nearest", "approximate", "exact"),
    )
    sync_max_dt: float = declare(
        "sync.max_dt",
        0.05,
        "Largest time between an RGB and a thermal image of one pair.",
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    sync_thermal_time_offset: float = declare(
        "sync.thermal_time_offset",
        0.0,
        "Added to thermal stamps before pairing; negative where thermal stamps are late.",
        unit="s",
        minimum=-10.0,
        maximum=10.0,
    )
    rgb_stale_after: float = declare(
        "rgb.stale_after",
        1.0,
        "The RGB camera is missing after this time without an image, and frozen after this time with the same one "
        "over and over; longer than its period (and a shutter pause). 0 never judges it.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    rgb_on_missing: str = declare(
        "rgb.on_missing",
        "drop",
        "With the RGB camera missing or frozen: drop (no masks), or thermal_only (masks from thermal images alone, "
        "of their size and under their header).",
        choices=("drop", "thermal_only"),
    )
    thermal_stale_after: float = declare(
        "thermal.stale_after",
        1.0,
        "The thermal camera is missing after this time without an image, and frozen after this time with the same "
        "one over and over; longer than its period (and a shutter pause). 0 never judges it.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    thermal_on_missing: str = declare(
        "thermal.on_missing",
        "drop",
        "With the thermal camera missing or frozen: drop (no masks), or rgb_only (masks from RGB images alone).",
        choices=("drop", "rgb_only"),
    )
    thermal_normalization: str = declare(
        "thermal.normalization",
        "auto",
        "How thermal values become 0..1: auto (8 bit: divided by 255; 16 bit: percentile), fixed (thermal.range), "
        "percentile (thermal.percentile), minmax of each image.",
        choices=("auto", "fixed", "percentile", "minmax"),
    )
    thermal_range_unit: str = declare(
        "thermal.range.unit",
        "counts",
        "What thermal.range is given in; kelvin is for radiometric cameras, see thermal.kelvin_per_count.",
        choices=("counts", "kelvin"),
    )
    thermal_range_low: float = declare(
        "thermal.range.low",
        0.0,
        "Thermal value that becomes 0 with normalization fixed.",
        unit="counts or K",
        minimum=0.0,
        maximum=65535.0,
    )
    thermal_range_high: float = declare(
        "thermal.range.high",
        255.0,
        "Thermal value that becomes 1 with normalization fixed.",
        unit="counts or K",
        minimum=0.0,
        maximum=65535.0,
    )
    thermal_percentile_low: float = declare(
        "thermal.percentile.low",
        1.0,
        "Percentile of each thermal image that becomes 0 with normalization percentile.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
    )
    thermal_percentile_high: float = declare(
        "thermal.percentile.high",
        99.0,
        "Percentile of each thermal image that becomes 1 with normalization percentile.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
    )
    thermal_kelvin_per_count: float = declare(
        "thermal.kelvin_per_count",
        0.01,
        "Temperature step of a radiometric camera, for thermal.range.unit kelvin.",
        unit="K",
        minimum=1e-6,
        maximum=100.0,
    )
    thermal_kelvin_offset: float = declare(
        "thermal.kelvin_offset",
        0.0,
        "Temperature of count 0 of a radiometric camera, for thermal.range.unit kelvin.",
        unit="K",
        minimum=-10_000.0,
        maximum=10_000.0,
    )
    registration_mode: str = declare(
        "registration.mode",
        "none",
        "How thermal pixels come onto the RGB image: none (same view, scaled to its size), homography, or plane "
        "(from both camera_infos, registration.plane and its depth).",
        choices=("none", "homography", "plane"),
    )
    registration_homography: tuple[float, ...] = declare(
        "registration.homography",
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        "Matrix (row by row) from thermal to RGB pixels for mode homography; see calibrate_homography.",
    )
    registration_plane_depth: float = declare(
        "registration.plane.depth",
        5.0,
        "Distance from the RGB camera at which mode plane is exact.",
        unit="m",
        minimum=0.01,
        maximum=10_000.0,
    )
    registration_plane_translation: tuple[float, ...] = declare(
        "registration.plane.translation",
        (0.0, 0.0, 0.0),
        "Where the thermal camera is in the RGB camera's optical frame.",
        unit="m",
    )
    registration_plane_rotation: tuple[float, ...] = declare(
        "registration.plane.rotation",
        (0.0, 0.0, 0.0, 1.0),
        "Rotation from the thermal to the RGB optical frame, a quaternion x, y, z, w.",
    )

    @classmethod
    def read(cls, values: Mapping[str, object]) -> "Settings":
        """Settings from parameter values by ROS name; what is not given has its default.

        Raises:
            UserError: a name that is not a parameter, a value that breaks its rule, or values that contradict each
                other.
        """
        unknown = sorted(set(values) - set(PARAMETERS))
        if unknown:
            raise UserError(f"there is no parameter {unknown[0]}: the parameters are {', '.join(PARAMETERS)}")
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            parameter: Parameter = field.metadata["parameter"]
            fields[field.name] = parameter.checked(values.get(parameter.name, parameter.default))
        settings = cls(**fields)
        settings.check_together()
        return settings

    def check_together(self) -> None:
        """Refuse values that are good each by itself but not together.

        Raises:
            UserError: with the name of a parameter at fault.
        """
        for name in ("thermal.range", "thermal.percentile"):
            low, high = (getattr(self, f"{name}.{end}".replace(".", "_")) for end in ("low", "high"))
            if low >= high:
                raise UserError(f"parameter {name}.low ({low:g}) must be below {name}.high ({high:g})")
        for name, value in (
            ("rgb.on_missing", self.rgb_on_missing),
            ("thermal.on_missing", self.thermal_on_missing),
        ):
            if self.lossless and value != "drop":
                raise UserError(
                    f"parameter {name} must be drop in mode lossless, where every mask is a pair's, not {value!r}"
                )
        try:
            Homography(self.registration_homography)
        except UserError as error:
            raise UserError(f"parameter registration.homography: {error}") from error
        if not any(self.registration_plane_rotation):
            raise UserError("parameter registration.plane.rotation is all zeros, which is no rotation")
        for name, count in Counter(split_names(self.camera_pairs)).items():
            if count > 1 or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
                raise UserError(
                    f"parameter camera_pairs: {name!r} must be there once, of letters, digits and underscores"
                )

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Names of the camera pairs; one empty name if there is only one pair."""
        return split_names(self.camera_pairs) or ("",)

    @property
    def normalization(self) -> ThermalNormalization:
        """How thermal images become 0..1."""
        return ThermalNormalization(
            mode=self.thermal_normalization,
            low=self.thermal_range_low,
            high=self.thermal_range_high,
            low_percentile=self.thermal_percentile_low,
            high_percentile=self.thermal_percentile_high,
            unit=self.thermal_range_unit,
            kelvin_per_count=self.thermal_kelvin_per_count,
            kelvin_offset=self.thermal_kelvin_offset,
        )


PARAMETERS: dict[str, Parameter] = {
    field.metadata["parameter"].name: field.metadata["parameter"] for field in dataclasses.fields(Settings)
}
"""Every parameter of the node by its ROS name."""
