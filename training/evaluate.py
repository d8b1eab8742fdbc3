"""Scores of a model file on a split of a data set, at the labels' native resolution."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.evaluation import ConfusionMatrix
from rgbt_seg_ros.segmenter import Segmenter

from .datasets import DATASETS, Sample, Source, open_dataset

MODALITIES = ("both", "rgb", "thermal")
# MFNet and MSRS tell day from night by the last letter of a name.
SUBSETS = {"day": "D", "night": "N"}


def score(
    segmenter: Segmenter, source: Source, modality: str = "both", description: str | None = None
) -> dict[str, Any]:
    """Scores over all samples from one integer confusion matrix.

    Args:
        segmenter: the model in service form.
        source: samples whose labels are ids of the model's classes, or 255.
        modality: `both`, or the only one that the model is given, `rgb` or `thermal`.
        description: of the progress bar; None shows none.

    Returns:
        `miou`, `macc`, `iou` and `acc` {class: value or None}, `images`, and `subsets` {day, night} of the same
        (None where no name ends in D or N).
    """
    names = segmenter.class_names
    total = ConfusionMatrix(len(names))
    parts = {subset: ConfusionMatrix(len(names)) for subset in SUBSETS}
    images = dict.fromkeys(SUBSETS, 0)
    indices = range(len(source))
    for index in indices if description is None else track(indices, description):
        sample = source[index]
        mask = _segment(segmenter, sample, modality)
        total.update(sample.label, mask)
        for subset, letter in SUBSETS.items():
            if sample.name.endswith(letter):
                parts[subset].update(sample.label, mask)
                images[subset] += 1
    subsets = {
        subset: {**parts[subset].as_dict(names), "images": images[subset]} if images[subset] else None
        for subset in SUBSETS
    }
    return {**total.as_dict(names), "images": len(source), "subsets": subsets}


def _segment(segmenter: Segmenter, sample: Sample, modality: str) -> np.ndarray:
    rgb = None if modality == "thermal" else sample.rgb
    thermal = None if modality == "rgb" else sample.thermal
    return segmenter(rgb, thermal).mask


def _run(args: argparse.Namespace) -> None:
    source = open_dataset(args.data, args.root, args.split)
    segmenter = Segmenter.load(args.model, device=args.device)
    if segmenter.class_names != source.classes.names:
        raise UserError(
            f"the model {args.model} knows {', '.join(segmenter.class_names)}, but {args.data} is labelled with "
            f"{', '.join(source.classes.names)}: give a model of this data set's classes"
        )
    print(f"{len(source)} images of {args.data} {args.split} on {segmenter.device}")
    scores = score(segmenter, source, args.modality, "scoring")
    result = {
        **scores,
        "protocol": "native",
        "data": args.data,
        "split": args.split,
        "modality": args.modality,
        "model_hash": segmenter.model_hash,
    }
    if args.json:
        path = Path(args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n")
    _print_table(scores)


def _print_table(scores: dict[str, Any]) -> None:
    from rich.console import Console

    table = Table("class", "IoU", "Acc", "IoU day", "IoU night")
    for name in scores["iou"]:
        subsets = [part and part["iou"][name] for part in scores["subsets"].values()]
        table.add_row(name, *map(_percent, [scores["iou"][name], scores["acc"][name], *subsets]))
    subsets = [part and part["miou"] for part in scores["subsets"].values()]
    table.add_section()
    table.add_row("mean", *map(_percent, [scores["miou"], scores["macc"], *subsets]))
    Console().print(table)


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.evaluate",
        "Score a model on a split of a data set: IoU and accuracy by class, means, day and night.",
        """python -m training.evaluate --model default --data msrs --root DIR --split val --json scores.json
        python -m training.evaluate --model runs/a/best.safetensors --data mfnet --root DIR --split test
        python -m training.evaluate --model default --data msrs --root DIR --split val --modality thermal""",
    )
    parser.add_argument("--model", default="default", help="model file, or 'default' (packaged)")
    parser.add_argument("--data", required=True, choices=sorted(DATASETS), help="layout of the data set")
    parser.add_argument("--root", required=True, help="folder of the data set")
    parser.add_argument(
        "--split", default="test", help="SPLIT.txt in the folder names the images (default: test)"
    )
    parser.add_argument(
        "--modality", default="both", choices=MODALITIES, help="give the model only this one (default: both)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--json", help="write the scores to this file")
    return run_command(parser, _run, argv)


if __name__ == "__main__":
    sys.exit(main())
