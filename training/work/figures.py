"""What `training.figures` does once its arguments are known to be good."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.masks.classes import BACKGROUND, UNLABELED, find_name
from rgbt_seg_ros.models import read_card

from ..data.on_disk import DatasetOnDisk
from ..data.sample import Sample
from ..scoring.features import FeatureProbe
from ..scoring.paper_figures import save_feature_maps, save_heat_maps, save_side_by_side, save_similarities

_HEAT_CLASSES = 3


def run(args: argparse.Namespace, drawn: Mapping[str, Path], source: DatasetOnDisk | None) -> None:
    """Draw runs or models by their titles, models on samples of a data set."""
    if source is None:
        _draw_similarities(args, drawn)
    else:
        _draw_models(args, drawn, source)
    name_files((args.kind, args.output))


def _draw_similarities(args: argparse.Namespace, runs: Mapping[str, Path]) -> None:
    save_similarities(args.output, dict(runs), {title: _classes_of_run(run) for title, run in runs.items()})


def _classes_of_run(run: Path) -> tuple[str, ...]:
    for name in ("best.safetensors", "last.safetensors"):
        if (run / name).is_file():
            return read_card(run / name).class_names
    raise UserError(f"{run} holds no model (best.safetensors): give the folder of a run")


def _draw_models(args: argparse.Namespace, models: Mapping[str, Path], source: DatasetOnDisk) -> None:
    samples = _samples(source, args)
    prepare_process()
    probes = {title: FeatureProbe(path, args.device) for title, path in models.items()}
    for title, probe in probes.items():
        if probe.segmenter.class_names != source.classes.names:
            raise UserError(
                f"{title} knows {', '.join(probe.segmenter.class_names)}, but {args.data} is labelled with "
                f"{', '.join(source.classes.names)}: give models of this data set's classes"
            )
    if args.kind == "side-by-side":
        save_side_by_side(args.output, probes, samples)
    elif args.kind == "heat-maps":
        save_heat_maps(args.output, probes, samples, _heat_classes(args, source, samples), args.level)
    else:
        save_feature_maps(args.output, probes, samples, args.seed)


def _samples(source: DatasetOnDisk, args: argparse.Namespace) -> list[Sample]:
    """The named samples, or so many, evenly chosen."""
    if args.images:
        wanted = args.images.split(",")
        if missing := [name for name in wanted if name not in source.names]:
            raise UserError(
                f"{args.data} {args.split} has no image {missing[0]}: it has {source.names[0]}, ..."
            )
        return [source[source.names.index(name)] for name in wanted]
    count = min(args.count or {"features": 20}.get(args.kind, 4), len(source))
    return [source[(2 * i + 1) * len(source) // (2 * count)] for i in range(count)]


def _heat_classes(args: argparse.Namespace, source: DatasetOnDisk, samples: Sequence[Sample]) -> list[int]:
    """The asked ones, or those that most samples show, without background."""
    names = source.classes.names
    if args.classes:
        return [names.index(find_name(name, names) or name) for name in args.classes.split(",")]
    shown = np.sum([np.bincount(s.label.ravel(), minlength=256)[:UNLABELED] > 0 for s in samples], axis=0)
    ids = [
        i
        for i in np.argsort(-shown, kind="stable")
        if i < len(names) and names[i] not in BACKGROUND and shown[i]
    ]
    return [int(i) for i in ids[:_HEAT_CLASSES]]
