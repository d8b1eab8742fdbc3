"""Image messages that belong together to mask and detections: the core that node and offline runner share; no rclpy."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rgbt_seg_ros.images.codec import (
    decode_compressed_rgb,
    decode_compressed_thermal_image,
    decode_rgb,
    decode_thermal_image,
)
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.images.palette import palette_note
from rgbt_seg_ros.images.thermal_image import ThermalImage
from rgbt_seg_ros.masks.detections import Detection
from rgbt_seg_ros.masks.overlay import thermal_picture
from rgbt_seg_ros.pipeline.objects import ObjectFinder
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.settings import Settings

Register = Callable[[np.ndarray, tuple[int, int]], tuple[np.ndarray, np.ndarray]]
"""From a thermal image [h, w] and the RGB image's (height, width) to thermal [H, W] and bool [H, W], False where no
thermal pixel is."""


@dataclass(frozen=True)
class Answer:
    """What became of a pair.

    Attributes:
        message: the message it answers, whose header its outputs carry: the RGB one, or the thermal one without it.
        images: the decoded images.
        segmentation: classes of the pixels of the image that it answers.
        detections: objects among them.
        stage_ms: milliseconds of decode, the segmenter's stages and detections, in this order.
    """

    message: Any
    images: ImagePair
    segmentation: Segmentation
    detections: list[Detection]
    stage_ms: dict[str, float]

    @property
    def picture(self) -> np.ndarray:
        """What the mask can be drawn on: the RGB image, or the thermal one in false colours; uint8 [H, W, 3]."""
        if self.images.rgb is not None:
            return self.images.rgb
        assert self.images.thermal is not None
        return thermal_picture(self.images.thermal, self.images.thermal_valid)


class SeenPalette:
    """The false colours of a thermal camera's last image: a hint for the next one, and said once.

    Args:
        say: told a sentence when they are found, and when they have changed.

    Attributes:
        table: `ThermalImage.table` of the last image in false colours; empty: there was none.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.table = ""
        self._said = ""
        self._say = say

    def see(self, image: ThermalImage) -> None:
        """Take note of an image's palette, if it was in one."""
        if image.palette:
            self.table = image.table
            if image.palette != self._said:
                self._said = image.palette
                self._say(palette_note(image.palette))


def answer_pair(
    segmenter: Segmenter,
    settings: Settings,
    rgb_message: Any,
    thermal_message: Any,
    register: Register | None = None,
    follow: Callable[[ImagePair], ImagePair | None] | None = None,
    palette: SeenPalette | None = None,
    finder: ObjectFinder | None = None,
    stamp_ns: int = 0,
) -> Answer | None:
    """Decode, segment and find the objects of one pair; the arguments are those of the functions below.

    Args:
        follow: what the thermal images before say of this one, see `ThermalFollower.follow`; None: nothing.
        palette: of the thermal images before; None: not known.
        finder: of the objects in the images before; None: there were none.
        stamp_ns: of the image that is answered, for the finder.

    Returns:
        None if the thermal camera's shutter was closed and RGB alone is not to be answered (`thermal.on_missing`).

    Raises:
        ValueError: see the functions below, or the segmenter's output is not finite.
    """
    started = time.perf_counter()
    images, _ = decode_images(settings, rgb_message, thermal_message, palette)
    images = register_thermal(images, register)
    if follow is not None:
        followed = follow(images)
        if followed is None and settings.thermal.on_missing == "drop":
            return None
        images = followed or ImagePair(images.rgb, None)
    decode_ms = 1e3 * (time.perf_counter() - started)
    (segmentation,) = segmenter.segment([images])
    return complete_answer(
        settings, rgb_message, images, decode_ms, segmentation, finder or ObjectFinder(), stamp_ns
    )


def decode_images(
    settings: Settings, rgb_message: Any, thermal_message: Any, palette: SeenPalette | None = None
) -> tuple[ImagePair, int]:
    """The images of one pair, as the cameras see them, and the number of thermal pixels that are no temperatures.

    Args:
        settings: say whether the messages are sensor_msgs/Image or CompressedImage, and what thermal ones mean.
        rgb_message: or None where the RGB camera is missing.
        thermal_message: or None where the thermal camera is missing.
        palette: of the thermal images before, which this one's is added to; None: not known.

    Raises:
        UndecodableImage: one of the messages holds no image that can be read.
        ValueError: the images are no pair, see `ImagePair`.
    """
    rgb = thermal = valid = span = None
    defects = 0
    if rgb_message is not None:
        compressed = settings.rgb_transport == "compressed"
        rgb = (decode_compressed_rgb if compressed else decode_rgb)(rgb_message, settings.max_pixels)
    if thermal_message is not None:
        compressed = settings.thermal_transport == "compressed"
        decode = decode_compressed_thermal_image if compressed else decode_thermal_image
        before = "" if palette is None else palette.table
        found = decode(thermal_message, settings.thermal.reading, before, settings.max_pixels)
        if palette is not None:
            palette.see(found)
        normalizer = settings.thermal.normalizer
        known = None if found.valid is None else settings.thermal.cropped(found.valid)
        thermal, valid, defects = normalizer.clean(settings.thermal.cropped(found.counts), known)
        span = normalizer.least_span(thermal, valid)
    return ImagePair(rgb, thermal, valid, thermal_span=span), defects


def register_thermal(images: ImagePair, register: Register | None) -> ImagePair:
    """Bring the thermal pixels onto the RGB image, where there are both; None: they show the same view.

    Raises:
        ValueError: the rule does not fit the images' sizes.
    """
    if register is None or images.rgb is None or images.thermal is None:
        return images
    thermal, valid = register(images.thermal, images.size)
    if images.thermal_valid is not None:
        # Known is only what is made of known pixels alone.
        known, _ = register(images.thermal_valid.astype(np.uint8) * 255, images.size)
        valid = valid & (known == 255)
    return replace(images, thermal=thermal, thermal_valid=valid)


def complete_answer(
    settings: Settings,
    message: Any,
    images: ImagePair,
    decode_ms: float,
    segmentation: Segmentation,
    finder: ObjectFinder,
    stamp_ns: int,
) -> Answer:
    """Find the objects in a segmentation."""
    started = time.perf_counter()
    camera = "thermal" if images.rgb is None else "rgb"
    detections = finder.find(settings, segmentation, camera, stamp_ns)
    detections_ms = 1e3 * (time.perf_counter() - started)
    stage_ms = {"decode": decode_ms, **segmentation.stage_ms, "detections": detections_ms}
    return Answer(message, images, segmentation, detections, stage_ms)
