"""Images of a video with their own times, also where its frame rate varies; no ROS."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.headers.check import MAX_PIXELS, check_size
from rgbt_seg_ros.images.headers.header import RefusedImage

_ROUNDING_NS = 1_000_000
"""Times of a video at a fixed rate may differ from it by this: some containers count whole milliseconds."""

_COMPLETE = 0.9
"""Share of a video that must be readable. Containers may count a frame too many, but not a tenth of them."""

# The fifth byte on, of files that list every image, so that their number is exact.
_EXACT_COUNT = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


@dataclass(frozen=True)
class VideoInfo:
    """What a video says of itself: number of images, 0 if it does not, and images a second, on average."""

    count: int
    rate_hz: float


def read_info(path: Path, max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Open a video and look what it says.

    Raises:
        UserError: not a video, or one of larger images than are allowed.
    """
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise UserError(f"{path} is not a video that OpenCV can read: give a video or a folder of images")
        width, height = video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)
        _check_size(path, int(width), int(height), max_pixels)
        rate, count = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        video.release()
    is_known = math.isfinite(count) and count > 0
    return VideoInfo(int(count) if is_known else 0, rate if math.isfinite(rate) else 0.0)


def read_video(path: Path, info: VideoInfo, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[int, np.ndarray]]:
    """Images uint8 [H, W, 3], BGR, with their times in nanoseconds after the first one.

    Times are those of the file. Where these are the fixed rate's, but for rounding, the rate itself is taken. Images
    that have no time of their own follow each other at that rate.

    Raises:
        UserError: it holds no image that can be decoded, its images become larger than is allowed, or it breaks off.
    """
    video = cv2.VideoCapture(str(path))
    read, time_ns, first_ns, at_fixed_rate = 0, -1, 0, True
    try:
        while True:
            found, frame = video.read()
            if not found:
                break
            # Streams may change their size.
            _check_size(path, frame.shape[1], frame.shape[0], max_pixels)
            own_ns = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            if read == 0:
                first_ns = own_ns
            own_ns -= first_ns
            fixed_ns = round(read * 1e9 / info.rate_hz)
            at_fixed_rate = at_fixed_rate and abs(own_ns - fixed_ns) <= _ROUNDING_NS
            if at_fixed_rate:
                time_ns = fixed_ns
            else:
                time_ns = own_ns if own_ns > time_ns else time_ns + round(1e9 / info.rate_hz)
            read += 1
            yield time_ns, frame
    finally:
        video.release()
    if read == 0:
        raise UserError(f"video {path} holds no image that OpenCV can decode: convert it to H.264 in mp4")
    # Where images are not listed, their number is the duration times some rate.
    is_long_enough = not _counts_exactly(path) and time_ns + 1e9 / info.rate_hz >= (
        _COMPLETE * info.count * 1e9 / info.rate_hz
    )
    if read < _COMPLETE * info.count and not is_long_enough:
        raise UserError(
            f"video {path} breaks off after {read} of {info.count} images: it is damaged, copy it again"
        )


def _check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    try:
        check_size(width, height, max_pixels)
    except RefusedImage as error:
        raise UserError(f"video {path} {error}") from None


def _counts_exactly(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] in _EXACT_COUNT
