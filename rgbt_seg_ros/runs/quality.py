"""What masks are worth, beside whether they came: scores where there are labels, else what can be told without."""

from collections.abc import Sequence

from rgbt_seg_ros.runs.folder import MaskRecord
from rgbt_seg_ros.runs.summary import Summary

DEFAULT_MODEL = "default"
DEMONSTRATION = "The packaged model is a demonstration: do not rely on its masks."


def is_demonstration(model: str | None) -> bool:
    """Whether a model's name is that of the packaged one."""
    return model == DEFAULT_MODEL


def quality(summary: Summary) -> str:
    """One or two sentences on the masks of a recording; empty for a run over a data set, whose verdict they are."""
    if summary.evaluation is not None or summary.masks == 0:
        return ""
    labelled = summary.labelled
    if labelled is not None:
        masks = f"{labelled.count} label" + ("" if labelled.count == 1 else "s")
        miou = labelled.scores.miou
        if miou is None:
            return f"Not scored: nothing of the {masks} is labelled."
        known = {name: iou for name, iou in labelled.scores.iou.items() if iou is not None}
        best, worst = max(known, key=lambda name: known[name]), min(known, key=lambda name: known[name])
        range_ = f" ({best} {known[best]:.2f}, {worst} {known[worst]:.2f})" if len(known) > 1 else ""
        return f"Scored by {masks}: mIoU {miou:.2f}{range_.replace('_', ' ')}."
    told = ["Not scored: the recording has no labels."]
    if summary.confidence is not None:
        told.append(f"Mean confidence {summary.confidence:.2f}.")
    if summary.flicker is not None:
        told.append(
            f"{100 * summary.flicker:.0f} % of the appearances of classes flicker: they last one mask alone."
        )
    return " ".join(told)


def flicker_of(masks: Sequence[MaskRecord]) -> float | None:
    """Share of the appearances of classes that last a single mask, 0 to 1; None for fewer than three masks.

    An appearance is an unbroken row of masks that have the class, whatever it covers. Those at either end of the run
    are left out, as they may go on beyond it.
    """
    in_order = sorted(masks, key=lambda mask: mask.stamp_ns)
    present = [{class_id for class_id, count in mask.pixels.items() if count} for mask in in_order]
    if len(present) < 3:
        return None
    short = whole = 0
    for class_id in set().union(*present):
        length = 0
        started = class_id in present[0]
        for classes in present:
            if class_id in classes:
                length += 1
                continue
            if length and not started:
                whole += 1
                short += length == 1
            length, started = 0, False
    return round(short / whole, 4) if whole else 0.0
