"""Write a model's network for runtimes that know nothing of this package: as ONNX, or for `torch.export.load`.

The file is compared with PyTorch before it is there under its name.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import nn
from torch.export import ExportedProgram

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import new_file
from rgbt_seg_ros.models import ModelCard, file_hash, load_model, read_card
from rgbt_seg_ros.models.model_file import resolve_model
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.models.serving_form import serving_form

from ..weights.export_formats import FORMATS, ExportFormat, Network, Pair, trace

FORMAT_VERSION = 1
TOLERANCE = 1e-4
"""Largest difference from PyTorch's logits, as a part of the largest of these, with which a file is still written."""


@dataclass(frozen=True)
class Scaling:
    """What makes network inputs of pixels: input = factor * pixel + offset, for each of three channels.

    Pixels are 0..255 of RGB, and 0..1 of thermal, the same in three channels.
    """

    factor: tuple[float, ...]
    offset: tuple[float, ...]


def export_model(
    model: str | Path, format_name: str, size: tuple[int, int], output: Path, console: Console
) -> None:
    """Write the network of a model file in its serving form, float32, for pairs of one size (height, width).

    Raises:
        UserError: missing or damaged model, or a file that does not say what PyTorch says.
    """
    path = resolve_model(model)
    card = read_card(path)
    network = serving_form(load_model(path))
    metadata = describe(card, file_hash(path), size)
    with console.status("writing and checking: this takes a minute or more"):
        pairs = check_pairs(size)
        program = trace(network, pairs[0])
        difference = write_checked(
            program, network, pairs, FORMATS[format_name], output, encode_json(metadata)
        )
    height, width = size
    console.print(
        f"{card.arch} {card.config.get('size', '')}, {height}x{width}, {len(card.class_names)} classes, "
        f"{output.stat().st_size / 1e6:.1f} MB"
    )
    console.print(f"differs from PyTorch by {difference:.1g} of the largest logit ({TOLERANCE:g} is allowed)")
    if card.short_side is not None and min(size) != card.short_side:
        console.print(
            f"note: this model was trained on images shrunk to a short side of {card.short_side} pixels and does "
            "best at such a size"
        )
    name_files(("exported model", output))


def write_checked(
    program: ExportedProgram,
    network: nn.Module,
    pairs: Sequence[Pair],
    chosen: ExportFormat,
    output: Path,
    metadata: str,
) -> float:
    """Write what was traced, compare the file with the network on the pairs and only then give it its name.

    Returns:
        The largest difference from PyTorch's logits, as a part of the largest of these.

    Raises:
        UserError: it is above `TOLERANCE`, or not a number.
    """
    with new_file(output) as unfinished:
        # Both formats are told by the end of the name.
        written = unfinished.with_name(unfinished.name + chosen.suffix)
        try:
            chosen.write(program, written, metadata)
            difference = largest_difference(network, chosen.load(written), pairs)
            if not difference <= TOLERANCE:
                raise UserError(
                    f"the exported network differs from PyTorch by {difference:.1g} of the largest logit, more than "
                    f"{TOLERANCE:g}: {output} is not written; try the other format"
                )
            written.replace(unfinished)
        finally:
            written.unlink(missing_ok=True)
    return difference


def check_pairs(size: tuple[int, int]) -> list[Pair]:
    """Seeded scaled pairs [1, 3, H, W] to compare networks with: both images, RGB alone, thermal alone."""
    draw = torch.Generator().manual_seed(0)
    rgb = torch.randn(1, 3, *size, generator=draw)
    thermal = torch.rand(1, 1, *size, generator=draw).repeat(1, 3, 1, 1)
    missing = torch.zeros_like(rgb)
    return [(rgb, thermal), (rgb, missing), (missing, thermal)]


@torch.no_grad()
def largest_difference(network: nn.Module, exported: Network, pairs: Sequence[Pair]) -> float:
    """Of all logits of all pairs, as a part of the largest logit of the network; NaN if one is not finite."""
    differences = []
    for pair in pairs:
        expected, found = network(*pair), exported(*pair)
        differences.append(float((found - expected).abs().max() / expected.abs().max()))
    return float(np.max(differences))  # unlike max, NaN if one is


def describe(card: ModelCard, model_hash: str, size: tuple[int, int]) -> dict[str, object]:
    """What the exported file says of itself: all that is needed to make its inputs and to read its logits."""
    rgb, thermal = pixel_scaling(card.scaling)
    return {
        "format_version": FORMAT_VERSION,
        "model_hash": model_hash,
        "arch": card.arch,
        "config": card.config,
        "size": size,
        "short_side": card.short_side,
        "class_names": card.class_names,
        "thing_classes": card.thing_classes,
        "scaling": {"rgb": vars(rgb), "thermal": vars(thermal)},
    }


def pixel_scaling(rule: InputScaling) -> tuple[Scaling, Scaling]:
    """An input scaling in plain numbers, for RGB and for thermal."""
    rgb_ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    thermal_ends = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    return _line(rule.rgb(rgb_ends), span=255.0), _line(rule.thermal(thermal_ends), span=1.0)


def _line(ends: torch.Tensor, span: float) -> Scaling:
    """Through what the lowest and the highest pixel value become, [2, 3, 1, 1]."""
    lowest, highest = ends.flatten(1)
    return Scaling(tuple(((highest - lowest) / span).tolist()), tuple(lowest.tolist()))


def run(args: argparse.Namespace) -> None:
    export_model(args.model, args.format, args.size, args.output, Console())
