"""Pictures and boxes of a frame as a page holds them: data addresses, colours that can be told apart at night."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import read_bounded
from rgbt_seg_ros.masks.classes import UNLABELED, palette_for
from rgbt_seg_ros.report_page.format import words
from rgbt_seg_ros.runs.folder import PICTURE_KINDS, Box, RunFolder, picture_path, truth_path
from rgbt_seg_ros.runs.writer import PICTURE_WIDTH

ERROR_COLOR = (255, 48, 48)
MAX_JPEG_BYTES = 8 << 20
"""Of one picture; those that are written here are 480 pixels wide and have some ten kilobytes."""

_JPEG_START = b"\xff\xd8"

BLACK = "#000000"
"""Color of classes that are not shown over images."""


@dataclass(frozen=True)
class PageBox:
    """A detection on the page: left, top, width and height in the mask's pixels, what is written at it, CSS colour.

    `name` is its class's.
    """

    rectangle: tuple[float, float, float, float]
    text: str
    color: str
    name: str


def boxes_for_page(boxes: Iterable[Box], class_names: Sequence[str]) -> list[PageBox]:
    """Detections in their classes' colours; their pixel centres are at integers, the page's at halves.

    Those without a place are left out.
    """
    colors = colors_of(class_names)
    placed = []
    for box in boxes:
        x, y, width, height = box.center_x, box.center_y, box.size_x, box.size_y
        if x is None or y is None or width is None or height is None:
            continue
        rectangle = (
            round(x - width / 2 + 0.5, 1),
            round(y - height / 2 + 0.5, 1),
            round(width, 1),
            round(height, 1),
        )
        score = "" if box.score is None else f" {box.score:.2f}"
        color = colors.get(box.class_name, "#ffffff")
        placed.append(PageBox(rectangle, f"{words(box.class_name)}{score}", color, box.class_name))
    return placed


def colors_of(class_names: Sequence[str]) -> dict[str, str]:
    """Each class's colour on the page, as CSS."""
    palette = palette_for(class_names)
    return {
        name: "#{:02x}{:02x}{:02x}".format(*palette[min(i, UNLABELED)]) for i, name in enumerate(class_names)
    }


def camera_pictures(run: RunFolder, stamp_ns: int) -> dict[str, str]:
    """What was kept of a frame's images, as data addresses by kind."""
    paths = {kind: picture_path(run.path, stamp_ns, kind) for kind in PICTURE_KINDS}
    there = {kind: path for kind, path in paths.items() if path.is_file() and path not in run.damaged}
    found = {kind: read_bounded(path, MAX_JPEG_BYTES) for kind, path in there.items()}
    return {kind: _address(data, "jpeg") for kind, data in found.items() if data.startswith(_JPEG_START)}


def mask_pictures(run: RunFolder, stamp_ns: int) -> dict[str, str]:
    """A frame's mask, and with a label that and the errors: transparent pictures as data addresses by kind."""
    palette = palette_for(run.class_names)
    mask = run.mask_image(stamp_ns)
    pictures = {"mask": layer(mask, palette)}
    truth = run.truth_image(stamp_ns)
    if truth is not None:
        if truth.shape != mask.shape:
            raise UserError(
                f"{truth_path(run.path, stamp_ns)} is {truth.shape} and its mask {mask.shape}: make the page "
                "with the labels of this run"
            )
        wrong = ((truth != mask) & (truth != UNLABELED)).astype(np.uint8)
        pictures |= {
            "truth": layer(truth, palette),
            "errors": layer(wrong, np.array([(0, 0, 0), ERROR_COLOR])),
        }
    return pictures


def layer(ids: np.ndarray, palette: np.ndarray) -> str:
    """Ids [H, W] in a palette's colours as a PNG's data address; black ones are transparent, as in overlays."""
    height, width = ids.shape
    if width > PICTURE_WIDTH:
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        ids = cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST)
    image = Image.fromarray(ids.astype(np.uint8), "P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(
        file, "PNG", optimize=True, transparency=bytes(255 * (palette.max(axis=1) > 0).astype(np.uint8))
    )
    return _address(file.getvalue(), "png")


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
