"""Files of config/cameras, and what the pipeline answers with them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from camera_streams import Moment
from places import REPOSITORY

from rgbt_seg_ros.images.codec import encode_image
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.pipeline.answer import answer_pair
from rgbt_seg_ros.pipeline.thermal_limits import ThermalFollower
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings import Settings

FOLDER = REPOSITORY / "config" / "cameras"
PERSON = MFNET.names.index("person")


def parameters_of(path: Path) -> dict[str, Any]:
    """Values by their full names."""
    (node, content), *others = yaml.safe_load(path.read_text()).items()
    assert (node, others) == ("/**", [])
    return dict(_flat(content["ros__parameters"]))


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def settings_in(path: Path) -> Settings:
    return Settings.read(parameters_of(path))


def masks_of(
    segmenter: Segmenter, settings: Settings, stream: Iterable[Moment]
) -> dict[int, np.ndarray | None]:
    """The masks by stamp, as the offline runner makes them; None where the shutter was seen."""
    follower = ThermalFollower(settings.thermal.normalizer, settings.thermal.time_constant)
    masks: dict[int, np.ndarray | None] = {}
    for moment in stream:
        rgb, thermal = encode_image(moment.rgb), encode_image(moment.thermal)
        follow = partial(follower.follow, stamp_ns=moment.stamp_ns)
        answer = answer_pair(segmenter, settings, rgb, thermal, follow=follow)
        masks[moment.stamp_ns] = None if answer is None else answer.segmentation.mask
    return masks


def person_iou(moments: Sequence[Moment], masks: Mapping[int, np.ndarray | None]) -> float:
    """Of the people in all these images together; the classes are MFNet's."""
    both = either = 0
    for moment in moments:
        mask = masks[moment.stamp_ns]
        assert mask is not None
        found, there = mask == PERSON, moment.label == PERSON
        both += int((found & there).sum())
        either += int((found | there).sum())
    return both / either
