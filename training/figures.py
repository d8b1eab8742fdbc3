"""The figures of the SHIFNet and SARTM papers of models of your own: `python -m training.figures KIND ...`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rgbt_seg_ros.base.cli import command_parser, positive_count, run_command
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.masks.classes import BACKGROUND, UNLABELED, find_name
from rgbt_seg_ros.models import read_card

from .data.on_disk import DatasetOnDisk
from .data.sample import Sample
from .data.sources import DATA_NAMES, open_dataset
from .scoring.features import FeatureProbe
from .scoring.paper_figures import save_feature_maps, save_heat_maps, save_side_by_side, save_similarities

KINDS = ("side-by-side", "heat-maps", "features", "similarity")
_FORMATS = (".png", ".pdf", ".svg")
_HEAT_CLASSES = 3


def _run(args: argparse.Namespace) -> None:
    if args.kind == "similarity":
        _draw_similarities(args)
    else:
        _draw_models(args)
    print(f"{args.output}: {args.kind}")


def _draw_similarities(args: argparse.Namespace) -> None:
    runs = {title: Path(path) for title, path in _titled(args.run, "--run RUN").items()}
    save_similarities(args.output, runs, {title: _classes_of_run(run) for title, run in runs.items()})


def _classes_of_run(run: Path) -> tuple[str, ...]:
    for name in ("best.safetensors", "last.safetensors"):
        if (run / name).is_file():
            return read_card(run / name).class_names
    raise UserError(f"{run} holds no model (best.safetensors): give the folder of a run")


def _draw_models(args: argparse.Namespace) -> None:
    if args.data is None or args.root is None:
        raise UserError(f"{args.kind} is drawn of images: give --data NAME --root DIR")
    models = _titled(args.model, "--model FILE")
    source = open_dataset(args.data, args.root, args.split, thermal_palette=args.thermal_palette)
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


def _titled(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """`TITLE=PATH` or paths, whose titles are their names, or folders' names where they are all alike."""
    if not values:
        raise UserError(f"there is nothing to draw: give {option}, several times for several")
    pairs = [value.partition("=")[::2] if "=" in value else (_title(value), value) for value in values]
    titles = [title for title, _ in pairs]
    if len(set(titles)) < len(titles):
        raise UserError(
            f"two are called {max(titles, key=titles.count)}: give {option.split()[0]} TITLE=PATH"
        )
    return dict(pairs)


def _title(path: str) -> str:
    """`runs/a/best.safetensors` is a, `m.safetensors` is m."""
    stem = Path(path).stem
    return Path(path).resolve().parent.name if stem in ("best", "last") else stem


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
        wanted = [find_name(name, names) or name for name in args.classes.split(",")]
        if unknown := [name for name in wanted if name not in names]:
            raise UserError(f"there is no class {unknown[0]!r}: choose among {', '.join(names)}")
        return [names.index(name) for name in wanted]
    shown = np.sum([np.bincount(s.label.ravel(), minlength=256)[:UNLABELED] > 0 for s in samples], axis=0)
    ids = [
        i
        for i in np.argsort(-shown, kind="stable")
        if i < len(names) and names[i] not in BACKGROUND and shown[i]
    ]
    return [int(i) for i in ids[:_HEAT_CLASSES]]


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(_FORMATS)}")
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m training.figures`."""
    parser = command_parser(
        "python -m training.figures",
        "Draw the figures of the papers: predictions of several models side by side (SHIFNet 5, SARTM 4-6), heat maps "
        "of their fused features (SHIFNet 4), features of pixels in the plane by t-SNE (SARTM 7), and how alike "
        "classes became during runs (SARTM 8).",
        """python -m training.figures side-by-side --model a.safetensors --model b.safetensors \\
            --data mfnet --root DIR -o a_b.png
        python -m training.figures heat-maps --model SHIFNet=runs/a/best.safetensors \\
            --data pst900 --root DIR --class survivor -o heat.png
        python -m training.figures features --model with=a.safetensors --model without=b.safetensors \\
            --data fmb --root DIR -o tsne.pdf
        python -m training.figures similarity --run runs/a --run runs/b -o similarity.png""",
    )
    parser.add_argument("kind", choices=KINDS, help="which figure")
    parser.add_argument(
        "--model", action="append", metavar="FILE", help="model file, or TITLE=FILE; several times"
    )
    parser.add_argument(
        "--run", action="append", metavar="RUN", help="folder of a run, or TITLE=RUN; several times"
    )
    parser.add_argument("--data", choices=DATA_NAMES, help="data set; folder: your own")
    parser.add_argument("--root", help="folder of the data set, or the YAML file of your own")
    parser.add_argument("--split", default="test", help="part of the data set (default: test)")
    parser.add_argument(
        "--thermal-palette", default="auto", metavar="NAME", help="as in training (default: auto)"
    )
    parser.add_argument(
        "--images", metavar="NAME,NAME", help="names of the images (default: some, evenly chosen)"
    )
    parser.add_argument("--count", type=positive_count, help="how many images (default: 4; features: 20)")
    parser.add_argument(
        "--class",
        dest="classes",
        metavar="NAME,NAME",
        help="classes of heat maps (default: the three most shown)",
    )
    parser.add_argument(
        "--level",
        type=int,
        default=0,
        help="fused map of heat maps, 0 is the finest, -1 the coarsest (default: 0)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the pixels and t-SNE of features (default: 0)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("-o", "--output", type=_output, required=True, metavar="FILE", help="PNG, PDF or SVG")
    return run_command(parser, _run, argv)


if __name__ == "__main__":
    sys.exit(main())
