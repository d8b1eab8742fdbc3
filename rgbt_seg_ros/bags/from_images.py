"""From two videos, or two folders of images, to a rosbag2; no ROS."""

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from rgbt_seg_ros.bags.reader import RGB_TOPIC, THERMAL_TOPIC
from rgbt_seg_ros.bags.videos import VideoInfo, read_info, read_video
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import require_stream
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.images.files import checked_thermal, read_image, same_path, to_rgb
from rgbt_seg_ros.images.headers.check import MAX_PIXELS
from rgbt_seg_ros.images.palette import palette_note
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.images.thermal_image import ThermalReading
from rgbt_seg_ros.masks.labels import LABELS_FOLDER

START_NS = 1_700_000_000 * 1_000_000_000
RGB_FRAME = "rgb_optical_frame"
THERMAL_FRAME = "thermal_optical_frame"
FOLDER_RATE_HZ = 10.0

_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class ImageStream:
    """One stream to be recorded.

    Attributes:
        path: of the video or the folder.
        files: of the folder's images, in order; none of a video.
        count: how many images there are, 0 if that is not known.
        rate_hz: images a second; of a video on average.
        video: what a video says of itself, None of a folder.
        has_own_times: the images have the video's times, whatever its rate.
        max_pixels: a larger image is refused.
    """

    path: Path
    files: tuple[Path, ...]
    count: int
    rate_hz: float
    video: VideoInfo | None = None
    has_own_times: bool = False
    max_pixels: int = MAX_PIXELS

    def stamp_ns(self, index: int) -> int:
        """Stamp of the image at an index, at the stream's rate."""
        return START_NS + round(index * 1e9 / self.rate_hz)

    def name(self, index: int) -> str:
        """What errors call the image at an index."""
        return str(self.files[index]) if self.files else f"image {index + 1} of {self.path}"

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Images with their stamps, as they are stored: [H, W], or [H, W, 3 or 4] in OpenCV's order (BGR, BGRA).

        Raises:
            UserError: an image or the video cannot be read.
        """
        if self.video is None:
            for index, file in enumerate(self.files):
                yield self.stamp_ns(index), read_image(file, self.max_pixels)
            return
        for index, (time_ns, frame) in enumerate(read_video(self.path, self.video, self.max_pixels)):
            yield START_NS + time_ns if self.has_own_times else self.stamp_ns(index), frame


@dataclass(frozen=True)
class Written:
    """What was written of a stream: how many images, and whether they have the stamps of a fixed rate."""

    count: int
    at_fixed_rate: bool


def open_stream(path: Path, rate_hz: float | None, max_pixels: int = MAX_PIXELS) -> ImageStream:
    """A video or a folder of images; the times are the video's own, or 10 Hz for a folder, unless a rate is given.

    Raises:
        UserError: nothing there, no images in the folder, not a video, or a video that does not tell its rate or has
            too many pixels.
    """
    require_stream(path)
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in _IMAGE_SUFFIXES]
        if not files:
            kinds = " ".join(sorted(_IMAGE_SUFFIXES))
            raise UserError(f"{path} holds no images: expected files ending in one of {kinds}")
        files.sort(key=_natural_order)
        rate = rate_hz or FOLDER_RATE_HZ
        return ImageStream(path, tuple(files), len(files), rate, max_pixels=max_pixels)
    info = read_info(path, max_pixels)
    rate = rate_hz or info.rate_hz
    if not rate > 0:
        raise UserError(f"video {path} does not tell its frame rate: give it with --rate")
    if not info.rate_hz > 0:
        info = replace(info, rate_hz=rate)
    return ImageStream(path, (), info.count, rate, info, rate_hz is None, max_pixels)


def pair_folders(rgb: ImageStream, thermal: ImageStream) -> tuple[ImageStream, ImageStream]:
    """Two folders with one image each per pair: those of equal names where there are any, else by order.

    Raises:
        UserError: no equal names and different numbers of images.
    """
    names = {file.stem for file in rgb.files} & {file.stem for file in thermal.files}
    if names:
        return _only(rgb, names), _only(thermal, names)
    if rgb.count != thermal.count:
        raise UserError(
            f"{rgb.path} holds {rgb.count} images and {thermal.path} {thermal.count}, and no names are equal: "
            "make the names or the numbers equal"
        )
    return rgb, thermal


def make_recording(
    path: Path,
    rgb: Path,
    thermal: Path,
    rate_hz: float | None = None,
    thermal_encoding: str | None = None,
    labels: Path | None = None,
    reading: ThermalReading | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Write two videos or folders as a rosbag2, and print what came of it.

    Args:
        path: the new bag's folder.
        rgb, thermal: a video or a folder of images each; one folder, if its images hold both as MFNet's do.
        rate_hz: see `open_stream`.
        thermal_encoding, labels, reading: see `write_bag`.
        max_pixels: a larger image is refused.

    Raises:
        UserError: see `open_stream`, `pair_folders` and `write_bag`.
    """
    rgb_stream, thermal_stream = (open_stream(path, rate_hz, max_pixels) for path in (rgb, thermal))
    if rgb_stream.files and thermal_stream.files:
        before = rgb_stream.count + thermal_stream.count
        rgb_stream, thermal_stream = pair_folders(rgb_stream, thermal_stream)
        left_out = before - rgb_stream.count - thermal_stream.count
        if left_out:
            print(f"{left_out} images have no partner of the same name and are left out")
    if labels and not rgb_stream.files:
        raise UserError(
            "--labels needs --rgb to be a folder: labels are found by the names of the RGB images"
        )
    written_rgb, written_thermal = write_bag(
        path, rgb_stream, thermal_stream, thermal_encoding, labels, reading
    )
    rate = f"at {rgb_stream.rate_hz:g} Hz" if written_rgb.at_fixed_rate else "at the video's own times"
    print(f"{written_rgb.count} RGB images {rate}, {written_thermal.count} thermal")


