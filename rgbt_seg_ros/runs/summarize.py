"""Counts and percentiles of what a run left in its folder."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from rgbt_seg_ros.base.diagnostics import BEFORE_INFERENCE, PERCENTILES, Drop, Key, Stage
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import UNLABELED, UNLABELED_NAME
from rgbt_seg_ros.masks.labels import read_label
from rgbt_seg_ros.masks.scores import ConfusionMatrix, image_miou
from rgbt_seg_ros.runs.folder import RunFolder
from rgbt_seg_ros.runs.quality import flicker_of
from rgbt_seg_ros.runs.summary import (
    ClassCounts,
    Dropped,
    LabelledMasks,
    Percentiles,
    SkewPercentiles,
    Summary,
)


def summarize(run: RunFolder, labels: Mapping[int, Path] | None = None) -> Summary:
    """What a run came to.

    Args:
        run: what the recorder left.
        labels: PNG files of true class ids by the RGB image's stamp in nanoseconds, where there are any.

    Raises:
        UserError: a mask or label cannot be read, or they do not fit together.
    """
    stages = _stages(run)
    return Summary(
        pairs=_node_count(run, Key.PAIRS),
        masks=len(run.masks),
        detections=sum(len(boxes) for boxes in run.detections.values()),
        dropped=_dropped(run),
        latency_ms=_percentiles(mask.latency_ms for mask in run.masks),
        skew_ms=_skew(run),
        masks_hz=_rate([mask.received_s for mask in run.masks]),
        duration_s=_span([mask.stamp_ns / 1e9 for mask in run.masks]),
        rgb_in=_node_count(run, Key.RGB_IN),
        thermal_in=_node_count(run, Key.THERMAL_IN),
        stages_ms=stages,
        possible_hz=_possible_rate(stages),
        model=_node_text(run, Key.MODEL),
        model_hash=_node_text(run, Key.MODEL_HASH),
        device=_node_text(run, Key.DEVICE),
        confidence=round(float(np.mean([*run.confidence.values()])), 4) if run.confidence else None,
        flicker=flicker_of(run.masks),
        classes=_classes(run),
        labelled=score_masks(run, labels) if labels else None,
        alone=_node_count(run, Key.ALONE) or None,
    )


def score_masks(run: RunFolder, labels: Mapping[int, Path]) -> LabelledMasks:
    """Scores of the masks that have a label.

    Raises:
        UserError: no mask has a label, or a file cannot be read or does not fit.
    """
    matrix = ConfusionMatrix(len(run.class_names))
    frame_miou: dict[int, float | None] = {}
    for mask in run.masks:
        if mask.stamp_ns not in labels:
            continue
        path = labels[mask.stamp_ns]
        try:
            label, ids = read_label(path), run.mask_image(mask.stamp_ns)
            matrix.update(label, ids)
        except ValueError as error:
            raise UserError(f"label {path} does not fit its mask: {error}") from None
        frame_miou[mask.stamp_ns] = image_miou(label, ids, matrix.num_classes)
    if not frame_miou:
        raise UserError(
            f"none of the {len(labels)} labels has the stamp of a mask: they belong to another recording"
        )
    scores = matrix.scores(run.class_names)
    return LabelledMasks(len(frame_miou), scores, frame_miou, matrix.matrix.tolist())


def _node_count(run: RunFolder, key: Key | Drop) -> int | None:
    value = run.diagnostics[-1].number(key) if run.diagnostics else None
    return int(value) if value is not None and value >= 0 else None


def _node_text(run: RunFolder, key: Key) -> str | None:
    return run.diagnostics[-1].values.get(key) if run.diagnostics else None


def _dropped(run: RunFolder) -> Dropped:
    known = {drop.value: drop for drop in Drop}
    keys = run.diagnostics[-1].values if run.diagnostics else ()
    by_cause = {known[key]: _node_count(run, known[key]) or 0 for key in keys if key in known}
    sent = _node_count(run, Key.MASKS)
    return Dropped(by_cause, None if sent is None else max(sent - len(run.masks), 0))


def _stages(run: RunFolder) -> dict[Stage, Percentiles]:
    measured = [stage for stage in Stage if any(stage in mask.stage_ms for mask in run.masks)]
    if measured or not run.diagnostics:
        return {stage: _percentiles(mask.stage_ms.get(stage) for mask in run.masks) for stage in measured}
    told = {stage: _told_percentiles(run, stage) for stage in Stage}
    return {stage: percentiles for stage, percentiles in told.items() if percentiles != Percentiles()}


def _told_percentiles(run: RunFolder, stage: Stage) -> Percentiles:
    """Those of a stage in the node's last report."""
    last = run.diagnostics[-1]
    return Percentiles(**{name: last.number(Key.STAGE_MS.of(f"{stage}.{name}")) for name in PERCENTILES})


def _possible_rate(stages: Mapping[Stage, Percentiles]) -> float | None:
    medians = [times.p50 for stage, times in stages.items() if stage not in BEFORE_INFERENCE]
    known = [median for median in medians if median is not None]
    return round(1e3 / sum(known), 2) if known and len(known) == len(medians) and sum(known) > 0 else None


def _classes(run: RunFolder) -> dict[str, ClassCounts]:
    pixels: Counter[int] = Counter()
    for mask in run.masks:
        pixels.update(mask.pixels)
    boxes = Counter(box.class_name for detections in run.detections.values() for box in detections)
    total = max(sum(pixels.values()), 1)
    named = dict(enumerate(run.class_names))
    if pixels[UNLABELED]:
        named.setdefault(UNLABELED, UNLABELED_NAME)
    return {
        name: ClassCounts(round(pixels[class_id] / total, 6), boxes[name]) for class_id, name in named.items()
    }


def _percentiles(times_ms: Iterable[float | None]) -> Percentiles:
    known = [time for time in times_ms if time is not None]
    if not known:
        return Percentiles()
    return Percentiles(**{name: _percentile(known, percent) for name, percent in PERCENTILES.items()})


def _skew(run: RunFolder) -> SkewPercentiles:
    known = [abs(mask.skew_ms) for mask in run.masks if mask.skew_ms is not None]
    return SkewPercentiles(_percentile(known, 50), _percentile(known, 100)) if known else SkewPercentiles()


def _percentile(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 2)


def _span(seconds: list[float]) -> float:
    return round(max(seconds) - min(seconds), 3) if seconds else 0.0


def _rate(received_s: list[float]) -> float | None:
    span = _span(received_s)
    return round((len(received_s) - 1) / span, 2) if span > 0 else None
