"""A data set of rendered stills on disk, in the layout of MSRS."""

import argparse
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.image_bytes import png
from rgbt_seg_ros.base.whole_files import new_folder, write_file
from rgbt_seg_ros.masks.classes import MFNET, palette_for
from rgbt_seg_ros.masks.overlay import colorize
from rgbt_seg_ros.scenes.still import SceneSample, render_still

_VAL_EVERY = 5
_SHEET_COLUMNS, _SHEET_ROWS, _SHEET_HEIGHT = 2, 8, 180


def write_data_set(args: argparse.Namespace) -> None:
    """Render what `python -m rgbt_seg_ros.scenes` was asked for."""
    # A folder that is there is written into: it may be a disk of its own.
    with nullcontext(args.output) if args.output.exists() else new_folder(args.output.absolute()) as folder:
        counts, strips = _write_stills(args, folder)
    if args.sheet:
        strips += [np.zeros_like(strips[0])] * (-len(strips) % _SHEET_COLUMNS)
        rows = [np.hstack(strips[i : i + _SHEET_COLUMNS]) for i in range(0, len(strips), _SHEET_COLUMNS)]
        write_file(args.sheet, png(np.vstack(rows)[..., ::-1]))
    print(f"{counts['train']} training and {counts['val']} validation pairs")
    name_files(("pictures", args.sheet), ("data set", args.output))


def _write_stills(args: argparse.Namespace, out: Path) -> tuple[dict[str, int], list[np.ndarray]]:
    """Write the data set; returns the number of pairs by split, and pictures of the first pairs for a sheet."""
    lists: dict[str, list[str]] = {"train": [], "val": []}
    strips = []
    for number in track(range(args.stills), description="rendering"):
        sample = render_still(args.seed + number, args.size, args.condition)
        name = f"{number:05d}{'N' if sample.night else 'D'}"
        for folder, image in (
            ("vi", sample.rgb[..., ::-1]),
            ("ir", sample.thermal),
            ("Segmentation_labels", sample.label),
        ):
            write_file(out / folder / f"{name}.png", png(image))
        lists["val" if number % _VAL_EVERY == _VAL_EVERY - 1 else "train"].append(name)
        if args.sheet and number < _SHEET_COLUMNS * _SHEET_ROWS:
            strips.append(_strip(sample))
    # Last, as a data set without them is not whole.
    for split, names in lists.items():
        write_file(out / f"{split}.txt", "".join(f"{name}\n" for name in names))
    return {split: len(names) for split, names in lists.items()}, strips


def _strip(sample: SceneSample) -> np.ndarray:
    """RGB, thermal and label colours side by side, uint8 RGB."""
    thermal = np.repeat(sample.thermal[..., None], 3, axis=2)
    strip = np.hstack([sample.rgb, thermal, colorize(sample.label, palette_for(MFNET.names))])
    return cv2.resize(
        strip,
        (round(strip.shape[1] * _SHEET_HEIGHT / strip.shape[0]), _SHEET_HEIGHT),
        interpolation=cv2.INTER_AREA,
    )
