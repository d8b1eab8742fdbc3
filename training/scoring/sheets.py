"""Pictures of a model's scores for people: images beside labels and predictions, and the confusion of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from rgbt_seg_ros.base.whole_files import new_file
from rgbt_seg_ros.images.pair import resize_image
from rgbt_seg_ros.masks.classes import UNLABELED, UNLABELED_NAME, palette_for
from rgbt_seg_ros.masks.overlay import colorize
from rgbt_seg_ros.masks.scores import ConfusionMatrix, image_miou
from rgbt_seg_ros.segmenter import Segmenter

from ..data.sample import NOTHING, Sample, picture_of_thermal
from .protocols import segment_sample

_COLUMNS = ("RGB", "thermal", "label", "prediction", "errors (red)")
_CELL_WIDTH, _CELL_MARGIN = 2.6, 0.4  # inches
_DPI = 120
_WRONG = (255, 0, 0)


@dataclass(frozen=True)
class SheetRow:
    """One line of a sheet.

    Attributes:
        title: what is written over it.
        sample: its images are shown.
        label: uint8 [h, w], 255 = ignored.
        mask: uint8 [h, w], the prediction; 255 = unknown.
    """

    title: str
    sample: Sample
    label: np.ndarray
    mask: np.ndarray


def save_prediction_sheet(path: str | Path, segmenter: Segmenter, samples: Sequence[Sample]) -> None:
    """Write a picture of what a model makes of samples: a line for each, with its name and mIoU (see `save_sheet`)."""
    rows = []
    for sample in samples:
        mask = segment_sample(segmenter, sample).mask
        title = image_title(sample.name, image_miou(sample.label, mask, len(segmenter.class_names)))
        rows.append(SheetRow(title, sample, sample.label, mask))
    save_sheet(path, rows, segmenter.class_names)


def image_title(name: str, miou: float | None) -> str:
    """An image's name with its score."""
    return f"{name}: nothing labelled" if miou is None else f"{name}: mIoU {100 * miou:.1f} %"


def save_sheet(path: str | Path, rows: Sequence[SheetRow], class_names: Sequence[str]) -> None:
    """Write a PNG (or what the suffix says) with a line per row: RGB, thermal, label, prediction and errors.

    Errors are labelled pixels with another prediction. A legend names the colours of the classes.
    """
    palette = palette_for(class_names)
    palette[UNLABELED] = NOTHING
    shapes = [row.label.shape for row in rows]
    heights = [_CELL_WIDTH * height / width + _CELL_MARGIN for height, width in shapes]
    size = (len(_COLUMNS) * (_CELL_WIDTH + 0.05), sum(heights) + 0.9)
    tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.05, wspace=0.0, hspace=0.0)
    figure = Figure(size, dpi=_DPI, layout=tight)
    grid = figure.subplots(len(rows), len(_COLUMNS), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, line in zip(rows, grid, strict=True):
        for axes, picture, column in zip(line, _pictures(row, palette), _COLUMNS, strict=True):
            axes.imshow(picture, interpolation="antialiased")
            axes.set_title(column, loc="left", fontsize=8)
            axes.set_axis_off()
        # A line of its own: names of files may be wider than a column.
        line[0].set_title(f"{row.title}\n{_COLUMNS[0]}", loc="left", fontsize=8)
    figure.legend(handles=_legend(class_names, palette), loc="outside lower center", ncols=6, fontsize=8)
    with new_file(path) as file:
        figure.savefig(file, format=Path(path).suffix[1:] or "png")


def _pictures(row: SheetRow, palette: np.ndarray) -> tuple[np.ndarray, ...]:
    """One for each of the columns, uint8 [h, w, 3] at the label's size."""
    size = (row.label.shape[0], row.label.shape[1])
    rgb = resize_image(row.sample.rgb, size)
    errors = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None] // 2, 3, axis=2)
    errors[row.label != row.mask] = _WRONG
    errors[row.label == UNLABELED] = NOTHING  # whatever was predicted there
    thermal = resize_image(picture_of_thermal(row.sample), size)
    return rgb, thermal, colorize(row.label, palette), colorize(row.mask, palette), errors


def _legend(class_names: Sequence[str], palette: np.ndarray) -> list[Patch]:
    entries = [
        *((name, palette[i]) for i, name in enumerate(class_names)),
        ("unlabeled, or no thermal", palette[UNLABELED]),
    ]
    return [
        Patch(facecolor=color / 255, edgecolor="black", linewidth=0.5, label=name) for name, color in entries
    ]


def save_confusion(
    path: str | Path, confusion: ConfusionMatrix, class_names: Sequence[str], title: str
) -> None:
    """Write a PNG (or what the suffix says) of the matrix: percentages of each label's pixels by prediction.

    A label without pixels has an empty row; there is a column `unlabeled` if the model gave any pixel no class.
    """
    labelled = confusion.matrix.sum(axis=1, keepdims=True)
    percent = np.where(labelled > 0, 100.0 * confusion.matrix / np.maximum(labelled, 1), np.nan)
    columns = [*class_names, UNLABELED_NAME]
    if not confusion.matrix[:, -1].any():
        percent, columns = percent[:, :-1], columns[:-1]
    width = 0.62 * len(columns) + 2.2
    figure = Figure((width, 0.46 * len(class_names) + 2.2), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(percent, cmap="Blues", vmin=0.0, vmax=100.0, aspect="auto")
    for (row, column), value in np.ndenumerate(percent):
        if np.isfinite(value):
            text = "" if value == 0 else f"{value:.1f}" if value >= 0.05 else "<0.1"
            ink = "white" if value > 55 else "black"
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set(xlabel="prediction (% of the label's pixels)", ylabel="label")
    axes.set_title(title, fontsize=10)
    with new_file(path) as file:
        figure.savefig(file, format=Path(path).suffix[1:] or "png")
