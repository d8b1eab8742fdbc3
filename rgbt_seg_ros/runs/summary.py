"""The numbers of a recorded run: the content of summary.json, and the verdict in one sentence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import UNLABELED
from rgbt_seg_ros.masks.labels import read_label
from rgbt_seg_ros.masks.scores import ConfusionMatrix, image_miou
from rgbt_seg_ros.runs.folder import RunFolder

ENOUGH_MASKS = 0.95
"""Share of the pairs that must have become masks, and of the images kept until then, for a run to be complete."""

LOST_BEFORE_PAIRING = ("no_partner", "over_max_dt", "late", "duplicate", "out_of_order", "frozen", "lost")
"""Causes of images that are in no pair; `surplus` is none of them, as it is what two camera rates leave over."""

STAGES = ("decode", "preprocess", "inference", "postprocess", "detections", "publish")
"""In the order in which they follow each other; a node reports them by the alphabet."""

LATENCY_PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def summarize(run: RunFolder, labels: Mapping[int, Path] | None = None) -> dict[str, Any]:
    """What a run came to, for JSON.

    Args:
        run: what the recorder left.
        labels: PNG files of true class ids by the RGB image's stamp in nanoseconds, where there are any.

    Returns:
        pairs: pairs that the node made, by its own count; None if its diagnostics never came.
        masks, detections: received by the recorder.
        dropped: frames and pairs not used, by cause, by the node's own count; `not_received` are masks that
            the node sent and the recorder did not get.
        latency_ms: p50, p95, p99 from receiving an RGB image to receiving its mask, both in the recorder.
        skew_ms: p50 and max of the absolute time between the images of a pair.
        masks_hz: masks a second of wall-clock time; duration_s: time between the first and the last stamp.
        rgb_in, thermal_in: images that the node received.
        stages_ms: {stage: {p50, p95, p99}}, of the masks where their times are known, else as the node says.
        possible_hz: masks a second if the node were always busy: 1 / sum of the stages' medians; None if unknown.
        model, model_hash, device: as the node says.
        confidence: mean probability of the chosen class, 0 to 1; None if it was not received.
        classes: by name `pixel_share` (0 to 1 of all mask pixels) and `detections`.
        miou, iou and acc {class: value or None}, labelled_masks, frame_miou {stamp: value or None}: only with labels.

    Raises:
        UserError: a mask or label cannot be read, or they do not fit together.
    """
    stages = _stages(run)
    summary = {
        "pairs": _node_count(run, "pairs"),
        "masks": len(run.masks),
        "detections": sum(len(boxes) for boxes in run.detections.values()),
        "dropped": _dropped(run),
        "latency_ms": _percentiles([mask.latency_ms for mask in run.masks], LATENCY_PERCENTILES),
        "skew_ms": _percentiles(
            [abs(mask.skew_ms) for mask in run.masks if mask.skew_ms is not None], {"p50": 50, "max": 100}
        ),
        "masks_hz": _rate([mask.received_s for mask in run.masks]),
        "duration_s": _span([mask.stamp_ns / 1e9 for mask in run.masks]),
        "rgb_in": _node_count(run, "rgb_in"),
        "thermal_in": _node_count(run, "thermal_in"),
        "stages_ms": stages,
        "possible_hz": _possible_rate(stages),
        "model": _node_text(run, "model"),
        "model_hash": _node_text(run, "model_hash"),
        "device": _node_text(run, "device"),
        "confidence": round(float(np.mean([*run.confidence.values()])), 4) if run.confidence else None,
        "classes": _classes(run),
    }
    if labels:
        summary.update(score_masks(run, labels))
    return summary


def verdict(summary: Mapping[str, Any]) -> tuple[str, str]:
    """A level (ok, warn or error) and one sentence."""
    if "split" in summary:
        number, miou = summary["labelled_masks"], summary["miou"]
        images = f"{number} image" + ("" if number == 1 else "s")
        score = "None of the pixels is labelled" if miou is None else f"mIoU {miou:.3f}"
        return "ok", f"{score} on {images} of {summary['data']} {summary['split']}."
    pairs, masks = summary["pairs"], summary["masks"]
    if masks == 0:
        return "error", "No mask came."
    if pairs is None:
        return "ok", f"{masks} masks were received; the node's own counts were not."
    if masks < ENOUGH_MASKS * pairs:
        return "warn", f"Only {masks} of {pairs} pairs became a mask."
    lost = _lost_before_pairing(summary)
    rgb_in = summary.get("rgb_in") or 0
    if sum(lost.values()) > (1.0 - ENOUGH_MASKS) * rgb_in > 0:
        cause = max(lost, key=lambda name: lost[name]).replace("_", " ")
        return "warn", (
            f"Only {pairs} pairs came of {rgb_in} RGB and {summary['thermal_in']} thermal images: "
            f"{sum(lost.values())} images were dropped, mostly {cause}."
        )
    if masks < pairs:
        return "ok", f"{masks} of {pairs} pairs became a mask."
    if masks > pairs:
        return "ok", f"{masks} masks were received; the node's last count of pairs is {pairs}."
    return "ok", f"Every one of the {pairs} pairs became a mask."


def _lost_before_pairing(summary: Mapping[str, Any]) -> dict[str, int]:
    return {cause: summary.get("dropped", {}).get(cause, 0) for cause in LOST_BEFORE_PAIRING}


def score_masks(run: RunFolder, labels: Mapping[int, Path]) -> dict[str, Any]:
    """Scores of the masks that have a label: ``{miou, iou, acc, labelled_masks, frame_miou}``, see `summarize`.

    Raises:
        UserError: no mask has a label, or a file cannot be read or does not fit.
    """
    matrix = ConfusionMatrix(len(run.class_names))
    frames: dict[str, float | None] = {}
    for mask in run.masks:
        if mask.stamp_ns not in labels:
            continue
        path = labels[mask.stamp_ns]
        try:
            label, ids = read_label(path), run.mask_image(mask.stamp_ns)
            matrix.update(label, ids)
        except ValueError as error:
            raise UserError(f"label {path} does not fit its mask: {error}") from None
        frames[str(mask.stamp_ns)] = image_miou(label, ids, matrix.num_classes)
    if not frames:
        raise UserError(
            f"none of the {len(labels)} labels has the stamp of a mask: they belong to another recording"
        )
    scores = matrix.scores(run.class_names).to_json()
    keys = ("miou", "iou", "acc")
    return {key: scores[key] for key in keys} | {"labelled_masks": len(frames), "frame_miou": frames}


def _node_count(run: RunFolder, key: str) -> int | None:
    value = run.diagnostics[-1].number(key) if run.diagnostics else None
    return None if value is None else int(value)


def _node_text(run: RunFolder, key: str) -> str | None:
    return run.diagnostics[-1].values.get(key) if run.diagnostics else None


def _dropped(run: RunFolder) -> dict[str, int]:
    last = run.diagnostics[-1] if run.diagnostics else None
    keys = [key for key in last.values if key.startswith("dropped.")] if last else []
    dropped = {key.removeprefix("dropped."): _node_count(run, key) or 0 for key in keys}
    sent = _node_count(run, "masks")
    if sent is not None:
        dropped["not_received"] = max(sent - len(run.masks), 0)
    return dropped


def _stages(run: RunFolder) -> dict[str, dict[str, float | None]]:
    names = dict.fromkeys(stage for mask in run.masks for stage in mask.stage_ms)
    if names:
        times = {name: [mask.stage_ms.get(name) for mask in run.masks] for name in names}
        return {name: _percentiles(values, LATENCY_PERCENTILES) for name, values in times.items()}
    last = run.diagnostics[-1] if run.diagnostics else None
    stages: dict[str, dict[str, float | None]] = {}
    for key in last.values if last else ():
        prefix, _, rest = key.partition(".")
        stage, _, percentile = rest.rpartition(".")
        value = last.number(key) if last else None
        if prefix == "stage_ms" and percentile in LATENCY_PERCENTILES and value is not None:
            stages.setdefault(stage, {})[percentile] = value
    return dict(
        sorted(stages.items(), key=lambda entry: STAGES.index(entry[0]) if entry[0] in STAGES else 99)
    )


def _possible_rate(stages: Mapping[str, Mapping[str, float | None]]) -> float | None:
    medians = [times.get("p50") for times in stages.values()]
    known = [median for median in medians if median is not None]
    return round(1e3 / sum(known), 2) if known and len(known) == len(medians) and sum(known) > 0 else None


def _classes(run: RunFolder) -> dict[str, dict[str, float]]:
    pixels: Counter[int] = Counter()
    for mask in run.masks:
        pixels.update(mask.pixels)
    boxes = Counter(box.class_name for detections in run.detections.values() for box in detections)
    total = max(sum(pixels.values()), 1)
    named = dict(enumerate(run.class_names))
    if pixels[UNLABELED]:
        named.setdefault(UNLABELED, "no class")
    return {
        name: {"pixel_share": round(pixels[class_id] / total, 6), "detections": boxes[name]}
        for class_id, name in named.items()
    }


def _percentiles(values: Sequence[float | None], wanted: Mapping[str, float]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return dict.fromkeys(wanted)
    return {name: round(float(np.percentile(known, percent)), 2) for name, percent in wanted.items()}


def _span(seconds: list[float]) -> float:
    return round(max(seconds) - min(seconds), 3) if seconds else 0.0


def _rate(received_s: list[float]) -> float | None:
    span = _span(received_s)
    return round((len(received_s) - 1) / span, 2) if span > 0 else None
