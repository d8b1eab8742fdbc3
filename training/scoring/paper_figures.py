"""The figures of the papers: models side by side, heat maps, features of pixels in the plane, similarity of classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from safetensors import SafetensorError

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import new_file
from rgbt_seg_ros.images.pair import resize_image
from rgbt_seg_ros.masks.classes import UNLABELED, palette_for
from rgbt_seg_ros.masks.overlay import colorize
from rgbt_seg_ros.masks.scores import image_miou
from rgbt_seg_ros.models.safetensors_file import open_tensors

from ..data.sample import NOTHING, Sample, picture_of_thermal
from .features import FeatureProbe, sample_pixels
from .protocols import segment_sample

SIMILARITY_FOLDER = "class_similarity"
"""In a run's folder: a file for each validation, with the tensors `visual` and `text`, [N, N], and `seen`, [N]."""

_CELL, _DPI = 2.6, 150
_PER_CLASS = 200
_SHOWN_STEPS = 4


@dataclass(frozen=True)
class Picture:
    """One cell of a sheet: uint8 [h, w, 3], and what is written over it."""

    title: str
    pixels: np.ndarray


def save_side_by_side(path: Path, probes: Mapping[str, FeatureProbe], samples: Sequence[Sample]) -> None:
    """Write a line for each sample: RGB, thermal, label and each model's answer with its mIoU (SHIFNet 5, SARTM 4-6).

    Args:
        path: PNG, PDF or SVG.
        probes: models by title, all of the same classes.
        samples: of these classes.
    """
    names = next(iter(probes.values())).segmenter.class_names
    palette = _palette(names)
    lines = []
    for sample in samples:
        line = [*_inputs(sample), Picture("label", colorize(sample.label, palette))]
        for title, probe in probes.items():
            mask = segment_sample(probe.segmenter, sample).mask
            miou = image_miou(sample.label, mask, len(names))
            score = "" if miou is None else f" {100 * miou:.1f} %"
            line.append(Picture(f"{title}{score}", colorize(mask, palette)))
        lines.append((sample.name, line))
    _save_sheet(path, lines, _legend(names, palette))


def save_heat_maps(
    path: Path,
    probes: Mapping[str, FeatureProbe],
    samples: Sequence[Sample],
    classes: Sequence[int],
    level: int,
) -> None:
    """Write a line for each sample and class: RGB, thermal, label, and where each model's fused map speaks for it.

    These are the heat maps of SHIFNet's figure 4.

    Args:
        path: PNG, PDF or SVG.
        probes, samples: as in `save_side_by_side`.
        classes: ids; a sample without labels of a class has no line for it.
        level: of the fused maps, 0 is the finest.

    Raises:
        UserError: no sample shows one of the classes, or there is no such level.
    """
    names = next(iter(probes.values())).segmenter.class_names
    palette = _palette(names)
    lines = []
    for sample in samples:
        for class_id in classes:
            if not (sample.label == class_id).any():
                continue
            line = [*_inputs(sample), Picture("label", colorize(sample.label, palette))]
            for title, probe in probes.items():
                line.append(Picture(title, _heat(sample.rgb, probe.heat_map(sample, class_id, level))))
            lines.append((f"{sample.name}: {names[class_id]}", line))
    if not lines:
        raise UserError(
            "none of these images shows one of the classes: choose others with --images or --class"
        )
    _save_sheet(path, lines, _legend(names, palette))


