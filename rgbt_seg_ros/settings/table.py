"""The node's parameters, declared once: names, defaults, units, ranges; read into `Settings`.

The node, the launch file, the documentation and `config/segment.yaml` are all made from this table.
``python3 -m rgbt_seg_ros.settings`` prints it as a commented parameter file.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rgbt_seg_ros.base.errors import UserError, meant
from rgbt_seg_ros.base.precision import AUTO, FORMER_NAMES, PRECISIONS, RUNTIMES
from rgbt_seg_ros.images.headers.header import MAX_PIXELS
from rgbt_seg_ros.settings.groups import (
    DetectionSettings,
    LosslessSettings,
    OverlaySettings,
    RegistrationSettings,
    RgbSettings,
    SyncSettings,
    TrackingSettings,
)
from rgbt_seg_ros.settings.parameter import declare, parameters_of, read_table
from rgbt_seg_ros.settings.synonyms import SYNONYMS
from rgbt_seg_ros.settings.thermal import ThermalSettings

_TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class Settings:
    """The values of all parameters, checked; a parameter's name is the place of its field.

    The first ones are about the model, how pairs wait for it, and its answers; the others are about the cameras.
    """

    model: str = declare(
        "default",
        "Model file (.safetensors), exported network (.onnx), or 'default' for the packaged model.",
    )
    device: str = declare(
        "auto",
        "Device of the model: auto (a GPU if there is one), cpu, cuda or cuda:N.",
    )
    precision: str = declare(
        "auto",
        "Arithmetic of the model: auto is bf16 on a GPU (fp16 on an older one) and fp32 on the CPU.",
        choices=(AUTO, *PRECISIONS),
        aliases=FORMER_NAMES,
    )
    runtime: str = declare(
        "auto",
        "What runs the model: torch, onnxruntime, or auto: the fastest that gives the same masks, measured at "
        "configure. onnxruntime needs an exported network (.onnx), as the model or beside it.",
        choices=RUNTIMES,
    )
    classes: str = declare(
        "",
        "Names of the classes to look for, separated by commas: some of the model's own, or any of "
        "class_embeddings. Empty takes the model's own list. Ids in the mask follow this list.",
        live=True,
    )
    class_embeddings: str = declare(
        "",
        "File with embeddings of further class names (see embed_classes); empty: the model's own names only.",
    )
    autostart: bool = declare(
        True,
        "Whether to configure and activate at start, and to exit with 1 if that fails. false waits for a lifecycle "
        "manager.",
        read_only=True,
    )
    mode: str = declare(
        "latest",
        "Treatment of waiting pairs. latest: a newer pair replaces a waiting one, for a robot. lossless: every pair "
        "is answered and any loss is an error, for evaluation on recordings.",
        choices=("latest", "lossless"),
        read_only=True,
    )
    lossless: LosslessSettings = dataclasses.field(default_factory=LosslessSettings)
    input_reliability: str = declare(
        "auto",
        "Reliability asked of the image topics. auto: best_effort in mode latest, reliable in mode lossless. "
        "A reliable subscription gets nothing from a best-effort camera.",
        choices=("auto", "best_effort", "reliable"),
        read_only=True,
    )
    max_age: float = declare(
        1.0,
        "Age at which a pair that waits for inference is dropped as stale in mode latest; 0 keeps all.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
        live=True,
    )
    max_rate: float = declare(
        0.0,
        "Number of pairs a second that are answered at most, of each camera pair; 0 is no limit, and must be in "
        "mode lossless.",
        unit="Hz",
        minimum=0.0,
        maximum=1000.0,
        live=True,
    )
    detections: DetectionSettings = dataclasses.field(default_factory=DetectionSettings)
    tracking: TrackingSettings = dataclasses.field(default_factory=TrackingSettings)
    overlay: OverlaySettings = dataclasses.field(default_factory=OverlaySettings)
    camera_pairs: str = declare(
        "",
        "Names of several camera pairs that share the model, separated by commas. A pair named front takes "
        "front/rgb/image and front/thermal/image and publishes ~/front/mask and so on. Empty: one without a name.",
        read_only=True,
    )
    rgb_transport: str = declare(
        "raw",
        "Type of the RGB topic: raw is sensor_msgs/Image, compressed is sensor_msgs/CompressedImage.",
        choices=_TRANSPORTS,
    )
    thermal_transport: str = declare(
        "raw",
        "Type of the thermal topic: raw is sensor_msgs/Image, compressed is sensor_msgs/CompressedImage.",
        choices=_TRANSPORTS,
    )
    max_pixels: int = declare(
        MAX_PIXELS,
        "Pixels of the largest image that is decoded, by its header; a larger one is refused and counted as "
        "undecodable. Segmenting one takes about 110 bytes a pixel.",
        unit="pixels",
        minimum=1,
        maximum=1_000_000_000,
        live=True,
    )
    sync: SyncSettings = dataclasses.field(default_factory=SyncSettings)
    rgb: RgbSettings = dataclasses.field(default_factory=RgbSettings)
    thermal: ThermalSettings = dataclasses.field(default_factory=ThermalSettings)
    registration: RegistrationSettings = dataclasses.field(default_factory=RegistrationSettings)

    @classmethod
    def read(cls, values: Mapping[str, object]) -> "Settings":
        """Settings from parameter values by ROS name; what is not given has its default.

        Raises:
            UserError: a name that is not a parameter, a value that breaks its rule, or values that contradict each
                other.
        """
        unknown = sorted(set(values) - set(PARAMETERS))
        if unknown:
            like = meant(unknown[0], PARAMETERS, SYNONYMS)
            raise UserError(
                f"there is no parameter {unknown[0]} (the nearest is {like}): "
                f"the parameters are {', '.join(PARAMETERS)}"
            )
        settings = read_table(cls, PARAMETERS, values)
        settings.check_together()
        return settings

    def check_together(self) -> None:
        """Refuse values that are good each by itself but not together.

        Raises:
            UserError: with the name of a parameter at fault.
        """
        for name, ends in (
            ("thermal.range", self.thermal.range),
            ("thermal.percentile", self.thermal.percentile),
        ):
            if ends.low >= ends.high:
                raise UserError(
                    f"parameter {name}.low ({ends.low:g}) must be below {name}.high ({ends.high:g})"
                )
        for name, camera in (("rgb", self.rgb), ("thermal", self.thermal)):
            if self.is_lossless and camera.on_missing != "drop":
                raise UserError(
                    f"parameter {name}.on_missing must be drop in mode lossless, where every mask is a pair's, "
                    f"not {camera.on_missing!r}"
                )
        if self.is_lossless and self.max_rate > 0:
            raise UserError(
                f"parameter max_rate must be 0 in mode lossless, where every pair is answered, not {self.max_rate:g}"
            )
        if self.registration.homography != PARAMETERS["registration.homography"].default:
            self._check_homography()
        _ = self.thermal.invalid_counts
        if not any(self.registration.plane.rotation):
            raise UserError("parameter registration.plane.rotation is all zeros, which is no rotation")
        for name, count in Counter(_split_names(self.camera_pairs)).items():
            if count > 1 or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
                raise UserError(
                    f"parameter camera_pairs: {name!r} must be there once, of letters, digits and underscores"
                )

    def _check_homography(self) -> None:
        # Not at the top: the table is read for the options of commands, before anything slow is imported.
        from rgbt_seg_ros.registration.rules import Homography

        try:
            Homography(self.registration.homography)
        except UserError as error:
            raise UserError(f"parameter registration.homography: {error}") from error

    @property
    def is_lossless(self) -> bool:
        """Whether every pair must be answered."""
        return self.mode == "lossless"

    @property
    def asks_for_reliable(self) -> bool:
        """Whether image topics are subscribed to reliably."""
        return self.input_reliability == "reliable" or (self.is_lossless and self.input_reliability == "auto")

    @property
    def class_list(self) -> tuple[str, ...]:
        """The names in `classes`; empty: the model's own."""
        return _split_names(self.classes)

    @property
    def pair_names(self) -> tuple[str, ...]:
        """Names of the camera pairs; one empty name if there is only one pair."""
        return _split_names(self.camera_pairs) or ("",)


def _split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


PARAMETERS = parameters_of(Settings)
"""Every parameter of the node by its ROS name."""
