"""What `training.model_card` does once its arguments are known to be good."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import yaml

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.host import prepare_process
from rgbt_seg_ros.base.json_files import Count, MalformedJson, convert_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.models import ModelCard, load_model, read_card
from rgbt_seg_ros.models.model_file import file_hash, resolve_model
from rgbt_seg_ros.runs.evaluation import SUBSETS, SplitScores, SubsetScores
from rgbt_seg_ros.segmenter import Segmenter

from ..config.schema import MODALITIES, DataConfig
from ..data.sample import SampleSource
from ..data.sources import DatasetOnDisk, validation_source
from ..scoring.counts import score
from ..scoring.table import MODALITY_TITLES, WITHOUT_LABELS, percent


def scores_by_modality(segmenter: Segmenter, source: SampleSource, title: str) -> dict[str, SplitScores]:
    """What the model scores with both images and with either alone, by the `native` protocol."""
    return {
        modality: score(
            segmenter, source, modality=modality, description=f"{title}, {MODALITY_TITLES[modality]}"
        )
        for modality in MODALITIES
    }


def score_section(scores: Mapping[str, SplitScores]) -> str:
    """Tables in Markdown: IoU by class and modality, and the same by day and night where these are known."""
    tables = [_table({MODALITY_TITLES[modality]: part for modality, part in scores.items()})]
    by_subset = {
        f"{subset}, {MODALITY_TITLES[modality]}": found
        for subset in SUBSETS
        for modality, part in scores.items()
        if (found := part.subsets[subset]) is not None
    }
    if by_subset:
        tables.append(_table(by_subset))
    if any(
        value is None
        for table in (scores, by_subset)
        for part in table.values()
        for value in part.iou.values()
    ):
        tables.append(f"{WITHOUT_LABELS}.")
    return "\n\n".join(tables)


def _table(columns: Mapping[str, SubsetScores]) -> str:
    """IoU in percent: a row for each class and for the means, a column for each of some scores."""
    (first, *_) = columns.values()
    rows = [["IoU in %", *columns], ["---", *("---:" for _ in columns)]]
    rows += [[name, *(percent(part.iou[name]) for part in columns.values())] for name in first.iou]
    rows.append(["**mean**", *(f"**{percent(part.miou)}**" for part in columns.values())])
    rows.append(["images", *(str(part.images) for part in columns.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def identity_section(model: str | Path) -> str:
    """What the file is: its hash, size, architecture, classes and inputs, as a table in Markdown.

    Raises:
        UserError: no such file, or no model file.
    """
    path, card = resolve_model(model), read_card(model)
    parameters = sum(parameter.numel() for parameter in load_model(model).parameters())
    side = card.short_side
    rows = {
        "SHA-256": f"`{file_hash(path)}`",
        "file": f"{path.stat().st_size / 1e6:.1f} MB, {parameters / 1e6:.2f} M parameters",
        "network": f"{card.arch}, {', '.join(f'{key} {value}' for key, value in card.config.items())}",
        "classes": ", ".join(card.class_names),
        "become detections": ", ".join(card.thing_classes),
        "off in a node by default": ", ".join(card.weak_classes) or "none",
        "images enter at": "their own size" if side is None else f"a short side of at most {side} pixels",
        "thermal in [0, 1] is scaled by": _thermal_scaling(card),
        "class embeddings": str(
            card.embeddings.get("encoder") or card.embeddings.get("origin", "of unknown origin")
        ),
    }
    lines = [f"| {key} | {value} |" for key, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _thermal_scaling(card: ModelCard) -> str:
    scaling = card.scaling
    if scaling.thermal_mean is None:
        return "nothing"
    return f"mean {scaling.thermal_mean:g}, standard deviation {scaling.thermal_std:g}"


class _Training(TypedDict, total=False):
    """What is read of a card's `training`."""

    data: str
    steps: Count
    scores: dict[str, Any]
    config: dict[str, Any]
    base_weights: str | None
    start_from: str | None
    origin: str


def training_section(card: ModelCard) -> str:
    """Data, steps, what the run started from, and its configuration; of imported weights, where they come from.

    Raises:
        UserError: the card tells something else in their places.
    """
    try:
        training = convert_json(card.training, _Training)
    except MalformedJson as error:
        raise UserError(
            f"the model's card is damaged (training, {error}): write the model file again"
        ) from None
    if "config" not in training:
        return f"Its training is not told. It comes from {training.get('origin', 'an unknown place')}."
    started = {
        "SAM 2's weights": training.get("base_weights"),
        "the weights of a model file": training.get("start_from"),
    }
    origins = [f"{what} (SHA-256 `{digest}`)" for what, digest in started.items() if digest]
    validated = training.get("scores", {}).get("on", "nothing")
    start = " and ".join(origins) or "random numbers"
    recipe = yaml.safe_dump(training["config"], sort_keys=False)
    return (
        f"Trained on {training.get('data', 'unknown data')} for {training.get('steps', 'unknown')} steps, starting "
        f"from {start}. It was validated on {validated} meanwhile.\n\n```yaml\n{recipe}```"
    )


def run(args: argparse.Namespace, source: DatasetOnDisk) -> None:
    """Write the card, with scores on a split and, where its classes are the renderer's, on rendered stills."""
    card = read_card(args.model)
    if card.class_names != source.classes.names:
        raise UserError(
            f"the model {args.model} and {args.data} have different classes: give a data set of its own"
        )
    scored: dict[str, SampleSource] = {f"real images, {args.data} {args.split}": source}
    if source.classes is MFNET:
        stills = validation_source(DataConfig(name="scenes", rendered_val=args.rendered))
        scored["rendered stills that it was not trained on"] = stills
    prepare_process()
    segmenter = Segmenter.load(args.model, precision="fp32")
    sections = {"The file": identity_section(args.model)}
    for title, images in scored.items():
        sections[f"Scores on {title}"] = score_section(scores_by_modality(segmenter, images, title))
    sections["How it was trained"] = training_section(card)
    head = f"# Model card: {args.title}\n\nWritten by `python3 -m training.model_card` from the model file.\n"
    parts = [head, args.notes.read_text(), *(f"## {title}\n\n{text}\n" for title, text in sections.items())]
    write_file(args.output, "\n".join(parts))
    name_files((f"card of {resolve_model(args.model)}", args.output))