def save_feature_maps(
    path: Path, probes: Mapping[str, FeatureProbe], samples: Sequence[Sample], seed: int = 0
) -> None:
    """Write a panel for each model: features of pixels of all samples, brought into the plane by t-SNE (SARTM 7).

    Args:
        path: PNG, PDF or SVG.
        probes, samples: as in `save_side_by_side`.
        seed: of the pixels that are drawn and of t-SNE.

    Raises:
        UserError: scikit-learn is missing, or too few pixels are labelled.
    """
    if find_spec("sklearn") is None:
        raise UserError("t-SNE needs the package scikit-learn: run `pip install scikit-learn`")
    from sklearn.manifold import TSNE

    names = next(iter(probes.values())).segmenter.class_names
    palette = _palette(names)
    figure = Figure((4.2 * len(probes), 4.6), dpi=_DPI, layout="constrained")
    shown: set[int] = set()
    for axes, (title, probe) in zip(
        np.ravel(figure.subplots(1, len(probes), squeeze=False)), probes.items(), strict=True
    ):
        features, labels = sample_pixels(probe, samples, _PER_CLASS, seed)
        if len(features) < 8:
            raise UserError(f"only {len(features)} labelled positions: take more images with --count")
        perplexity = min(30.0, (len(features) - 1) / 3)
        unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
        points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(unit)
        axes.scatter(*points.T, s=6, c=_ink(palette, names)[labels] / 255, linewidths=0)
        axes.set_title(title, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        shown |= set(labels.tolist())
    colors = _ink(palette, names)
    handles = [Patch(facecolor=colors[i] / 255, label=names[i]) for i in sorted(shown)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4 * len(probes), fontsize=7)
    _save(path, figure)


def save_similarities(path: Path, runs: Mapping[str, Path], names: Mapping[str, Sequence[str]]) -> None:
    """Write a line for each run: how alike its classes were at some validations, and their texts (SARTM 8).

    Args:
        path: PNG, PDF or SVG.
        runs: folders by title, in which training has logged `SIMILARITY_FOLDER`.
        names: of the classes, by the same titles.

    Raises:
        UserError: a run has logged nothing, or a file is damaged.
    """
    lines = {title: _logged(folder) for title, folder in runs.items()}
    columns = max(len(panels) for panels in lines.values())
    figure = Figure((2.6 * columns + 1.2, 2.9 * len(lines)), dpi=_DPI, layout="constrained")
    grid = figure.subplots(len(lines), columns, squeeze=False)
    for row, (title, panels) in zip(grid, lines.items(), strict=True):
        for axes in row[len(panels) :]:
            axes.set_axis_off()
        for axes, (caption, matrix) in zip(row, panels, strict=False):
            axes.imshow(matrix, cmap="viridis", vmin=-1.0, vmax=1.0)
            axes.set_title(f"{title}, {caption}", fontsize=8)
            _label_axes(axes, names[title], first=axes is row[0])
    figure.colorbar(grid[0, 0].images[0], ax=grid, shrink=0.8, label="cosine")
    _save(path, figure)


def _logged(folder: Path) -> list[tuple[str, np.ndarray]]:
    """Captions and matrices [N, N] of some validations of a run, evenly chosen, and of the text; NaN where unseen."""
    files = sorted((folder / SIMILARITY_FOLDER).glob("step_*.safetensors"))
    if not files:
        raise UserError(
            f"{folder} has no {SIMILARITY_FOLDER}/: training logs it for SARTM with a prototype loss (loss.prototype)"
        )
    places = np.unique(np.linspace(0, len(files) - 1, _SHOWN_STEPS).round().astype(int))
    panels = []
    text = None
    for file in (files[i] for i in places):
        try:
            with open_tensors(file) as tensors:
                visual, seen, text = (tensors.get_tensor(name).numpy() for name in ("visual", "seen", "text"))
        except (SafetensorError, OSError) as error:
            raise UserError(f"{file} is damaged ({error}): remove it") from error
        visual[~seen] = np.nan
        visual[:, ~seen] = np.nan
        panels.append((f"step {int(file.stem.partition('_')[2])}", visual))
    assert text is not None
    return [*panels, ("text", text)]


def _label_axes(axes: Axes, names: Sequence[str], first: bool) -> None:
    places = range(len(names))
    axes.set_xticks(places, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=5)
    axes.set_yticks(places, names if first else [], fontsize=5) if first else axes.set_yticks([])


def _palette(names: Sequence[str]) -> np.ndarray:
    palette = palette_for(names)
    palette[UNLABELED] = NOTHING
    return palette


def _ink(palette: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The palette on white paper: float64 [256, 3]; black background is grey, so that it does not cover the rest."""
    colors = palette.astype(np.float64)
    colors[: len(names)][(palette[: len(names)] == 0).all(axis=1)] = 170.0
    return colors


def _inputs(sample: Sample) -> list[Picture]:
    size = (sample.label.shape[0], sample.label.shape[1])
    return [
        Picture("RGB", resize_image(sample.rgb, size)),
        Picture("thermal", resize_image(picture_of_thermal(sample), size)),
    ]


def _heat(rgb: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The map over a grey image: uint8 [H, W, 3]."""
    from matplotlib import colormaps

    colored = 255.0 * colormaps["jet"](heat)[..., :3]
    grey = rgb.mean(axis=2, keepdims=True)
    return np.clip(0.5 * colored + 0.5 * grey, 0, 255).astype(np.uint8)


def _legend(names: Sequence[str], palette: np.ndarray) -> list[Patch]:
    return [
        Patch(facecolor=palette[i] / 255, edgecolor="black", linewidth=0.5, label=name)
        for i, name in enumerate(names)
    ]


def _save_sheet(path: Path, lines: Sequence[tuple[str, Sequence[Picture]]], legend: list[Patch]) -> None:
    columns = max(len(pictures) for _, pictures in lines)
    heights = [
        _CELL * pictures[0].pixels.shape[0] / pictures[0].pixels.shape[1] + 0.4 for _, pictures in lines
    ]
    tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0.0, hspace=0.0)
    figure = Figure((columns * _CELL, sum(heights) + 0.7), dpi=_DPI, layout=tight)
    grid = figure.subplots(len(lines), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, (title, pictures) in zip(grid, lines, strict=True):
        for axes, picture in zip(row, pictures, strict=True):
            axes.imshow(picture.pixels, interpolation="antialiased")
            axes.set_title(picture.title, loc="left", fontsize=7)
            axes.set_axis_off()
        row[0].set_title(f"{title}\n{pictures[0].title}", loc="left", fontsize=7)
    figure.legend(handles=legend, loc="outside lower center", ncols=6, fontsize=7)
    _save(path, figure)


def _save(path: Path, figure: Figure) -> None:
    with new_file(path) as file:
        figure.savefig(file, format=path.suffix[1:])
