"""Pairers by the method that the parameters under `sync` ask for."""

from collections.abc import Callable
from functools import partial

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.pairing.nearest_pairer import NearestPairer
from rgbt_seg_ros.pairing.pairer import Pairer
from rgbt_seg_ros.settings import Settings

_CAPACITY = 64


def pairer_maker(settings: Settings) -> Callable[[], Pairer]:
    """What makes the pairers of `sync.method` nearest (own), approximate or exact (upstream message_filters).

    In lossless mode as many frames of a stream may wait as the queues in front of it hold: one camera's messages may
    come that far ahead of the other's.

    Raises:
        UserError: message_filters is asked for and not installed.
    """
    max_dt_ns = round(settings.sync.max_dt * 1e9)
    offset_ns = round(settings.sync.thermal_time_offset * 1e9)
    capacity = settings.lossless.depth if settings.is_lossless else _CAPACITY
    if settings.sync.method == "nearest":
        return partial(NearestPairer, max_dt_ns, offset_ns, capacity)
    try:
        from rgbt_seg_ros.ros.upstream_pairer import UpstreamPairer
    except ModuleNotFoundError as error:
        if error.name != "message_filters":
            raise
        raise UserError(
            f"parameter sync.method: {settings.sync.method} needs message_filters, which is not installed: "
            "apt install ros-jazzy-message-filters, or choose nearest"
        ) from None
    return partial(UpstreamPairer, settings.sync.method == "exact", max_dt_ns, offset_ns, capacity)
