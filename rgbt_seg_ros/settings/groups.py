"""The node's parameters that belong together: `settings.sync.max_dt` is parameter `sync.max_dt`."""

import dataclasses
from dataclasses import dataclass

from rgbt_seg_ros.settings.parameter import declare


@dataclass(frozen=True)
class LosslessSettings:
    """Queues in mode lossless."""

    depth: int = declare(
        300,
        "Number of images of a topic, and of pairs, that may wait in mode lossless. A VGA pair takes about 1.3 MB.",
        minimum=8,
        maximum=10_000,
        read_only=True,
    )


@dataclass(frozen=True)
class DetectionSettings:
    """Which objects are reported."""

    min_area: int = declare(
        50,
        "Area of the smallest connected component that is reported as a detection.",
        unit="pixels",
        minimum=1,
        maximum=100_000,
        live=True,
    )
    score_threshold: float = declare(
        0.5,
        "Mean probability that a component must have to be reported as a detection.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )


@dataclass(frozen=True)
class TrackingSettings:
    """Whether detections keep their identity from image to image."""

    enabled: bool = declare(
        False,
        "Whether the id of a detection stays the same over the images. Else ids are 1, 2, 3 in each image.",
    )
    min_iou: float = declare(
        0.2,
        "Overlap (intersection over union) with where an object should be now from which on it is taken for the same.",
        minimum=0.01,
        maximum=1.0,
        live=True,
    )
    max_gap: float = declare(
        2.0,
        "Time for which an object may be unseen and keep its id.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
        live=True,
    )


@dataclass(frozen=True)
class OverlaySettings:
    """How classes are drawn on the image."""

    alpha: float = declare(
        0.5,
        "Weight of the class colours in ~/overlay: 0 shows the RGB image, 1 the colours alone.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )


@dataclass(frozen=True)
class SyncSettings:
    """Which images belong together."""

    method: str = declare(
        "nearest",
        "Method of pairing. nearest: each image of the slower stream with its nearest neighbour. approximate and "
        "exact: as in upstream's message_filters, which must be installed.",
        choices=("nearest", "approximate", "exact"),
    )
    max_dt: float = declare(
        0.05,
        "Largest time between an RGB and a thermal image of one pair.",
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    thermal_time_offset: float = declare(
        0.0,
        "Offset added to thermal stamps before pairing; negative where thermal stamps are late.",
        unit="s",
        minimum=-10.0,
        maximum=10.0,
    )


@dataclass(frozen=True)
class RgbSettings:
    """What a missing RGB camera means."""

    stale_after: float = declare(
        1.0,
        "Time without an image after which the RGB camera is missing, and with the same image after which it is "
        "frozen. It must be longer than the camera's period and its shutter pauses. 0 never judges it.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    on_missing: str = declare(
        "drop",
        "Answer while the RGB camera is missing or frozen. drop: no masks. thermal_only: masks from thermal images "
        "alone, of their size and under their header.",
        choices=("drop", "thermal_only"),
    )


@dataclass(frozen=True)
class PlaneSettings:
    """A plane at a distance, seen by two calibrated cameras."""

    depth: float = declare(
        5.0,
        "Distance from the RGB camera at which mode plane is exact.",
        unit="m",
        minimum=0.01,
        maximum=10_000.0,
    )
    extrinsics: str = declare(
        "parameters",
        "Where the thermal camera's place is known from. parameters: translation and rotation. tf: /tf_static, by the "
        "frames that the camera_infos name.",
        choices=("parameters", "tf"),
    )
    frame: str = declare(
        "",
        "Frame whose x-y plane is the plane, as base_footprint is for the ground. Then plane and thermal camera are "
        "taken from /tf_static. Empty: the plane is parallel to the RGB image, at depth.",
    )
    translation: tuple[float, ...] = declare(
        (0.0, 0.0, 0.0),
        "Position of the thermal camera in the RGB camera's optical frame.",
        unit="m",
    )
    rotation: tuple[float, ...] = declare(
        (0.0, 0.0, 0.0, 1.0),
        "Rotation from the thermal to the RGB optical frame, a quaternion x, y, z, w.",
    )


@dataclass(frozen=True)
class RegistrationSettings:
    """How thermal pixels come onto the RGB image."""

    mode: str = declare(
        "none",
        "Rule that brings thermal pixels onto the RGB image. none: same view, scaled to its size. homography: by "
        "registration.homography. plane: from both camera_infos and registration.plane.",
        choices=("none", "homography", "plane"),
    )
    homography: tuple[float, ...] = declare(
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        "Matrix (row by row) from thermal to RGB pixels for mode homography; see calibrate_homography.",
    )
    plane: PlaneSettings = dataclasses.field(default_factory=PlaneSettings)

    @property
    def uses_tf(self) -> bool:
        """Whether static transforms are needed."""
        return self.mode == "plane" and (self.plane.extrinsics == "tf" or bool(self.plane.frame))
