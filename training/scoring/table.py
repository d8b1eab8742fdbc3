"""Scores as a table for the terminal."""

from collections.abc import Mapping

from rich.table import Column, Table

from rgbt_seg_ros.runs.evaluation import NOISY_CLASS, SplitScores, SubsetScores

MODALITY_TITLES = {"both": "RGB+T", "rgb": "RGB only", "thermal": "T only"}


WITHOUT_LABELS = "-: a class without labels, which enters no mean"
WITHOUT_LABELS_OFFICIAL = "official protocol: a class without labels counts 0 in the means"


def score_table(scores: Mapping[str, SplitScores], protocol: str = "native") -> Table:
    """Scores by modality in percent: of one, IoU, accuracy and F1, and IoU by day and night where known; else IoU.

    Args:
        scores: by modality.
        protocol: by which they were counted; what a class without labels counts stands below the table.
    """
    (first, *others) = scores.values()
    if others:
        columns = {
            f"IoU {MODALITY_TITLES[modality]}": _iou_with_subsets(part) for modality, part in scores.items()
        }
    else:
        subsets = {f"IoU {subset}": _iou(part) for subset, part in first.subsets.items() if part}
        columns = {
            "IoU": _iou(first),
            "Acc": {**first.acc, "mean": first.macc},
            "F1": {**first.f1, "mean": first.mf1},
        }
        columns |= subsets
    lacking = any(value is None for column in columns.values() for value in column.values())
    table = Table(
        "class",
        *(Column(title, justify="right") for title in columns),
        caption=WITHOUT_LABELS_OFFICIAL if protocol == "official" else WITHOUT_LABELS if lacking else None,
    )
    (rows, *_) = columns.values()
    (*_, last_class) = first.iou
    for row in rows:
        cells = (percent(column[row]) if row in column else "" for column in columns.values())
        table.add_row(row, *cells, end_section=row == last_class)
    return table


def percent(value: float | None) -> str:
    """A share from 0 to 1 in percent; - for None."""
    return "-" if value is None else f"{100 * value:.1f}"


def _iou(scores: SubsetScores) -> dict[str, float | None]:
    """IoU of each class, and their means."""
    column = {**scores.iou, "mean": scores.miou}
    if NOISY_CLASS in scores.iou:
        column["mean without guardrail"] = scores.miou_without_guardrail
    return column


def _iou_with_subsets(scores: SplitScores) -> dict[str, float | None]:
    means = {f"mean, {subset}": part.miou for subset, part in scores.subsets.items() if part}
    return {**_iou(scores), **means}
