"""Names on /diagnostics, shared by the node, which counts, and by everybody who reads its reports; no ROS.

docs/diagnostics.md says what each of them means.
"""

import re
from collections.abc import Mapping
from enum import Enum

OK, WARN, ERROR = 0, 1, 2
"""Levels, with the values of diagnostic_msgs/DiagnosticStatus."""


STATUS_NAME = "rgbt_segmenter: segmentation"
"""Name of the status in former versions, whatever the node was called; still understood by `pair_of_status`."""

_STATUS = re.compile(r".+: segmentation(?: of (\w+))?")


def status_name(node: str, pair: str = "") -> str:
    """Name of a status in /diagnostics, by which others find it.

    Args:
        node: its fully qualified name, as ``/robot/rgbt_segmenter``; it is also the status's hardware_id.
        pair: one of its camera pairs; empty for a node without `camera_pairs`.
    """
    task = f"segmentation of {pair}" if pair else "segmentation"
    return f"{node}: {task}"


def pair_of_status(name: str) -> str | None:
    """The camera pair that a status is of: empty for a node without `camera_pairs`, None if it is no status of ours.

    Whose it is says its hardware_id.
    """
    match = _STATUS.fullmatch(name)
    return None if match is None else match[1] or ""


class Key(str, Enum):
    """Keys of the values in a status, as they are written; those of drops are `Drop`."""

    MODEL = "model"
    MODEL_HASH = "model_hash"
    DEVICE = "device"
    DEVICE_MEMORY_MB = "device_memory_mb"
    RUNTIME = "runtime"
    RGB_CAMERA = "rgb_camera"
    THERMAL_CAMERA = "thermal_camera"
    RGB_IN = "rgb_in"
    THERMAL_IN = "thermal_in"
    PAIRS = "pairs"
    ALONE = "alone"
    REUSED = "reused"
    SIZE_CHANGES = "size_changes"
    INVALID_PIXELS = "invalid_pixels"
    SHUTTER = "shutter"
    RGB_LOST = "rgb_lost"
    THERMAL_LOST = "thermal_lost"
    RGB_MISSING_ESTIMATED = "rgb_missing_estimated"
    THERMAL_MISSING_ESTIMATED = "thermal_missing_estimated"
    UNPAIRED = "unpaired"
    WAITING = "waiting"
    MASKS = "masks"
    DETECTIONS = "detections"
    RGB_HZ = "rgb_hz"
    THERMAL_HZ = "thermal_hz"
    PAIR_HZ = "pair_hz"
    MASK_HZ = "mask_hz"
    NEWEST_SKEW_MS = "newest_skew_ms"
    SKEW_MS = "skew_ms"
    QUEUE_MS = "queue_ms"
    LATENCY_MS = "latency_ms"
    STAGE_MS = "stage_ms"

    __str__ = str.__str__

    def of(self, part: str) -> str:
        """Key of a percentile or of a stage, for instance ``latency_ms.p95``."""
        return f"{self.value}.{part}"


class Drop(str, Enum):
    """Why an image, or a pair, was not used; the value is its key in a status."""

    # Images.
    NO_PARTNER = "dropped.no_partner"
    """The other stream has no image where its rate promised one."""
    OVER_MAX_DT = "dropped.over_max_dt"
    """The other stream is running, but its nearest image is farther than max_dt."""
    SURPLUS = "dropped.surplus"
    """An image of the faster stream that is no image's nearest: what the difference of rates leaves over."""
    LATE = "dropped.late"
    """Its stream was overdue, and the other stream's images were decided without it."""
    DUPLICATE = "dropped.duplicate"
    """Its stamp is that of the image before."""
    OUT_OF_ORDER = "dropped.out_of_order"
    """Its stamp is a little before that of the image before."""
    FROZEN = "dropped.frozen"
    """Its camera repeats itself."""
    LOST = "dropped.lost"
    """It was published and did not come: by the middleware's numbers, or its events."""
    MISSING_ESTIMATED = "dropped.missing_estimated"
    """A gap in the stamps of a regular stream says that its camera should have sent it."""

    # Pairs, and images that are answered alone.
    PAUSED = "dropped.paused"
    """Inference was switched off by ~/enable."""
    OVER_MAX_RATE = "dropped.over_max_rate"
    """It was one more than max_rate allows."""
    SUPERSEDED = "dropped.superseded"
    """A newer one took its place while it waited."""
    STALE = "dropped.stale"
    """It was older than max_age when its turn came."""
    UNDECODABLE = "dropped.undecodable"
    """One of its images cannot be read."""
    SHUTTER = "dropped.shutter"
    """The thermal camera's shutter was closed."""
    UNREGISTERED = "dropped.unregistered"
    """It came before the camera_infos, or does not fit them."""
    FAILED = "dropped.failed"
    """An error in inference or publishing."""
    OVERFLOW = "dropped.overflow"
    """More than lossless.depth waited; also of images."""
    DEACTIVATED = "dropped.deactivated"
    """It still waited at deactivation."""

    __str__ = str.__str__

    @property
    def cause(self) -> str:
        """The name of the cause alone, as in logs and in summary.json."""
        return self.value.removeprefix("dropped.")


class Stage(str, Enum):
    """Parts of a pair's latency, in the order in which they follow each other."""

    TRANSPORT = "transport"
    PAIRING = "pairing"
    DECODE = "decode"
    PREPROCESS = "preprocess"
    INFERENCE = "inference"
    POSTPROCESS = "postprocess"
    DETECTIONS = "detections"
    PUBLISH = "publish"

    __str__ = str.__str__


BEFORE_INFERENCE = (Stage.TRANSPORT, Stage.PAIRING)
"""Stages in threads of their own, of each image: they go on while a pair is answered."""

OUTSIDE_MODEL = (*BEFORE_INFERENCE, Stage.DECODE, Stage.PUBLISH)
"""Stages that are the node's own cost: a smaller model or a faster device does not change them."""


PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}
"""Of latencies and stages, by the last part of their keys."""


def own_cost(medians_ms: Mapping[Stage, float]) -> tuple[float, float] | None:
    """Milliseconds of a pair outside the model (`OUTSIDE_MODEL`), and in it.

    Returns:
        Sums of the medians of the stages; None where no image was on its way, as in an offline run.
    """
    if Stage.TRANSPORT not in medians_ms:
        return None
    outside = sum(medians_ms.get(stage, 0.0) for stage in OUTSIDE_MODEL)
    return outside, sum(medians_ms.values()) - outside
