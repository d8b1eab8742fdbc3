"""What `training.export` does once its arguments are known to be good."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import decode_json, encode_json
from rgbt_seg_ros.base.whole_files import new_file
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.models import ModelCard, file_hash, load_model, read_card
from rgbt_seg_ros.models.model_file import resolve_model
from rgbt_seg_ros.models.onnx_file import FORMAT_VERSION, Vectors
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.models.serving_form import serving_form
from rgbt_seg_ros.segmenter.class_selection import compares_with_text

from ..weights.export_formats import FORMATS, ExportFormat, Inputs, Network, trace

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
    own = network.get_buffer("class_embeddings")
    metadata = describe(card, file_hash(path), size, own)
    chosen = FORMATS[format_name]
    classes = own if chosen.takes_classes and compares_with_text(card) else None
    with console.status("writing and checking: this takes a minute or more"):
        checks = check_inputs(size, classes)
        program = trace(network, checks[-1])
        difference = write_checked(program, network, checks, chosen, output, encode_json(metadata), classes)
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
    checks: Sequence[Inputs],
    chosen: ExportFormat,
    output: Path,
    metadata: str,
    class_embeddings: Tensor | None = None,
) -> float:
    """Write what was traced, compare the file with the network on some inputs and only then give it its name.

    Returns:
        The largest difference from PyTorch's logits, as a part of the largest of these.

    Raises:
        UserError: it is above `TOLERANCE`, or not a number.
    """
    with new_file(output) as unfinished:
        # Both formats are told by the end of the name.
        written = unfinished.with_name(unfinished.name + chosen.suffix)
        try:
            chosen.write(program, written, metadata, class_embeddings)
            difference = largest_difference(network, chosen.load(written), checks)
            if not difference <= TOLERANCE:
                raise UserError(
                    f"the exported network differs from PyTorch by {difference:.1g} of the largest logit, more than "
                    f"{TOLERANCE:g}: {output} is not written; try the other format"
                )
            written.replace(unfinished)
        finally:
            written.unlink(missing_ok=True)
    return difference


def check_inputs(size: tuple[int, int], class_embeddings: Tensor | None) -> list[Inputs]:
    """What to compare networks with: `check_pairs`, and where class embeddings [N, D] are an input, N + 1 others."""
    pairs = check_pairs(size)
    if class_embeddings is None:
        return pairs
    draw = torch.Generator().manual_seed(1)
    others = torch.randn(len(class_embeddings) + 1, class_embeddings.shape[1], generator=draw)
    return [*pairs, (*pairs[0], F.normalize(others, dim=1))]


def check_pairs(size: tuple[int, int]) -> list[Inputs]:
    """Seeded scaled pairs [1, 3, H, W] to compare networks with: both images, RGB alone, thermal alone."""
    draw = torch.Generator().manual_seed(0)
    rgb = torch.randn(1, 3, *size, generator=draw)
    thermal = torch.rand(1, 1, *size, generator=draw).repeat(1, 3, 1, 1)
    missing = torch.zeros_like(rgb)
    return [(rgb, thermal), (rgb, missing), (missing, thermal)]


@torch.no_grad()
def largest_difference(network: nn.Module, exported: Network, checks: Sequence[Inputs]) -> float:
    """Of all logits of all inputs, as a part of the largest logit of the network; NaN if one is not finite."""
    differences = []
    for inputs in checks:
        expected, found = network(*inputs), exported(*inputs)
        differences.append(float((found - expected).abs().max() / expected.abs().max()))
    return float(np.max(differences))  # unlike max, NaN if one is


def describe(
    card: ModelCard, model_hash: str, size: tuple[int, int], class_embeddings: Tensor
) -> dict[str, object]:
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
        "palette": palette_for(card.class_names)[: len(card.class_names)].tolist(),
        "scaling": {"rgb": vars(rgb), "thermal": vars(thermal)},
        "class_embeddings": vars(Vectors.of(class_embeddings.numpy())),
        "card": decode_json(card.to_json(), dict),
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