def write_bag(
    path: Path,
    rgb: ImageStream,
    thermal: ImageStream,
    thermal_encoding: str | None = None,
    labels: Path | None = None,
    reading: ThermalReading | None = None,
) -> tuple[Written, Written]:
    """Write the recording. Thermal pixels that are missing are 0, those under an overlay keep their nearest value.

    Args:
        path: the new bag's folder.
        rgb: stream of /rgb/image (rgb8).
        thermal: stream of /thermal/image.
        thermal_encoding: `mono8` or `mono16`; None keeps the depth of the stream. 8 bits are widened so that 255
            becomes 65535; 16 bits are reduced image by image, as `ThermalNormalization` does.
        labels: folder with a label for each image of the RGB folder, of equal names, copied to `labels/` in the bag.
        reading: what thermal images do not say of themselves; None: the defaults.

    Returns:
        What was written of the RGB stream, and of the thermal one.

    Raises:
        UserError: an image that cannot be read, or is not what it is given as, a missing label, or a bag that exists
            already.
    """
    together = same_path(rgb.path, thermal.path)
    rgb_frames = ((stamp, "rgb", frame) for stamp, frame in rgb.frames())
    thermal_frames = ((stamp, "thermal", frame) for stamp, frame in thermal.frames())
    frames = heapq.merge(rgb_frames, thermal_frames, key=lambda frame: frame[:2])
    streams = {"rgb": rgb, "thermal": thermal}
    written = {kind: Written(0, True) for kind in streams}
    palette = table = ""
    newest_rgb: tuple[np.ndarray, str] | None = None
    with BagWriter(path) as bag:
        for stamp, kind, frame in track(frames, f"writing {path}", total=rgb.count + thermal.count or None):
            index, at_fixed_rate = written[kind].count, written[kind].at_fixed_rate
            written[kind] = Written(index + 1, at_fixed_rate and stamp == streams[kind].stamp_ns(index))
            if kind == "rgb":
                image = to_rgb(frame, rgb.name(index), holds_thermal=together)
                bag.write(RGB_TOPIC, bag.image(image, stamp, RGB_FRAME), stamp)
                newest_rgb = None if together else (frame, rgb.name(index))
                continue
            found = checked_thermal(
                frame,
                reading or ThermalReading(),
                thermal.name(index),
                table,
                newest_rgb,
                holds_rgb=together,
            )
            table = found.table or table
            if found.palette and found.palette != palette:
                palette = found.palette
                print(f"{thermal.path}: {palette_note(palette)}")
            image = _to_depth(found.counts, thermal_encoding)
            bag.write(THERMAL_TOPIC, bag.image(image, stamp, THERMAL_FRAME), stamp)
        if labels is not None:
            _copy_labels(labels, rgb, bag.folder / LABELS_FOLDER)
    return written["rgb"], written["thermal"]


def _copy_labels(labels: Path, rgb: ImageStream, target: Path) -> None:
    for index, file in enumerate(rgb.files):
        label = labels / f"{file.stem}.png"
        if not label.is_file():
            raise UserError(f"there is no label {label} for {file}: labels have the RGB images' names")
        write_file(target / f"{rgb.stamp_ns(index)}.png", label.read_bytes())


def _to_depth(thermal: np.ndarray, encoding: str | None) -> np.ndarray:
    if encoding == "mono16" and thermal.dtype == np.uint8:
        return thermal.astype(np.uint16) * 257
    if encoding == "mono8" and thermal.dtype == np.uint16:
        return np.rint(ThermalNormalization()(thermal) * 255).astype(np.uint8)
    return thermal


def _only(stream: ImageStream, names: set[str]) -> ImageStream:
    files = tuple(file for file in stream.files if file.stem in names)
    return replace(stream, files=files, count=len(files))


def _natural_order(file: Path) -> tuple[list[tuple[int, str]], str]:
    pieces = re.findall(r"\d+|\D+", file.name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], file.name
