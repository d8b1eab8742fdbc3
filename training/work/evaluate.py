"""What `training.evaluate` does once its arguments are known to be good."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from torch import distributed

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.models import read_card
from rgbt_seg_ros.runs.evaluation import Evaluation, ImageScore, SplitScores
from rgbt_seg_ros.runs.written import name_run
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.devices import device_of_process

from ..config.schema import MODALITIES
from ..data.sources import DatasetOnDisk
from ..scoring.counts import Counts, count
from ..scoring.protocols import Protocol, protocol_for, segment_sample
from ..scoring.report import write_score_report
from ..scoring.sheets import SheetRow, image_title, save_confusion, save_sheet
from ..scoring.table import MODALITY_TITLES, percent, score_table

_HEADS = {"mask": "mask", "auxiliary": "aux", "mean": "mean"}
"""Words of `--head`, and what SARTM calls them."""

_SHEET_IMAGES = 4  # best ones, and as many worst
# A process that is done waits for the slowest one, which on a CPU may take hours; a dead one is noticed by torchrun.
_WAIT = timedelta(days=2)


def run(args: argparse.Namespace, source: DatasetOnDisk) -> None:
    """Score a model on a split."""
    prepare_process()
    with _process_group() as first:
        # fp32 also on a GPU: one number wherever it is measured, and the one that training validates with.
        protocol = protocol_for(args.protocol, args.data, read_card(args.model).arch)
        segmenter = Segmenter.load(
            args.model, device_of_process(args.device), "fp32", head=_HEADS.get(args.head, protocol.head)
        )
        _check_classes(segmenter, source, args)
        if first:
            images = f"{len(source)} image" + ("" if len(source) == 1 else "s")
            print(f"{images} of {args.data} {args.split} on {segmenter.device}, {args.protocol} protocol")
        counts = {}
        for modality in MODALITIES if args.modality == "all" else (args.modality,):
            description = f"scoring {MODALITY_TITLES[modality]}" if first else None
            counts[modality] = count(
                segmenter, source, protocol, modality, args.tta, description, shared=True
            )
    if first:
        _report(args, segmenter, source, protocol, counts)


def _report(
    args: argparse.Namespace,
    segmenter: Segmenter,
    source: DatasetOnDisk,
    protocol: Protocol,
    counts: dict[str, Counts],
) -> None:
    """Print the table and write what was asked for; pictures are of the first modality, which in `all` is both."""
    names = segmenter.class_names
    scores = {modality: part.scores(names) for modality, part in counts.items()}
    Console().print(score_table(scores, args.protocol))
    modality, main = next(iter(counts.items()))
    evaluation = _evaluation(args, segmenter, scores, main)
    if args.json:
        write_file(args.json, encode_json(evaluation.to_json(), indent=2) + "\n")
    if args.report:
        write_score_report(args.report, segmenter, source, protocol, modality, evaluation)
    if args.confusion:
        name = protocol.name + " with tta" * args.tta
        title = f"{args.data} {args.split}, {name}, {MODALITY_TITLES[modality]}"
        miou = percent(scores[modality].miou)
        save_confusion(args.confusion, main.total, names, f"{title}: mIoU {miou} %")
    if args.sheet:
        rows = []
        for place, image in _best_and_worst(main.per_image):
            sample = source[image.index]
            mask = segment_sample(segmenter, sample, protocol, modality, args.tta).mask
            title = f"{place}: {image_title(image.name, image.miou)}"
            rows.append(SheetRow(title, sample, protocol.label(sample), mask))
        save_sheet(args.sheet, rows, names)
    if args.report:
        name_run(args.report)
    name_files(
        ("best and worst images", args.sheet), ("confusion matrix", args.confusion), ("scores", args.json)
    )


def _evaluation(
    args: argparse.Namespace, segmenter: Segmenter, scores: dict[str, SplitScores], main: Counts
) -> Evaluation:
    return Evaluation(
        next(iter(scores.values())),
        data=args.data,
        split=args.split,
        protocol=args.protocol,
        tta=args.tta,
        thermal=args.thermal,
        modality=args.modality,
        model=str(args.model),
        model_hash=segmenter.model_hash,
        confusion=main.total.matrix.tolist(),
        per_image=tuple(main.per_image),
        modalities=scores if args.modality == "all" else None,
    )


def _best_and_worst(images: Sequence[ImageScore]) -> list[tuple[str, ImageScore]]:
    """Images of the highest mIoU and, after them, of the lowest, each with its place; none is in both."""
    scored = [(image.miou, image) for image in images if image.miou is not None]
    ranked = [image for _, image in sorted(scored, key=lambda entry: entry[0], reverse=True)]
    best = ranked[: min(_SHEET_IMAGES, (len(ranked) + 1) // 2)]
    worst = ranked[len(best) :][-_SHEET_IMAGES:]
    return [
        *((f"best {place}", image) for place, image in enumerate(best, 1)),
        *((f"worst {len(worst) - i}", image) for i, image in enumerate(worst)),
    ]


def _check_classes(segmenter: Segmenter, source: DatasetOnDisk, args: argparse.Namespace) -> None:
    if segmenter.class_names != source.classes.names:
        raise UserError(
            f"the model {args.model} knows {', '.join(segmenter.class_names)}, but {args.data} is labelled with "
            f"{', '.join(source.classes.names)}: give a model of this data set's classes"
        )


@contextmanager
def _process_group() -> Iterator[bool]:
    """The processes that torchrun started, joined, if it did; tells whether this is the first."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    # gloo also on GPUs: what is exchanged are small objects of the CPU.
    distributed.init_process_group("gloo", timeout=_WAIT)
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()
