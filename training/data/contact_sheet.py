"""A picture of a data set for people: some of its samples, and how often its classes occur."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import new_file
from rgbt_seg_ros.masks.classes import UNLABELED, UNLABELED_NAME, palette_for
from rgbt_seg_ros.masks.overlay import colorize, draw_overlay

from .inspection import InspectedImage, Inspection
from .sample import NOTHING, Sample, picture_of_thermal

ROWS = 6
_COLUMNS = 4
_CELL_WIDTH, _BAR_HEIGHT = 3.0, 0.24  # inches
_DPI = 100
_LEAST_PERCENT = 1e-3


def save_contact_sheet(path: str | Path, inspection: Inspection) -> None:
    """Write a PNG (or what the suffix says): a line of pictures for some samples, and a bar for each class.

    Raises:
        UserError: no sample is readable, or it cannot be written.
    """
    images = choose_images(list(inspection.images.values()))
    if not images:
        raise UserError(f"no sample of {inspection.dataset.title} is readable: there is nothing to draw")
    samples = [inspection.dataset.read_sample(image.paths, inspection.thermal_palette) for image in images]
    height, width = samples[0].label.shape
    pictures_height = 0.3 + len(samples) * (_CELL_WIDTH * height / width + 0.25)
    bars_height = _BAR_HEIGHT * (len(inspection.dataset.classes.names) + 1) + 0.9
    figure = Figure((_COLUMNS * _CELL_WIDTH, pictures_height + bars_height), dpi=_DPI, layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(pictures_height, bars_height))  # type: ignore[misc]
    known = sum(inspection.dataset.known_counts.values()) or len(inspection.samples())
    upper.suptitle(f"{inspection.dataset.title}: {len(inspection.images)} of {known} images", fontsize=10)
    palette = palette_for(inspection.dataset.classes.names)
    palette[UNLABELED] = NOTHING
    for line, sample in zip(upper.subplots(len(samples), _COLUMNS, squeeze=False), samples, strict=True):
        _draw_sample(line, sample, palette)
    _draw_classes(lower.subplots(1, 2, sharey=True), inspection, palette)
    with new_file(path) as file:
        figure.savefig(file, format=Path(path).suffix[1:] or "png")


def choose_images(images: Sequence[InspectedImage], count: int = ROWS) -> list[InspectedImage]:
    """Images that show as many classes as possible, then some spread evenly over the rest; in their order."""
    present = np.array([image.pixels[:UNLABELED] > 0 for image in images]).reshape(len(images), UNLABELED)
    chosen: list[int] = []
    shown = np.zeros(UNLABELED, bool)
    while len(chosen) < min(count, len(images)):
        added = (present & ~shown).sum(axis=1)
        if not added.any():
            break
        chosen.append(int(added.argmax()))
        shown |= present[chosen[-1]]
    rest = [i for i in range(len(images)) if i not in chosen]
    free = min(count - len(chosen), len(rest))
    chosen += [rest[(2 * i + 1) * len(rest) // (2 * free)] for i in range(free)]
    return [images[i] for i in sorted(chosen)]


def _draw_sample(line: Sequence[Axes], sample: Sample, palette: np.ndarray) -> None:
    overlay = draw_overlay(sample.rgb, sample.label, palette)
    pictures = (sample.rgb, picture_of_thermal(sample), colorize(sample.label, palette), overlay)
    thermal = "thermal" if sample.thermal_valid is None else "thermal (grey: missing)"
    titles = ("RGB", thermal, "label", "label over RGB")
    for axes, title, picture in zip(line, titles, pictures, strict=True):
        axes.imshow(picture, interpolation="antialiased")
        axes.set_title(title, loc="right", fontsize=8)
        axes.set_axis_off()
    line[0].set_title(sample.name, loc="left", fontsize=8, fontweight="bold")


def _draw_classes(panels: Sequence[Axes], inspection: Inspection, palette: np.ndarray) -> None:
    """Bars of the pixels and of the images with each class; their colours are the pictures' legend."""
    names = (*inspection.dataset.classes.names, UNLABELED_NAME)
    ids = [*range(len(names) - 1), UNLABELED]
    pixels, images = inspection.class_pixels()[ids], inspection.class_images()[ids]
    percent = 100.0 * pixels / max(1, pixels.sum())
    columns = (
        ("share of pixels", percent, [f"{value:.3g} %" if value else "none" for value in percent]),
        (f"images with the class, of {len(inspection.images)}", images, [str(count) for count in images]),
    )
    for axes, (title, values, texts) in zip(panels, columns, strict=True):
        # Zero has no place on a logarithmic scale: such a bar ends at the left border.
        bars = axes.barh(
            names,
            np.maximum(values, _LEAST_PERCENT),
            color=palette[ids] / 255,
            edgecolor="black",
            linewidth=0.6,
        )
        axes.bar_label(bars, texts, padding=3, fontsize=8)
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    ticks = (0.001, 0.01, 0.1, 1, 10, 100)
    panels[0].set(xscale="log", xlim=(_LEAST_PERCENT, 1000))
    panels[0].set_xticks(ticks, [f"{tick:g} %" for tick in ticks])
    panels[0].invert_yaxis()
    panels[1].set_xlim(0, 1.15 * max(1, images.max()))
    panels[1].xaxis.set_major_locator(MaxNLocator(integer=True))
