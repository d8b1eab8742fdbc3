"""Whether a run went well, in one sentence."""

from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.runs.summary import Summary

ENOUGH_MASKS = 0.95
"""Share of the pairs that must have become masks, and of the images kept until then, for a run to be complete."""

LOST_BEFORE_PAIRING = (
    Drop.NO_PARTNER,
    Drop.OVER_MAX_DT,
    Drop.LATE,
    Drop.DUPLICATE,
    Drop.OUT_OF_ORDER,
    Drop.FROZEN,
    Drop.LOST,
)
"""Why images are in no pair. `Drop.SURPLUS` is none of these: it is what two camera rates leave over."""


def is_mostly_unpaired(summary: Summary) -> bool:
    """Whether most images of the camera that has fewer of them are in no pair, and are not answered alone."""
    fewer = min(summary.rgb_in or 0, summary.thermal_in or 0)
    return summary.pairs is not None and summary.pairs + (summary.alone or 0) < 0.5 * fewer


def verdict(summary: Summary) -> tuple[str, str]:
    """A level (ok, warn or error) and one sentence."""
    evaluation, labelled = summary.evaluation, summary.labelled
    if evaluation is not None and labelled is not None:
        miou = labelled.scores.miou
        images = f"{labelled.count} image" + ("" if labelled.count == 1 else "s")
        score = "None of the pixels is labelled" if miou is None else f"mIoU {miou:.3f}"
        return "ok", f"{score} on {images} of {evaluation.data} {evaluation.split}."
    pairs, masks = summary.pairs, summary.masks
    if masks == 0:
        return "error", "No mask came."
    if pairs is None:
        return "ok", f"{masks} masks were received; the node's own counts were not."
    answered = pairs + (summary.alone or 0)
    asked = f"{pairs} pairs and {summary.alone} single images" if summary.alone else f"{pairs} pairs"
    if masks < ENOUGH_MASKS * answered:
        return "warn", f"Only {masks} of {asked} became a mask."
    lost = {drop: summary.dropped.by_cause.get(drop, 0) for drop in LOST_BEFORE_PAIRING}
    rgb_in = summary.rgb_in or 0
    if sum(lost.values()) > (1.0 - ENOUGH_MASKS) * rgb_in > 0:
        most = max(lost, key=lambda drop: lost[drop])
        return "warn", (
            f"Only {pairs} pairs came of {rgb_in} RGB and {summary.thermal_in} thermal images: "
            f"{sum(lost.values())} images were dropped, mostly {most.cause.replace('_', ' ')}."
        )
    if is_mostly_unpaired(summary):
        return "warn", f"Only {asked} came of {rgb_in} RGB and {summary.thermal_in} thermal images."
    if masks < answered:
        return "ok", f"{masks} of {asked} became a mask."
    if masks > answered:
        return "ok", f"{masks} masks were received; the node's last count of pairs is {pairs}."
    return "ok", f"Every one of the {asked} became a mask."
