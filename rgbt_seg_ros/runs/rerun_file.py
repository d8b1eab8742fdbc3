"""A run as a Rerun recording (.rrd): pictures, masks, detections and numbers on the time of the images' stamps."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rgbt_seg_ros.base.file_limits import read_bounded
from rgbt_seg_ros.base.image_bytes import jpeg
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.images.checked_files import read_stored
from rgbt_seg_ros.masks.classes import UNLABELED, UNLABELED_16, palette_for
from rgbt_seg_ros.runs.folder import PICTURE_KINDS, Box, RunFolder, picture_path, truth_path

if TYPE_CHECKING:
    import rerun

TIMELINE = "stamp"
"""Of a recording timestamps; of a data set the places of its images."""

RGB, THERMAL, CONFIDENCE = "camera/rgb", "thermal", "confidence"
MASK, DETECTIONS, LABEL = "camera/mask", "camera/detections", "label"
LATENCY, SKEW, MEAN_CONFIDENCE = "numbers/latency_ms", "numbers/skew_ms", "numbers/confidence"

_JPEG_QUALITY = 85
_MAX_JPEG_BYTES = 8 << 20


def write_rerun_file(run: RunFolder, path: Path) -> int:
    """Write a run as one .rrd file: frames that have pictures, and the numbers of all masks.

    Mask and boxes are in their own pixels; RGB is brought to the mask's size, as Rerun lays both on each other.

    Args:
        run: what is left of it is written.
        path: replaced when the file is whole.

    Returns:
        how many frames have pictures in it.

    Raises:
        ImportError: rerun-sdk is not installed.
        UserError: the file cannot be written, or a picture of the run cannot be read.
    """
    import rerun
    from rerun import blueprint

    known = {mask.stamp_ns for mask in run.masks}
    stamps = [stamp for stamp in run.pictured_stamps() if stamp in known]
    # In memory first, tens of megabytes: on a full disk Rerun's own writer, a thread, ends without a word, and its
    # user waits for it for ever.
    with rerun.RecordingStream("rgbt_seg_ros") as recording:
        stream = recording.binary_stream()
        recording.send_blueprint(_blueprint(blueprint, run, stamps))
        recording.log("/", _annotations(rerun, run), static=True)
        for stamp in stamps:
            _log_frame(rerun, recording, run, stamp)
        _log_numbers(rerun, recording, run)
        write_file(path, stream.read() or b"")
    return len(stamps)


def _is_recording(run: RunFolder) -> bool:
    return all(mask.name is None for mask in run.masks)


def _annotations(sdk: Any, run: RunFolder) -> "rerun.AnnotationContext":
    """Names and colours by class id; what is black in overlays is clear, as there."""
    palette = palette_for(run.class_names)
    colors = [palette[min(i, UNLABELED)].tolist() for i in range(len(run.class_names))]
    infos = [
        sdk.AnnotationInfo(id=i, label=name, color=(*color, 255 if any(color) else 0))
        for i, (name, color) in enumerate(zip(run.class_names, colors, strict=True))
    ]
    # 255 is a class of those who have so many.
    free = [each for each in (UNLABELED, UNLABELED_16) if each >= len(run.class_names)]
    infos += [sdk.AnnotationInfo(id=each, label="unlabeled", color=(0, 0, 0, 0)) for each in free]
    return sdk.AnnotationContext(infos)


def _blueprint(sdk: Any, run: RunFolder, stamps: list[int]) -> Any:
    """What the viewer shows at first."""
    views = [
        sdk.Spatial2DView(origin="camera", name="classes"),
        sdk.Spatial2DView(origin=THERMAL, name="thermal"),
        sdk.Spatial2DView(origin=CONFIDENCE, name="confidence"),
    ]
    if any(truth_path(run.path, stamp).is_file() for stamp in stamps):
        views.append(sdk.Spatial2DView(origin=LABEL, name="label"))
    numbers = [
        sdk.TimeSeriesView(origin=origin, name=name)
        for origin, name in ((LATENCY, "latency, ms"), (SKEW, "thermal − RGB, ms"))
    ]
    rows = sdk.Vertical(sdk.Grid(*views), sdk.Horizontal(*numbers), row_shares=[3, 1])
    return sdk.Blueprint(rows, collapse_panels=True)


def _set_time(recording: "rerun.RecordingStream", run: RunFolder, stamp: int) -> None:
    if _is_recording(run):
        recording.set_time(TIMELINE, timestamp=np.datetime64(stamp, "ns"))
    else:
        recording.set_time(TIMELINE, sequence=stamp)


def _log_frame(sdk: Any, recording: "rerun.RecordingStream", run: RunFolder, stamp: int) -> None:
    """Everything of a frame; what it lacks is cleared, so that nothing of the frame before stands for it."""
    _set_time(recording, run, stamp)
    mask, truth = run.mask_image(stamp), run.truth_image(stamp)
    entities: dict[str, Any] = dict.fromkeys((RGB, THERMAL, CONFIDENCE, LABEL))
    entities[MASK] = sdk.SegmentationImage(mask)
    entities[DETECTIONS] = _boxes(sdk, run, run.detections.get(stamp, ()))
    if truth is not None:
        entities[LABEL] = sdk.SegmentationImage(truth)
    for kind, entity in zip(PICTURE_KINDS, (RGB, THERMAL, CONFIDENCE), strict=True):
        path = picture_path(run.path, stamp, kind)
        if path.is_file() and path not in run.damaged:
            size = None if kind == "thermal" else (mask.shape[1], mask.shape[0])
            entities[entity] = sdk.EncodedImage(contents=_picture(path, size), media_type="image/jpeg")
    for entity, content in entities.items():
        recording.log(entity, sdk.Clear(recursive=False) if content is None else content)


def _picture(path: Path, size: tuple[int, int] | None) -> bytes:
    """A picture's JPEG; at another size, width and height, encoded anew."""
    data = read_bounded(path, _MAX_JPEG_BYTES)
    if size is None:
        return data
    image = read_stored(path)
    if image is None or (image.shape[1], image.shape[0]) == size:
        return data
    return jpeg(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), _JPEG_QUALITY)


