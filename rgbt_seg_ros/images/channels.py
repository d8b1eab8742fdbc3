"""The channels of an image, a strip at a time where all of it is looked at: large images leave no memory to spare."""

from collections.abc import Iterator

import cv2
import numpy as np

_STRIP_PIXELS = 1 << 20


def spread_of(image: np.ndarray) -> np.ndarray:
    """uint8 [h, w], difference of the largest and the smallest channel."""
    spread = np.empty(image.shape[:2], np.uint8)
    for rows in strips(image):
        part = image[rows]
        spread[rows] = cv2.subtract(largest(part), cv2.bitwise_not(largest(cv2.bitwise_not(part))))
    return spread


def strips(image: np.ndarray) -> Iterator[slice]:
    """Rows of an image, about a million pixels at once: what is computed on the way takes as much memory again."""
    height = max(1, _STRIP_PIXELS // max(image.shape[1], 1))
    return (slice(start, start + height) for start in range(0, len(image), height))


def upper_bits(image: np.ndarray) -> np.ndarray:
    """uint8 of an image uint16: the upper 8 bits of each value."""
    return np.right_shift(image, 8, out=np.empty(image.shape, np.uint8), casting="unsafe")


def largest(image: np.ndarray) -> np.ndarray:
    """uint8 [h, w], the largest of three channels; faster than numpy's by far."""
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)
