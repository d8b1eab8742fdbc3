"""RGB and thermal images from files: any format and layout that OpenCV reads, 8 or 16 bits."""

from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.orientation import read_upright


def read_image(file: Path) -> np.ndarray:
    """An image as it is stored: uint8 or uint16 [H, W], or [H, W, 3 or 4] in OpenCV's order of channels (BGR, BGRA).

    It is turned as the file says of the camera's orientation.

    Raises:
        UserError: not an image, more than one, or neither 8 nor 16 bits deep.
    """
    # Tried first, because OpenCV writes a warning of its own about files that it cannot open.
    if not file.is_file():
        raise UserError(f"there is no image {file}: give the path of one")
    image = read_upright(file)
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{file} cannot be read as an 8 or 16 bit image: replace it or take it out")
    return image


def to_rgb(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] in RGB order, of an image as `read_image` gives it; of 16 bits the upper 8 are kept."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def to_thermal(image: np.ndarray) -> np.ndarray:
    """uint8 or uint16 [H, W], of an image as `read_image` gives it; equal channels become one."""
    if image.ndim == 2:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGRA2GRAY if image.shape[2] == 4 else cv2.COLOR_BGR2GRAY)
