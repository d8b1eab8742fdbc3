"""Pictures for people: masks as colours, tints and boxes over the RGB image, thermal in false colours."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.images.codec import (
    UndecodableImage,
    decode_compressed_rgb,
    decode_compressed_thermal_image,
    decode_rgb,
    decode_thermal_image,
)
from rgbt_seg_ros.images.palette import UnknownPalette
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.images.thermal_image import ThermalReading
from rgbt_seg_ros.masks.detections import Detection

_FONT = cv2.FONT_HERSHEY_SIMPLEX

_FOR_THE_EYE = ThermalNormalization(mode="percentile", low_percentile=0.5, high_percentile=99.8)


def colorize(mask: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Class ids uint8 or uint16 [H, W] in the colours of a palette uint8 [256, 3]: uint8 [H, W, 3].

    Colours come again after 256 classes; 65535, unlabeled in 16 bits, has the colour of 255, unlabeled in 8.
    """
    return cv2.applyColorMap(mask.astype(np.uint8, copy=False), palette.reshape(256, 1, 3))


def draw_overlay(
    rgb: np.ndarray,
    mask: np.ndarray,
    palette: np.ndarray,
    detections: Sequence[Detection] = (),
    alpha: float = 0.5,
) -> np.ndarray:
    """The RGB image with classes tinted and detections boxed and named, uint8 [H, W, 3]; the inputs stay as they are.

    Names never overlap: one that has no room at its box is left out.

    Args:
        rgb: uint8 [H, W, 3].
        mask: class ids, uint8 or uint16 [H, W].
        palette: colour of each id, uint8 [256, 3]; black ones (background, unlabeled) are not tinted.
        detections: boxes in the mask's pixels.
        alpha: weight of the class colour, 0 (none) to 1 (opaque).

    Raises:
        ValueError: image and mask differ in size.
    """
    if rgb.shape[:2] != mask.shape:
        raise ValueError(f"RGB image {list(rgb.shape[:2])} and mask {list(mask.shape)} differ in size")
    # By OpenCV, which does this ten times as fast as NumPy: the model waits until a node has published its answer.
    blend = cv2.addWeighted(rgb, 1.0 - alpha, colorize(mask, palette), alpha, 0.0)
    has_colour = np.where(palette.any(axis=1), 255, 0).astype(np.uint8)
    tinted = cv2.LUT(mask.astype(np.uint8, copy=False), has_colour)
    picture = cv2.copyTo(blend, tinted, rgb.copy())
    for detection in detections:
        left, top, right, bottom = _corners(detection)
        cv2.rectangle(picture, (left, top), (right, bottom), _color(palette, detection), _line_width(picture))
    taken = np.zeros(mask.shape, bool)
    # Large objects first: where names are crowded, those of small ones are left out.
    for detection in sorted(detections, key=lambda each: -each.size_x * each.size_y):
        _draw_name(picture, detection, _color(palette, detection), taken)
    return picture


def thermal_picture(thermal: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Thermal uint8 or uint16 [H, W] in false colours (inferno: cold is black, hot is yellow): uint8 [H, W, 3].

    Stretched over the image's own range whatever the network is fed with: cameras of fixed gain use a small part of
    theirs, which the eye sees as black. What is not `valid` (bool [H, W]; None: all is) has no part in that range.
    """
    grey = np.round(_FOR_THE_EYE(thermal, valid) * 255.0).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def thermal_message_picture(message: Any, compressed: bool = False) -> np.ndarray:
    """`thermal_picture` of a message, however it must be read: what the node is told of its camera is not known here.

    Raises:
        UndecodableImage: see `decode_thermal_image` and, of a CompressedImage, `decode_compressed_thermal_image`.
    """
    decode = decode_compressed_thermal_image if compressed else decode_thermal_image
    try:
        image = decode(message)
    except UndecodableImage as error:
        if isinstance(error.__cause__, UnknownPalette):
            # As the camera paints it, if we do not know how to undo that.
            return (decode_compressed_rgb if compressed else decode_rgb)(message)
        image = decode(message, ThermalReading(float_unit="celsius"))
    return thermal_picture(image.counts, image.valid)


def _corners(detection: Detection) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box's outermost pixels."""
    left = round(detection.center_x - (detection.size_x - 1) / 2)
    top = round(detection.center_y - (detection.size_y - 1) / 2)
    return left, top, round(left + detection.size_x - 1), round(top + detection.size_y - 1)


def _color(palette: np.ndarray, detection: Detection) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in palette[detection.class_id % len(palette)])
    # Background as a thing has no colour of its own.
    return (red, green, blue) if red + green + blue else (255, 255, 255)


def _line_width(picture: np.ndarray) -> int:
    """Lines and text scale with the image [pixels]."""
    return max(1, round(picture.shape[0] / 480))


def _draw_name(
    picture: np.ndarray, detection: Detection, color: tuple[int, int, int], taken: np.ndarray
) -> None:
    """Draw class name and score at a box, above it where there is room, and note their pixels in `taken` [H, W]."""
    line, scale = _line_width(picture), max(0.3, picture.shape[0] / 480 * 0.45)
    text = f"{detection.class_name} {detection.score:.2f}"
    (width, text_height), descent = cv2.getTextSize(text, _FONT, scale, line)
    height = text_height + descent + line
    place = _free_place(_corners(detection), width, height, taken)
    if place is None:
        return
    left, top = place
    taken[top : top + height, left : left + width] = True
    cv2.rectangle(picture, place, (left + width - 1, top + height - 1), color, cv2.FILLED)
    red, green, blue = color
    # Rec. 601 luma: black text on a light label, white on a dark one.
    ink = (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else (255, 255, 255)
    cv2.putText(picture, text, (left, top + text_height + line), _FONT, scale, ink, line, cv2.LINE_AA)


def _free_place(
    corners: tuple[int, int, int, int], width: int, height: int, taken: np.ndarray
) -> tuple[int, int] | None:
    """Left and top of the first place at a box that is within the image and free; None if there is none."""
    left, top, right, bottom = corners
    middle = (left + right - width) // 2
    for y in (top - height, top, bottom + 1, bottom + 1 - height, (top + bottom - height) // 2):
        for x in (left, right + 1 - width, middle, right + 1, left - width):
            x = max(0, min(x, taken.shape[1] - width))
            inside = 0 <= y <= taken.shape[0] - height and x + width <= taken.shape[1]
            if inside and not taken[y : y + height, x : x + width].any():
                return x, y
    return None
