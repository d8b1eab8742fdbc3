"""What `training.inspect_data` does once its arguments are known to be good."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.classes import UNLABELED_NAME

from ..config.schema import FOLDER
from ..data.contact_sheet import save_contact_sheet
from ..data.inspection import Inspection, Paths, inspect
from ..data.sources import dataset_type
from ..data.validation_lists import choose_validation_names


def run(args: argparse.Namespace) -> None:
    console = Console()
    inspection = inspect(
        dataset_type(args.data, args.root),
        Path(args.root),
        args.thermal,
        _with_progress,
        args.thermal_palette,
    )
    _print(console, inspection)
    if args.json:
        write_file(args.json, encode_json(inspection.as_dict(), indent=2) + "\n")
    if args.sheet:
        save_contact_sheet(args.sheet, inspection)
    if args.write_val_list:
        _write_validation_list(Path(args.write_val_list), inspection)
    name_files(("pictures", args.sheet), ("validation images", args.write_val_list), ("findings", args.json))
    if inspection.problems:
        count = len(inspection.problems)
        raise UserError(
            f"{args.root} has {count} problem{'' if count == 1 else 's'}, listed above: "
            "mend the files or their description, or copy them again"
        )


def _with_progress(samples: list[Paths]) -> Iterable[Paths]:
    return track(samples, "reading", console=Console(stderr=True), transient=True)


def _write_validation_list(path: Path, inspection: Inspection) -> None:
    if "val" in inspection.splits:
        raise UserError(f"{inspection.dataset.title} has a validation split of its own, val.txt: use that")
    if inspection.dataset.name == FOLDER:
        raise UserError("own data has its validation images from splits in its YAML file: write them there")
    train = inspection.splits.get("train")
    names = () if train is None else train.names
    known = inspection.dataset.known_counts["train"]
    if len(names) != known:
        raise UserError(
            f"a validation list is chosen among all {known} training images of {inspection.dataset.title}, "
            f"but there are {len(names)}: get the complete data set"
        )
    write_file(path, "\n".join(choose_validation_names(names)) + "\n")


def _print(console: Console, inspection: Inspection) -> None:
    report = inspection.as_dict()
    splits = Table("split", _number("images"), _number("known"))
    for name, split in report["splits"].items():
        splits.add_row(name, str(split["images"]), str(split["known"] or "-"))
    splits.add_section()
    splits.add_row("all", str(report["images"]), str(report["known_images"] or "-"))
    console.print(splits)
    classes = Table("class", _number("pixels"), _number("images"))
    for name, counts in report["classes"].items():
        classes.add_row(name, f"{100 * counts['pixel_share']:.3f} %", str(counts["images"]))
    classes.add_section()
    classes.add_row(UNLABELED_NAME, f"{100 * report['ignored_share']:.3f} %", "")
    console.print(classes)
    sizes = ", ".join(f"{count} of {size}" for size, count in report["sizes"].items())
    types = ", ".join(report["thermal_types"])
    _say(
        console, f"{report['readable_images']} images readable: {sizes or 'none'}; thermal: {types or 'none'}"
    )
    if inspection.dataset.thermal_holes:
        _say(console, f"thermal missing (zero): {100 * report['thermal_missing']:.2f} % of the pixels")
    for text in inspection.warnings:
        _say(console, f"warning: {text}")
    for text in inspection.problems:
        _say(console, f"problem: {text}")


def _number(title: str) -> Column:
    return Column(title, justify="right")


def _say(console: Console, text: str) -> None:
    """Print a line as it is: paths are neither wrapped nor coloured."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