def _boxes(sdk: Any, run: RunFolder, boxes: tuple[Box, ...]) -> "rerun.Boxes2D":
    """Detections that have a place; pixel centres, at integers here, are at halves in Rerun."""
    ids = {name: i for i, name in enumerate(run.class_names)}
    centers, sizes, labels, classes = [], [], [], []
    for box in boxes:
        if box.center_x is None or box.center_y is None or box.size_x is None or box.size_y is None:
            continue
        centers.append((box.center_x + 0.5, box.center_y + 0.5))
        sizes.append((box.size_x, box.size_y))
        labels.append(box.class_name if box.score is None else f"{box.class_name} {box.score:.2f}")
        classes.append(ids.get(box.class_name, UNLABELED))
    return sdk.Boxes2D(
        centers=np.array(centers, np.float32).reshape(-1, 2),
        sizes=np.array(sizes, np.float32).reshape(-1, 2),
        labels=labels,
        class_ids=classes,
    )


def _log_numbers(sdk: Any, recording: "rerun.RecordingStream", run: RunFolder) -> None:
    """Latency, skew and mean confidence of every mask that has one."""
    of_masks: dict[str, Callable[[Any], float | None]] = {
        LATENCY: lambda mask: mask.latency_ms,
        SKEW: lambda mask: mask.skew_ms,
        MEAN_CONFIDENCE: lambda mask: run.confidence.get(mask.stamp_ns),
    }
    for entity, value_of in of_masks.items():
        values: Mapping[int, float] = {
            mask.stamp_ns: value for mask in run.masks if (value := value_of(mask)) is not None
        }
        if not values:
            continue
        places = np.array(list(values), np.int64)
        if _is_recording(run):
            index = sdk.TimeColumn(TIMELINE, timestamp=places.astype("datetime64[ns]"))
        else:
            index = sdk.TimeColumn(TIMELINE, sequence=places)
        recording.log(entity, sdk.SeriesPoints(names=entity.rpartition("/")[2]), static=True)
        columns = sdk.Scalars.columns(scalars=np.array(list(values.values())))
        recording.send_columns(entity, indexes=[index], columns=columns)
