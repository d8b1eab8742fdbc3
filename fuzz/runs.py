"""Run folders and summaries, as strangers may send them: an input is its files, one after the other."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from fuzz.target import Target
from rgbt_seg_ros.report_page.write import read_summary
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.verdict import verdict

_SEPARATOR = b"\n=====\n"
_FILES = (
    "masks.jsonl",
    "classes.json",
    "confidence.jsonl",
    "detections.jsonl",
    "diagnostics.jsonl",
    "summary.json",
)


def _files(summary: bool) -> bytes:
    mask = {
        "stamp_ns": 5,
        "received_s": 1.0,
        "latency_ms": 30.0,
        "skew_ms": 2.0,
        "pixels": {"0": 90, "1": 6},
        "stage_ms": {"inference": 9.0},
    }
    box = {"class_name": "car", "score": 0.9, "center_x": 4.0, "center_y": 5.0, "size_x": 3.0, "size_y": 2.0}
    counts = {
        "rgb_in": "2",
        "pairs": "2",
        "dropped.late": "1",
        "stage_ms.inference.p50": "9.1",
        "model": "default",
    }
    contents = [
        json.dumps(mask) + "\n" + json.dumps({**mask, "stamp_ns": 6, "received_s": 1.1}) + "\n",
        json.dumps(["unlabeled", "car"]) + "\n",
        json.dumps({"stamp_ns": 5, "mean": 0.8}) + "\n",
        json.dumps({"stamp_ns": 5, "detections": [box]}) + "\n",
        json.dumps({"level": "ok", "message": "fine", "values": counts, "stamp_ns": 5}) + "\n",
    ]
    if summary:
        percentiles = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
        contents.append(
            json.dumps(
                {
                    **{"pairs": 2, "masks": 2, "dropped": {"late": 1}, "latency_ms": percentiles},
                    **{"classes": {"car": {"pixel_share": 0.1}}, "stages_ms": {"inference": percentiles}},
                    **{"miou": 0.5, "iou": {"car": 0.5}, "acc": {"car": 0.6}, "labelled_masks": 1},
                    **{"frame_miou": {"5": 0.5}},
                }
            )
        )
    return _SEPARATOR.join(content.encode() for content in contents)


def _read(data: bytes, folder: Path) -> None:
    for name, content in zip(_FILES, data.split(_SEPARATOR), strict=False):
        (folder / name).write_bytes(content)
    try:
        run = read_run(folder)
        summary = read_summary(run)
        verdict(summary)
        json.dumps(summary.to_json())
    finally:
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)


def _read_mask(data: bytes, folder: Path) -> None:
    for name in ("masks", "truth"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "5.png").write_bytes(data)
    (folder / "masks.jsonl").write_bytes(b"")
    try:
        run = read_run(folder)
        assert run.mask_image(5).ndim == 2
        run.truth_image(5)
    finally:
        shutil.rmtree(folder / "truth")


def _masks() -> list[bytes]:
    mask = np.zeros((8, 9), np.uint8)
    return [
        bytes(cv2.imencode(".png", image)[1])
        for image in (mask, mask.astype(np.uint16), np.dstack([mask] * 3))
    ]


_KEYS = (
    *(
        "stamp_ns",
        "received_s",
        "latency_ms",
        "pixels",
        "stage_ms",
        "mean",
        "detections",
        "level",
        "values",
        "split",
    ),
    *(
        "subsets",
        "images",
        "protocol",
        "iou",
        "acc",
        "miou",
        "frame_miou",
        "possible_hz",
        "dropped",
        "skew_ms",
    ),
)

TARGETS = (
    Target(
        "runs",
        _read,
        lambda: [_files(False), _files(True)],
        (
            "rgbt_seg_ros.runs.folder",
            "rgbt_seg_ros.runs.summarize",
            "rgbt_seg_ros.runs.summary",
            "rgbt_seg_ros.runs.evaluation",
        ),
        tuple(f'"{key}": '.encode() for key in _KEYS),
    ),
    Target("masks", _read_mask, _masks, ("rgbt_seg_ros.runs.folder", "rgbt_seg_ros.images.headers.png")),
)
