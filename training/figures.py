"""The figures of the SHIFNet and SARTM papers of models of your own: `python -m training.figures KIND ...`."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rgbt_seg_ros.base.cli import Work, announce, command_parser, positive_count, run_command, whole_number
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.shared_files import resolve_model

from .config.schema import DATA_NAMES

if TYPE_CHECKING:
    from .data.on_disk import DatasetOnDisk

KINDS = ("side-by-side", "heat-maps", "features", "similarity")
_FORMATS = (".png", ".pdf", ".svg")


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(_FORMATS)}")
    return path


def _titled(values: Sequence[str] | None, option: str) -> dict[str, Path]:
    """`TITLE=PATH` or paths, whose titles are their names, or folders' names where they are all alike."""
    if not values:
        raise UserError(f"there is nothing to draw: give {option}, several times for several")
    pairs = [value.partition("=")[::2] if "=" in value else (_title(value), value) for value in values]
    titles = [title for title, _ in pairs]
    if len(set(titles)) < len(titles):
        raise UserError(
            f"two are called {max(titles, key=titles.count)}: give {option.split()[0]} TITLE=PATH"
        )
    return {title: Path(path) for title, path in pairs}


def _title(path: str) -> str:
    """`runs/a/best.safetensors` is a, `m.safetensors` is m."""
    stem = Path(path).stem
    return Path(path).resolve().parent.name if stem in ("best", "last") else stem


def _open(args: argparse.Namespace) -> "DatasetOnDisk":
    """The data set whose samples are drawn, which has the classes that were asked for."""
    from rgbt_seg_ros.masks.classes import find_name

    from .data.sources import open_dataset

    if args.data is None or args.root is None:
        raise UserError(f"{args.kind} is drawn of images: give --data NAME --root DIR")
    source = open_dataset(args.data, args.root, args.split, thermal_palette=args.thermal_palette)
    names = source.classes.names
    for name in args.classes.split(",") if args.classes else ():
        if find_name(name, names) is None:
            raise UserError(f"there is no class {name!r}: choose among {', '.join(names)}")
    return source


def _prepare(args: argparse.Namespace) -> Work:
    if args.kind == "similarity":
        source, drawn = None, _titled(args.run, "--run RUN")
    else:
        drawn = _titled(args.model, "--model FILE")
        for model in drawn.values():
            resolve_model(model)
        source = _open(args)
    announce(f"drawing {args.kind} to {args.output}")
    from .work.figures import run

    return partial(run, drawn=drawn, source=source)


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
        type=whole_number,
        default=0,
        help="fused map of heat maps, 0 is the finest, -1 the coarsest (default: 0)",
    )
    parser.add_argument(
        "--seed", type=whole_number, default=0, help="of the pixels and t-SNE of features (default: 0)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("-o", "--output", type=_output, required=True, metavar="FILE", help="PNG, PDF or SVG")
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
